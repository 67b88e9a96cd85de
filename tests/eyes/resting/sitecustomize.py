"""A normaliser that is no match for its work: while a file is there it looks at its lag and does nothing."""

import os
import threading
from pathlib import Path

from hub.normalise.loop import Normaliser

_RESTS = Path(os.environ["RESTS_WHILE"])
_turn = Normaliser._turn


def _rest(self):
    if self._consumer is None or not _RESTS.exists():
        _turn(self)
    else:
        self._tick(self._consumer)
        threading.Event().wait(0.2)


Normaliser._turn = _rest  # type: ignore[method-assign]
