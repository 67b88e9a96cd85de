"""Legacy systems that are in use, the hub's processes on them, and the comparison of both at the end."""

import contextlib
import time

from connectors.standins.busy import Busy
from connectors.standins.legacy import LegacySystems
from hub.bus import open_bus
from hub.domains import DOMAINS
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from hub.view.query import Query
from hub.view.store import open_store
from tests.comparison import assert_view_is_true
from tests.faults.running import Running
from tests.legacy import builtin_forces
from tests.waiting import wait_until

RATE = 20
SILENT_SECONDS = 3
STALE_SECONDS = 8


class World:
    """Stand-ins in `folder`; `bus` and `store` are URLs, embedded and SQLite in `state` where not given.

    `urls` puts incident databases elsewhere. `locations` says where the hub reads a system, by
    (force, domain), and may be changed before it starts.
    """

    def __init__(self, folder, *, state=None, bus=None, store=None, urls=None):
        self.folder = folder
        self.state = state or folder / "state"
        folder.mkdir(parents=True)
        self.state.mkdir(exist_ok=True)
        self.bus_url = bus or f"embedded://{self.state / 'bus.db'}"
        self.store_url = store or f"sqlite:///{self.state / 'view.db'}"
        self.legacy = LegacySystems(
            folder / "legacy",
            builtin_forces(),
            urls=urls,
            staff_scale=0.02,
            drop_seconds=0.2,
            extract_seconds=1.0,
        )
        self.locations = {
            (force, domain): where
            for force, of in self.legacy.locations().items()
            for domain, where in of.items()
        }
        self._open = contextlib.ExitStack()
        self._open.callback(self.legacy.close)
        self._codec = Codec(load_registry(builtin_forces()))
        self._configs = 0

    def start(self, *words, forces=None, log=None, **more):
        """Start `alliance-hub WORDS` on the sources of `forces`, all where not given."""
        lines = [f'state = "{self.state}"', f'bus = "{self.bus_url}"', f'store = "{self.store_url}"']
        lines += [f"silent_after_seconds = {SILENT_SECONDS}", f"stale_after_seconds = {STALE_SECONDS}"]
        lines += ["[topics]", "partitions = 2"]
        for (force, domain), where in self.locations.items():
            if forces is None or force in forces:
                lines.append(f'[sources.{force}.{domain}]\nlocation = "{where}"')
        self._configs += 1
        config = self.folder / f"hub-{self._configs}.toml"
        config.write_text("\n".join(lines) + "\n", "utf-8")
        running = Running(config, log or self.folder / f"hub-{self._configs}.log", *words, **more)
        self._open.callback(running.end)
        return running

    @contextlib.contextmanager
    def in_use(self, rate=RATE):
        """The legacy systems change all the while."""
        busy = Busy(self.legacy, rate=rate, seed=self._configs)
        busy.start()
        try:
            yield busy
        finally:
            busy.stop()

    def catch_up(self):
        """Wait until all that the legacy systems hold by now is visible."""
        self.legacy.finish()
        instant = time.time_ns() // 1000
        wanted = {(force, domain) for force, domain in self.locations}

        def behind():
            with contextlib.closing(open_store(self.store_url)) as store:
                fresh = {(f.force, f.domain): f.complete_to for f in store.fresh()}
            return [feed for feed in wanted if fresh.get(feed, 0) < instant]

        wait_until(lambda: not behind(), lambda: f"all up to {instant} is visible, but not of {behind()}")

    def assert_true(self):
        """Every record is there, newest version, field by field, once and in order."""
        with contextlib.closing(open_store(self.store_url)) as store:
            assert_view_is_true(Query(store, self._codec), self.legacy)
        with contextlib.closing(open_bus(self.bus_url)) as bus:
            for topic in self._topics():
                self._assert_in_order(bus, topic)

    def close(self):
        self._open.close()

    def _topics(self):
        yield from (domain.topic for domain in DOMAINS.values())
        yield from (feed.topic for force in builtin_forces().values() for feed in force.feeds.values())

    def _assert_in_order(self, bus, topic):
        """Each version of a record came once, after all older ones."""
        decode = self._codec.decoder(topic)
        newest: dict[bytes | None, tuple[int, int]] = {}
        for received in bus.read_all(topic):
            record = decode(received.value)
            version = (record["source_version"], record.get("mapping_version", 0))
            before = newest.get(received.key, (0, 0))
            assert version > before, f"{topic}: {received.key} has {version} after {before}"
            newest[received.key] = version
