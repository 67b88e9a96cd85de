"""A disk that is full, for the embedded bus, the SQLite store and the log at once."""

import contextlib
import os
import resource
import subprocess

import pytest

from tests.waiting import wait_until

pytestmark = pytest.mark.long

SMALL = 32 * 1024 * 1024


class Disk:
    """A small disk in memory; where none may be mounted, a limit on what a process may write to a file."""

    def __init__(self, folder):
        folder.mkdir()
        self._filler = folder / "filler"
        self._folder = folder
        command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)]
        self.mounted = (
            os.getuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
        )

    def fill(self, pid):
        if not self.mounted:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            return
        for step in (1024 * 1024, 4096, 1):
            with self._filler.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
                while filler.write(bytes(step)) == step:
                    pass

    def free(self, pid):
        if self.mounted:
            self._filler.unlink()
        else:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", str(self._folder)], check=True)


@pytest.fixture
def disk(tmp_path):
    made = Disk(tmp_path / "disk")
    yield made
    made.close()


def test_a_full_disk_stops_everything_and_loses_nothing(world, disk, tmp_path):
    made = world(state=tmp_path / "disk")
    hub = made.start("up", log=tmp_path / "disk" / "log")

    def applied():
        return hub.metric("alliance_hub_records_total", stage="view", outcome="applied")

    with made.in_use():
        wait_until(lambda: applied() > 100, lambda: hub.text)
        hub.wait_until_ready()
        disk.fill(hub.pid)
        hub.wait_until_told()
        wait_until(lambda: hub.readiness()["trying"], lambda: f"it tries again: {hub.readiness()}")
        disk.free(hub.pid)
        before = applied()
        wait_until(lambda: applied() > before + 20, lambda: f"it goes on: {hub.readiness()} {hub.text}")
        hub.wait_until_ready()
    made.catch_up()
    assert hub.stop() == 0, hub.text
    made.assert_true()
