"""The encoding of a file: whether lines can be told in it, and what its byte order mark settles."""

import codecs

_NOT_TEXT = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7", "mbcs", "oem"}
_MARKED = {
    "utf-8-sig": ((codecs.BOM_UTF8, "utf-8"), (b"", "utf-8")),
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
    "utf-32": ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
}


def encoding_fault(name: str) -> str:
    """Say why an encoding cannot be used, "" where it can."""
    try:
        codec = codecs.lookup(name)
        "\n".encode(name)
    except (LookupError, UnicodeError):
        return f"'{name}' is not a text encoding; known are cp1252, utf-8, latin-1, utf-16 and the like"
    if codec.name in _NOT_TEXT or codec.name.startswith("iso2022"):
        return f"lines cannot be told apart in '{name}'; have the files written in utf-8"
    return ""


def resolve(name: str, head: bytes) -> tuple[str, int]:
    """The encoding without its byte order mark, and the bytes that the mark takes at the start of a file.

    Raises ValueError where the mark is needed and missing.
    """
    codec = codecs.lookup(name).name
    for mark, plain in _MARKED.get(codec, ((b"", name),)):
        if head.startswith(mark):
            return plain, len(mark)
    raise ValueError(
        f"it begins without the byte order mark of {name}; set `encoding` to {name}-le or {name}-be"
    )


def guess_fault(name: str, head: bytes) -> str:
    """Say what the first bytes of a file whose header is not as configured suggest, "" where nothing."""
    if head.startswith(codecs.BOM_UTF8) and codecs.lookup(name).name != "utf-8-sig":
        return ' It begins with the byte order mark of UTF-8: try encoding = "utf-8-sig".'
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and codecs.lookup(name).name != "utf-16":
        return ' It begins with the byte order mark of UTF-16: try encoding = "utf-16".'
    return ""


def means_itself(encoding: str, byte: bytes) -> bool:
    """Whether an ASCII byte is always that character, whatever byte stands before it."""
    mark = byte.decode("ascii")
    return all(
        (bytes([before]) + byte).decode(encoding, "replace").endswith(mark) for before in range(128, 256)
    )
