"""Finding a record's header by its name, on either bus."""

from hub.bus.contract import Headers
from hub.bus.embedded_batch import PackedHeaders


def header(found: Headers, name: str) -> bytes | None:
    """The value of the first header of this name; None where there is none."""
    if isinstance(found, PackedHeaders) and not found.may_have(name):
        return None
    for each, value in found:  # quicker than a generator, and asked for every record
        if each == name:
            return value
    return None
