"""What is left of files after a loss of power: what was synced, and what chance let survive.

A process runs under `recorder.c`, which writes down every operation on the files below a
folder. `Disk` replays them. It promises no more than POSIX does: the content of a file lasts as
of its last sync, and a name only once its folder was synced; of everything since, any part may
have reached the disk, in any order, and a write in parts of a sector.
"""

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.needs import missing

SECTOR_BYTES = 512
_HEAD = struct.Struct("=cIQQ")


class Operation(NamedTuple):
    """One operation as `recorder.c` tells it; kind A is a mark of the process itself, in `data`."""

    kind: str
    path: str
    number: int
    data: bytes


def record(folder: Path, module: str, *arguments: str) -> list[Operation]:
    """Run a module to its end, with `folder`/files as its first argument; what it did to the files there."""
    root, told = folder / "files", folder / "operations"
    root.mkdir()
    environment = os.environ | {
        "LD_PRELOAD": str(_compiled(folder)),
        "RECORD_ROOT": str(root),
        "RECORD_TO": str(told),
    }
    subprocess.run([sys.executable, "-m", module, str(root), *arguments], env=environment, check=True)
    return list(_operations(told.read_bytes()))


def mark(text: str) -> None:
    """Note, from within the recorded process, that something holds from now on."""
    data = text.encode()
    file = os.open(os.environ["RECORD_TO"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, _HEAD.pack(b"A", 0, 0, len(data)) + data)
    os.close(file)


def _compiled(folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        missing("install a C compiler (Debian: gcc libc6-dev)")
    made = folder / "recorder.so"
    source = Path(__file__).parent / "recorder.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", made, source, "-ldl"], check=True)
    return made


def _operations(told: bytes) -> Iterator[Operation]:
    at = 0
    while at < len(told):
        kind, name, number, size = _HEAD.unpack_from(told, at)
        at += _HEAD.size
        path = told[at : at + name].decode()
        data = told[at + name : at + name + size]
        at += name + size
        if not path.endswith("-shm"):  # SQLite makes it anew after every loss
            yield Operation(kind.decode(), path, number, data)


@dataclass
class File:
    """Its content as of the last sync, and what was done to it since: (where, data), or (length, None)."""

    lasting: bytes = b""
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        self.lasting, self.since = _changed(self.lasting, self.since), []

    def survivor(self, chance: Random | None) -> bytes:
        if chance is None or not self.since:
            return self.lasting
        share = chance.choice((0.1, 0.5, 0.9, 1.0))
        return _changed(
            self.lasting,
            [
                (where + start, data and data[start : start + SECTOR_BYTES])
                for where, data in self.since
                for start in range(0, len(data or b"x"), SECTOR_BYTES)
                if chance.random() < share
            ],
        )


FOLDER = File()


@dataclass
class Disk:
    """`names` are as the process sees them, `lasting` as they would be after the loss."""

    root: str
    names: dict[str, File] = field(default_factory=dict)
    lasting: dict[str, File] = field(default_factory=dict)

    def do(self, operation: Operation) -> None:
        kind, path, number, data = operation
        if kind == "C":
            self.names[path] = File()
        elif kind == "D":
            self.names[path] = FOLDER
        elif kind == "U":
            del self.names[path]
        elif kind == "R":
            self.names[data.decode()] = self.names.pop(path)
        elif kind in "WT":
            self.names[path].since.append((number, data if kind == "W" else None))
        elif path == self.root or self.names[path] is FOLDER:
            self._sync_names(path)
        else:
            self.names[path].sync()

    def _sync_names(self, folder: str) -> None:
        kept = {path: file for path, file in self.lasting.items() if _folder(path) != folder}
        self.lasting = kept | {path: file for path, file in self.names.items() if _folder(path) == folder}

    def lose_power(self, into: Path, chance: Random | None = None) -> None:
        """Make the folder `into` what the root would be; without `chance` only what was synced lasts."""
        left = dict(self.lasting)
        for path in sorted(self.names.keys() | self.lasting.keys()):
            if chance and self.names.get(path) is not self.lasting.get(path) and chance.random() < 0.5:
                left.pop(path, None)
                if path in self.names:
                    left[path] = self.names[path]
        for path in sorted(left):
            place = into / os.path.relpath(path, self.root)
            if not place.parent.exists():
                continue  # its folder is lost, and it with it
            if left[path] is FOLDER:
                place.mkdir()
            else:
                place.write_bytes(left[path].survivor(chance))


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _changed(content: bytes, changes: list[tuple[int, bytes | None]]) -> bytes:
    made = bytearray(content)
    for where, data in changes:
        if data is None:
            del made[where:]
        end = where + len(data or b"")
        made.extend(bytes(max(0, end - len(made))))
        if data is not None:
            made[where:end] = data
    return bytes(made)
