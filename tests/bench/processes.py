"""The processes that are measured, and the CPU time and memory they take (Linux)."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def hub(
    folder: Path, commands: Mapping[str, list[str]], options: list[str]
) -> contextlib.AbstractContextManager[dict[str, int]]:
    """Run `alliance-hub` once for each of the named commands; gives their process ids."""
    return started(folder, {name: [program(), *words, *options] for name, words in commands.items()})


def program() -> str:
    return str(Path(sys.executable).parent / "alliance-hub")


def module(name: str, *arguments: str) -> list[str]:
    """The words that run a module of these benchmarks in a process of its own."""
    return [sys.executable, "-m", f"tests.bench.{name}", *arguments]


@contextlib.contextmanager
def started(folder: Path, commands: Mapping[str, list[str]]) -> Iterator[dict[str, int]]:
    """Run the named commands, each with a log of its own in `folder`; gives their process ids."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, words in commands.items():
            log = (folder / f"{name}.log").open("ab")
            with log:
                running[name] = subprocess.Popen(words, stdout=log, stderr=log)
        yield {name: process.pid for name, process in running.items()}
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(30)


def wait_until(done: Callable[[], bool], running: Mapping[str, int], *, every: float = 0.02) -> None:
    """Wait for something that these processes bring about, as long as all of them are alive."""
    while not done():
        for name, pid in running.items():
            assert _stat(pid)[0] != "Z", f"the {name} has ended; its log says why"
        time.sleep(every)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of all that it started."""
    own = _stat(pid)
    return sum(int(n) for n in own[11:15]) / _TICKS + sum(cpu_seconds(child) for child in children(pid))


def megabytes(pid: int) -> float:
    """Resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6


def _stat(pid: int) -> list[str]:
    """The fields after the command's name, the state first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
