"""A mended mapping reaches records mapped before it: raised in version, normalised again, changed once."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.bus import open_bus
from hub.bus.headers import header
from hub.bus.topics import MAPPING_TOPIC
from hub.errors import ConfigurationError, FatalError
from hub.forces import load_forces
from hub.normalise.again import normalise_again
from hub.view.loop import TOPICS, View
from hub.view.query import Query
from hub.view.store import open_store
from tests.mapped import copied_force, edited, event
from tests.normalising import Room

INCIDENTS = "alliance.incident.v1"
RECORD = "urn:alliance:incident:leicestershire:command:2016-11-01:7"


class Trial:
    """A force whose mapping a test mends, with the whole way from its events to the view."""

    def __init__(self, folder: Path) -> None:
        self.folder = copied_force(folder)
        self.bus = open_bus(f"embedded://{folder / 'bus.db'}")
        self.store = open_store(f"sqlite:///{folder / 'view.db'}")
        self._state = folder
        self.reload()
        self.query = Query(self.store, self.room.codec)

    def reload(self) -> None:
        """Read the force's folder anew, as a process does at its start."""
        self.room = Room(self._state, load_forces([self.folder]), bus=self.bus)
        self.feed = self.room.forces["leicestershire"].feeds["incident"]

    def mend(self, *, version: int) -> None:
        """Correct a code row, and raise the mapping's version to `version`."""
        edited(self.folder / "codes" / "status.csv", "O,OPEN,,", "O,AT_SCENE,,")
        edited(self.folder / "incident.toml", "version = 1\n", f"version = {version}\n")
        self.reload()

    def normalise(self) -> None:
        self.room.normalise()

    def show(self) -> None:
        """Bring the view up to date."""
        room = self.room
        view = View(self.bus, self.store, room.codec, room.forces, room.metrics)
        ends = self.bus.end_offsets(TOPICS)
        view.run(
            threading.Event(), done=lambda: all(view.reached().get(tp, 0) >= end for tp, end in ends.items())
        )

    def status(self) -> str:
        item = self.query.get("incident", RECORD)
        assert item is not None
        return str(item.record["status"]["common"])

    def close(self) -> None:
        self.store.close()
        self.bus.close()


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(tmp_path)
    trial.room.publish(trial.feed, event(trial.feed, STATUS_CODE="O"))
    trial.normalise()
    trial.show()
    assert trial.status() == "OPEN"
    yield trial
    trial.close()


def test_a_mended_code_row_changes_the_view_once(trial: Trial):
    before = trial.query.last_change()
    trial.mend(version=2)
    numbers = set()
    for _ in range(3):
        normalise_again(trial.bus, [trial.feed])
        trial.normalise()
        trial.show()
        assert trial.status() == "AT_SCENE"
        (change,) = trial.query.changes_after(before, 10)
        numbers.add(change.number)
    assert len(numbers) == 1
    versions = [
        (v.record["source_version"], v.record["mapping_version"])
        for v in trial.query.history("incident", RECORD)
    ]
    assert sorted(versions) == [(1, 1), (1, 2)]


def test_a_record_mapped_anew_is_an_event_with_an_id_of_its_own_and_one_sent_twice_is_not(trial: Trial):
    for version in (1, 2):
        if version == 2:
            trial.mend(version=version)
        normalise_again(trial.bus, [trial.feed])
        trial.normalise()
    first, again, mended = [header(each.headers, "ce_id") for each in trial.room.messages(INCIDENTS)]
    assert first == again != mended


def test_without_normalising_again_only_what_changes_is_mapped_anew(trial: Trial):
    trial.mend(version=2)
    trial.room.publish(trial.feed, event(trial.feed, key="2016-11-01:8", STATUS_CODE="O"))
    trial.normalise()
    trial.show()
    assert trial.status() == "OPEN"


def test_events_passed_again_are_counted_apart(trial: Trial):
    trial.room.write(trial.feed, (b"urn:x", b"no avro"))
    trial.normalise()
    assert normalise_again(trial.bus, [trial.feed]) == {trial.feed.topic: 2}
    trial.room.publish(trial.feed, event(trial.feed, key="2016-11-01:8"))
    trial.normalise()
    counts = trial.room.counts(trial.feed)
    assert (counts.normalised, counts.dead_lettered, counts.again) == (2, 1, 2)


def test_normalising_again_is_refused_while_a_normaliser_runs(trial: Trial):
    labels = {"stage": "normalise", "force": "leicestershire", "domain": "incident"}
    before = trial.room.metric("last_progress_timestamp_seconds", **labels)
    with trial.room.running():
        trial.room.wait(lambda: trial.room.metric("last_progress_timestamp_seconds", **labels) != before)
        with pytest.raises(FatalError, match="stop it first"):
            normalise_again(trial.bus, [trial.feed])


def test_a_changed_table_under_the_same_version_stops_the_start(trial: Trial):
    trial.mend(version=1)
    with pytest.raises(ConfigurationError, match="raise `version` to 2") as told:
        trial.normalise()
    assert str(trial.folder / "incident.toml") in str(told.value)


def test_going_back_to_an_older_version_stops_the_start(trial: Trial):
    trial.mend(version=5)
    trial.normalise()
    edited(trial.folder / "incident.toml", "version = 5", "version = 4")
    trial.reload()
    with pytest.raises(ConfigurationError, match="raise `version` to 6"):
        trial.normalise()


def test_every_mapping_version_is_published_once_with_its_tables(trial: Trial):
    trial.normalise()
    trial.mend(version=2)
    trial.normalise()
    trial.normalise()
    decode = trial.room.codec.decoder(MAPPING_TOPIC)
    entries = [decode(message.value) for message in trial.room.messages(MAPPING_TOPIC)]
    incidents = [entry for entry in entries if entry["domain"] == "incident"]
    assert [entry["version"] for entry in incidents] == [1, 2]
    assert len({entry["sha256"] for entry in incidents}) == 2
    assert len(entries) == 3  # and one of the staff
    tables = [json.loads(entry["text"])["tables"]["status"] for entry in incidents]
    status = [
        next(json.loads(values)["common"] for local, values, *_ in table if local == "O") for table in tables
    ]
    assert status == ["OPEN", "AT_SCENE"]
