"""A Docker engine for the tests: the one that runs, or one of their own that ends with them."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.needs import missing

ROOT = Path(__file__).parents[2]
REMEDY = "start Docker, or run as root with Debian's docker.io, docker-compose, debootstrap and iptables"
START_SECONDS = 90


def run(*command, check=True, quiet=False, env=None, **options) -> str:
    """What a command prints; where it fails, the test does, with all that it said."""
    environment = {**os.environ, **(env or {})}
    options = {"capture_output": True, "text": True, "cwd": ROOT, **options}
    done = subprocess.run(command, check=False, env=environment, **options)
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    said: str = done.stdout if quiet else done.stdout + done.stderr
    return said


@contextmanager
def engine(log: Path) -> Iterator[None]:
    """An engine that answers; what one of our own says is in `log`."""
    for program in ("docker", "docker-compose"):
        if shutil.which(program) is None:
            missing(REMEDY)
    if _answers():
        yield
        return
    if os.getuid() != 0 or shutil.which("dockerd") is None or shutil.which("iptables") is None:
        missing(REMEDY)
    with log.open("wb") as said:
        # It ends with this process, however that goes.
        command = ["setpriv", "--pdeathsig", "TERM", "dockerd"]
        daemon = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        try:
            _wait_until_it_answers(daemon, log)
            yield
        finally:
            daemon.terminate()
            daemon.wait(120)


def _answers() -> bool:
    told = subprocess.run(["docker", "version"], capture_output=True, check=False)
    return told.returncode == 0


def _wait_until_it_answers(daemon, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers():
        if daemon.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"dockerd did not start:\n{log.read_text('utf-8', 'replace')[-4000:]}")
        time.sleep(0.2)
