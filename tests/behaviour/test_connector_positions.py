"""A position is kept only together with the events read up to it, whatever dies and whenever."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from connectors.loop import Connector
from hub.errors import FatalError, FencedError, SourceChangedError, TransientError
from tests.connecting import INCIDENTS, Legacy, Told, balanced, batch, key, row, shape
from tests.waiting import PATIENCE_SECONDS


class Interrupted:
    """A bus whose producers fail at one step of a transaction, once: before it or after it was done."""

    def __init__(self, bus, step, *, after, error):
        self._bus = bus
        self._step = step
        self._after = after
        self._error = error
        self.failed = False

    def __getattr__(self, name):
        return getattr(self._bus, name)

    def producer(self, transactional_id):
        return InterruptedProducer(self, self._bus.producer(transactional_id))

    def at(self, step, do):
        if step == self._step and not self.failed:
            self.failed = True
            if self._after:
                do()
            raise self._error
        do()


class InterruptedProducer:
    def __init__(self, bus, producer):
        self._bus = bus
        self._producer = producer

    def __getattr__(self, name):
        return getattr(self._producer, name)

    def send(self, *args, **named):
        self._bus.at("send", lambda: self._producer.send(*args, **named))

    def commit(self):
        self._bus.at("commit", self._producer.commit)


def test_reading_goes_on_where_the_last_kept_events_end(bench):
    feed = bench.feed()
    bench.publish(feed, batch(row(1)), batch(row(2)))

    again = bench.publish(feed, batch(), batch(), batch(row(3)))

    assert again.read_from[0] == {"place": 2}
    assert [e["key"] for e in sorted(bench.events(feed), key=lambda e: e["key"])] == [key(1), key(2), key(3)]


def test_each_name_of_a_position_is_an_entry_of_its_own_and_one_that_is_gone_is_forgotten(bench):
    feed = bench.feed()

    bench.publish(
        feed, batch(row(1), position={"a": 1, "b": [2]}), batch(row(2), position={"b": {"c": None}})
    )

    assert bench.publish(feed).read_from[0] == {"place": 2, "b": {"c": None}}


def test_progress_that_ends_with_the_process_is_handed_back_but_not_kept(bench):
    feed = bench.feed()

    source = bench.publish(feed, batch(row(1), position={"~page": 5}), batch(row(2)))

    assert source.read_from[1] == {"place": 1, "~page": 5}
    assert bench.publish(feed).read_from[0] == {"place": 2}


@pytest.mark.parametrize("step", ["send", "commit"])
@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
def test_a_bus_that_fails_for_now_costs_no_event_and_makes_none_twice(bench, step, after):
    feed = bench.feed()
    real = bench.bus
    bench.bus = Interrupted(real, step, after=after, error=TransientError("the broker is away"))

    bench.publish(feed, batch(row(1), row(2)), batch(row(1, "2")))

    assert bench.bus.failed
    bench.bus = real
    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "1"), (2, False, "2")]
    assert shape(bench.of(feed, key(2)), "GRADE") == [(1, False, "1")]
    assert balanced(bench.counts(feed))
    labels = {"stage": "read", "force": "leicestershire", "domain": "incident"}
    assert bench.metrics.registry.get_sample_value("alliance_hub_retries_total", labels) == 1


@pytest.mark.parametrize("step", ["send", "commit"])
@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
def test_a_connector_that_dies_between_events_and_position_publishes_each_change_once(bench, step, after):
    feed = bench.feed()
    real = bench.bus
    bench.bus = Interrupted(real, step, after=after, error=FatalError("killed here"))
    batches = batch(row(1), row(2)), batch(row(1, "2"), row(3))

    with pytest.raises(FatalError, match="killed here"):
        bench.publish(feed, *batches)
    bench.bus = real
    assert len(bench.events(feed)) == 2 * bench.positions(feed).kept.get("place", 0)
    bench.publish(feed, *batches)

    assert shape(bench.of(feed, key(1)), "GRADE") == [(1, False, "1"), (2, False, "2")]
    assert len(bench.events(feed)) == 4
    counts = bench.counts(feed)
    assert counts["published"] == 4
    assert balanced(counts)


def test_a_killed_process_loses_nothing_and_publishes_nothing_twice(bench, tmp_path):
    legacy = Legacy(tmp_path / "legacy.db")
    insert = f"insert into {INCIDENTS} (INC_DATE, INC_NO, LAST_UPDATED) values ('2016-11-01', ?, ?)"
    feed = bench.feed()
    for begin in range(0, 6000, 2000):  # each process finds something to publish
        numbers = range(begin, begin + 2000)
        legacy.execute(*((insert, (n, f"2016-11-01 12:{n // 600:02}:{n // 10 % 60:02}")) for n in numbers))
        before = bench.bus.end_offsets([feed.topic])
        process = subprocess.Popen([sys.executable, "-m", "tests.killed_connector", tmp_path, legacy.url])
        while bench.bus.end_offsets([feed.topic]) == before and process.poll() is None:
            threading.Event().wait(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    bench.read_database(feed, legacy)

    events = bench.events(feed)
    assert sorted(e["row"]["INC_NO"] for e in events) == list(range(6000))
    assert {e["source_version"] for e in events} == {1}
    assert balanced(bench.counts(feed))


def test_a_second_connector_of_a_feed_fences_the_first(bench):
    feed = bench.feed()
    second = []

    def start_second():
        second.append(bench.bus.producer("leicestershire.incident.connector"))
        return batch(row(2))

    with pytest.raises(FencedError):
        bench.publish(feed, batch(row(1)), start_second)

    assert [e["key"] for e in bench.events(feed)] == [key(1)]
    assert bench.stopped(feed) == 1


def test_a_quiet_source_says_how_far_it_is_complete_at_most_once_a_second(bench):
    feed = bench.feed()
    now = [1000.0]

    def quiet(seconds):
        def read():
            now[0] = round(now[0] + seconds, 3)
            return batch(complete_to=int(now[0] * 1_000_000))

        return read

    bench.publish(feed, *[quiet(0.1)] * 35, clock=lambda: now[0])

    assert bench.positions(feed).complete_to == 1003_500000
    summaries = [r for r in bench.bus.read_all(feed.positions_topic) if r.key == b"incident/command/"]
    assert 4 <= len(summaries) <= 5
    labels = {"stage": "read", "force": "leicestershire", "domain": "incident"}
    sample = bench.metrics.registry.get_sample_value
    assert sample("alliance_hub_complete_to_timestamp_seconds", labels) == 1003.5
    assert sample("alliance_hub_last_progress_timestamp_seconds", labels) == 1003.5


def test_a_clock_that_is_set_back_does_not_silence_a_quiet_source(bench):
    feed = bench.feed()
    now = [1000]

    def at(second):
        def read():
            now[0] = second
            return batch(complete_to=second * 1_000_000)

        return read

    bench.publish(feed, at(1000), at(500), at(502), clock=lambda: now[0])

    decode = bench.codec.decoder(feed.positions_topic)
    told = [decode(each.value) for each in bench.bus.read_all(feed.positions_topic) if each.value]
    assert 500_000000 in {entry["complete_to"] for entry in told}


def test_a_source_that_is_away_for_now_is_tried_again_and_counted(bench):
    feed = bench.feed()

    bench.publish(feed, batch(row(1)), TransientError("away"), TransientError("away"), batch(row(2)))

    assert len(bench.events(feed)) == 2
    labels = {"stage": "read", "force": "leicestershire", "domain": "incident"}
    assert bench.metrics.registry.get_sample_value("alliance_hub_retries_total", labels) == 2
    assert bench.stopped(feed) == 0


def test_a_source_that_asks_for_a_pause_is_not_asked_before(bench):
    feed = bench.feed()
    stop = threading.Event()
    source = Told(TransientError("slow down", retry_after_seconds=3600), batch(row(1)), stop=stop)
    connector = Connector(feed, source, bench.bus, bench.codec, bench.metrics)
    thread = threading.Thread(target=connector.run, args=(stop,))
    thread.start()
    labels = {"stage": "read", "force": "leicestershire", "domain": "incident"}
    while bench.metrics.registry.get_sample_value("alliance_hub_retries_total", labels) != 1:
        assert thread.is_alive()

    thread.join(0.7)  # the first pause would be over by now
    assert len(source.read_from) == 1
    stop.set()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_a_changed_source_stops_the_connector_and_says_so_in_the_metrics(bench):
    feed = bench.feed()

    with pytest.raises(SourceChangedError):
        bench.publish(feed, batch(row(1)), SourceChangedError("a column is gone"))

    assert bench.stopped(feed) == 1
    assert len(bench.events(feed)) == 1


def test_a_topic_that_holds_what_no_connector_wrote_stops_it_before_it_begins_versions_anew(bench):
    feed = bench.feed()
    bench.publish(feed, batch(row(1)))
    stranger = bench.bus.producer("stranger")
    stranger.begin()
    stranger.send(feed.topic, b"key", b"no Avro")
    stranger.commit()

    with pytest.raises(FatalError, match=r"cannot be read back.*who else writes to leicestershire's topics"):
        bench.publish(feed, batch(), batch(row(1, "2")))

    assert bench.stopped(feed) == 1
