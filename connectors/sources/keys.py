"""The key of a row: its parts percent-encoded and joined, None where one of them is blank."""

import re
from collections.abc import Iterable
from functools import lru_cache

from hub.events import source_key

_PLAIN = re.compile(r"[A-Za-z0-9._~-]+").fullmatch
_encoded = lru_cache(1024)(source_key)


def joined_key(parts: Iterable[str]) -> str | None:
    """Join the parts of a key, blanks around them left out."""
    encoded = []
    for part in parts:
        text = part.strip()
        if not text:
            return None
        encoded.append(text if _PLAIN(text) else _encoded(text))
    return ":".join(encoded)
