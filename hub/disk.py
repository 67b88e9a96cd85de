"""How much room is left on the disks that hold what a process keeps, as its metrics tell it."""

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hub.config import Settings
from hub.metrics import Metrics


def kept_in(settings: Settings) -> dict[str, Path]:
    """The folders that this machine's disks must have room in, by use.

    `bus` and `store` where they are files; `temporary` holds what a connector remembers while it
    runs. A broker and a database server watch their own disks.
    """
    folders = {"temporary": Path(tempfile.gettempdir())}
    if settings.bus_url.startswith("embedded:"):
        folders["bus"] = Path(unquote(urlsplit(settings.bus_url).path)).parent
    if settings.store_url.startswith("sqlite:"):
        folders["store"] = Path(urlsplit(settings.store_url).path.removeprefix("/")).parent
    return folders


def tell_disks(metrics: Metrics, folders: Mapping[str, Path]) -> None:
    """Have the metrics tell, whenever they are asked, what is free where these folders are."""
    for use, folder in folders.items():
        metrics.disk_free.labels(use).set_function(partial(_of, folder, lambda disk: disk.free))
        metrics.disk_size.labels(use).set_function(partial(_of, folder, lambda disk: disk.total))


def _of(folder: Path, which: Callable[["shutil._ntuple_diskusage"], int]) -> float:
    """Of the disk on which a folder is, or will be made; not a number where that cannot be said."""
    try:
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        return which(shutil.disk_usage(there))
    except OSError:
        return math.nan
