"""The rarer pieces of a value, which the readers made in `hub.schema.decode` call by name."""

from hub.schema.varint import MalformedError, decode_length, decode_long


def wrong_end(place: int, length: int) -> None:
    if place > length:
        raise IndexError
    raise MalformedError(f"{length - place} bytes too many")


def read_blob(value: bytes, at: int) -> tuple[bytes, int]:
    length, at = decode_length(value, at)
    end = at + length
    if end > len(value):
        raise IndexError
    return value[at:end], end


def read_text(value: bytes, at: int) -> tuple[str, int]:
    blob, end = read_blob(value, at)
    return blob.decode(), end


def read_blocks(value: bytes, at: int) -> tuple[int, int]:
    """Read the head of a block: how many items, and the place of the first; nought ends them."""
    count, at = decode_long(value, at)
    if count < 0:
        count, (_, at) = -count, decode_long(value, at)
    if count > len(value):
        raise IndexError
    return count, at


def no_branch() -> None:
    raise MalformedError("a union branch that is not there")


def read_branch(value: bytes, at: int, branches: int) -> tuple[int, int]:
    number, at = decode_length(value, at)
    if number >= branches:
        no_branch()
    return number, at
