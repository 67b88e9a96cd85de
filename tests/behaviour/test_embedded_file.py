"""Where the embedded bus may lie, what it refuses, and what happens when its disk is full."""

import sqlite3
from pathlib import Path

import pytest

from hub.bus import open_bus
from hub.bus.contract import TopicSpec
from hub.bus.embedded import EmbeddedBus
from hub.errors import ConfigurationError, FatalError, TransientError

LETTERS = TopicSpec("letters", 1, "delete")


def send(bus, *values: bytes) -> None:
    producer = bus.producer("writer")
    producer.begin()
    for value in values:
        producer.send("letters", b"key", value)
    producer.commit()


def values(bus) -> list[bytes]:
    return [record.value for record in bus.read_all("letters")]


@pytest.mark.parametrize("kind", ["nfs4", "nfs", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.rclone"])
def test_a_network_disk_is_refused(tmp_path: Path, kind: str):
    mounts = tmp_path / "mounts"
    point = tmp_path / "far away"
    point.mkdir()
    escaped = str(point).replace(" ", "\\040")
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {escaped} {kind} rw 0 0\n")
    with pytest.raises(ConfigurationError, match=rf"network disk \({kind}\)"):
        EmbeddedBus(point / "sub" / "bus.db", mounts=mounts)
    assert not (point / "sub").exists()
    EmbeddedBus(tmp_path / "near" / "bus.db", mounts=mounts).close()


def test_a_link_to_a_network_disk_is_refused_too(tmp_path: Path):
    mounts = tmp_path / "mounts"
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far")
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path / 'far'} nfs rw 0 0\n")
    with pytest.raises(ConfigurationError, match="network disk"):
        EmbeddedBus(tmp_path / "link" / "bus.db", mounts=mounts)


def test_a_file_of_a_newer_program_is_refused(tmp_path: Path):
    EmbeddedBus(tmp_path / "bus.db").close()
    connection = sqlite3.connect(tmp_path / "bus.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match=r"version 99.*newer program"):
        EmbeddedBus(tmp_path / "bus.db")


def test_a_file_of_the_first_release_gets_an_id_and_keeps_it(tmp_path: Path):
    bus = EmbeddedBus(tmp_path / "bus.db")
    bus.create_topics([LETTERS])
    send(bus, b"kept")
    bus.close()
    connection = sqlite3.connect(tmp_path / "bus.db")
    connection.execute("DROP TABLE identity")
    connection.close()
    ids = set()
    for _ in range(2):
        bus = EmbeddedBus(tmp_path / "bus.db")
        ids.add(bus.topic_ids(["letters"])["letters"])
        assert values(bus) == [b"kept"]
        bus.close()
    assert len(ids) == 1


def test_a_file_that_is_no_bus_is_refused_and_left_alone(tmp_path: Path):
    text = tmp_path / "text.db"
    text.write_text("not a database at all, but long enough to be looked at" * 50)
    with pytest.raises(ConfigurationError, match="not an SQLite file"):
        EmbeddedBus(text)
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(ConfigurationError, match="no bus"):
        EmbeddedBus(tmp_path / "other.db")
    assert text.read_text().startswith("not a database")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("embedded://relative/bus.db", "whole path"),
        ("embedded:///folder/", "whole path"),
        ("embedded:///tmp/x.db?colour=red", "limit_mb"),
        ("embedded:///tmp/x.db?limit_mb=some", "limit_mb"),
        ("rabbit://host", "names no bus"),
        ("bus.db", "names no bus"),
    ],
)
def test_a_url_that_names_no_bus_is_refused_with_its_remedy(url: str, words: str):
    with pytest.raises(ConfigurationError, match=words):
        open_bus(url)


def test_the_folder_is_made_and_the_url_is_told(tmp_path: Path):
    bus = open_bus(f"embedded://{tmp_path}/a/b%20c/bus.db")
    assert (tmp_path / "a" / "b c" / "bus.db").exists()
    assert bus.url == f"embedded://{tmp_path}/a/b%20c/bus.db"
    bus.close()
    bus.close()


def test_a_full_disk_is_said_and_writes_nothing_by_half(tmp_path: Path):
    url = f"embedded://{tmp_path}/bus.db"
    bus = open_bus(f"{url}?limit_mb=1")
    bus.create_topics([LETTERS])
    written = 0

    def fill() -> None:
        nonlocal written
        while True:
            send(bus, *[bytes(50_000)] * 3)
            written += 1

    with pytest.raises(TransientError, match=r"no room left.*Free space"):
        fill()
    assert written > 2
    assert len(values(bus)) == 3 * written
    with pytest.raises(TransientError):
        send(bus, *[bytes(50_000)] * 3)
    bus.close()
    roomy = open_bus(url)
    assert len(values(roomy)) == 3 * written
    send(roomy, b"goes on")
    assert values(roomy)[-1] == b"goes on"
    assert [record.offset for record in roomy.read_all("letters")] == list(range(3 * written + 1))
    roomy.close()


def test_the_log_beside_the_file_stays_small(tmp_path: Path):
    bus = EmbeddedBus(tmp_path / "bus.db")
    bus.create_topics([LETTERS])
    for _ in range(40):
        send(bus, bytes(1024 * 1024))
    assert (tmp_path / "bus.db-wal").stat().st_size < 20 * 1024 * 1024
    bus.close()


def test_a_closed_bus_says_so(tmp_path: Path):
    bus = EmbeddedBus(tmp_path / "bus.db")
    bus.create_topics([LETTERS])
    producer, consumer = bus.producer("writer"), bus.consumer(["letters"], group="g")
    bus.close()
    with pytest.raises(FatalError, match="closed"):
        producer.begin()
    with pytest.raises(FatalError, match="closed"):
        consumer.poll(timeout_seconds=0, max_records=1)


def test_replicas_are_not_supported_and_said_to_need_kafka(tmp_path: Path):
    bus = EmbeddedBus(tmp_path / "bus.db")
    with pytest.raises(ConfigurationError, match=r"(?s)one.*replication 3.*\n.*two.*Kafka"):
        bus.create_topics(
            [
                TopicSpec("one", 1, "delete", replication=3, min_insync=2),
                TopicSpec("two", 1, "delete", replication=2),
            ]
        )
    assert bus.describe_topics() == {}
    bus.close()


def test_a_transaction_is_begun_once_and_before_it_is_used(tmp_path: Path):
    bus = EmbeddedBus(tmp_path / "bus.db")
    bus.create_topics([LETTERS])
    producer = bus.producer("writer")
    with pytest.raises(FatalError, match="begin one first"):
        producer.send("letters", b"key", b"value")
    producer.begin()
    with pytest.raises(FatalError, match="commit or abort"):
        producer.begin()
    bus.close()
