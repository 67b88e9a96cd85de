"""Names that last: a new file is lost with the folder that holds it, however well it was synced itself."""

import os
from pathlib import Path


def sync_way(file: Path) -> None:
    """Make the names of all folders on the way to a file that is to be made durable (invariant 8).

    Before the file is made, so that one that is there has a way to it that lasts. SQLite sees to
    the name of the file itself. Folders that this user may not read are others' work.
    """
    for folder in file.absolute().parents:
        try:
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            return
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
        if folder.is_mount():
            return
