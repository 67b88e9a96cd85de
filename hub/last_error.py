"""The last error of normalisers and views, kept as text beside their offsets on the bus.

So whoever asks the bus sees it, from any machine, also once the process has ended. The next offset
that is kept without it takes it away. It is what the log says, so it holds nothing personal
(invariant 10).
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

_NAME = "error"
_LONGEST = 500
"""Characters; each takes six bytes at most, and a bus keeps 4 KiB beside an offset."""


class LastError(NamedTuple):
    """What a person should know, and when it happened, in microseconds UTC."""

    said: str
    at: int


def beside_offset(counts: Mapping[str, int], error: LastError | None = None) -> str:
    """The text kept beside an offset: what was counted, and the error where there is one."""
    told: dict[str, Any] = dict(counts)
    if error is not None:
        said = error.said[:_LONGEST].encode("utf-8", "replace").decode()
        told[_NAME] = {"said": said, "at": error.at}
    return json.dumps(told, ensure_ascii=False)


def read_beside_offset(text: str) -> tuple[dict[str, int], LastError | None]:
    """What was counted, and the error that was kept with it."""
    values: dict[str, Any] = json.loads(text) if text else {}
    error = values.pop(_NAME, None)
    return values, None if error is None else LastError(error["said"], error["at"])
