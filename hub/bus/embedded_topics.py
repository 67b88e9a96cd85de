"""Topics of the embedded bus: declared, found again, and their partitions' ids."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from hub.bus.contract import TopicPartition, TopicSpec
from hub.bus.embedded_read import Reader
from hub.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that exists. `ids[n]` is the id of partition n in the file."""

    spec: TopicSpec
    ids: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.spec.name


class Topics:
    """The file's topics. A name not known yet is looked up, since another process may have made it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[str, Topic] = {}

    def __getitem__(self, name: str) -> Topic:
        return self._known.get(name) or self._find(name)

    def id(self, partition: TopicPartition) -> int:
        topic = self[partition.topic]
        if not 0 <= partition.partition < len(topic.ids):
            raise ConfigurationError(
                f"topic '{topic.name}' has {len(topic.ids)} partitions, none numbered {partition.partition}."
            )
        return topic.ids[partition.partition]

    def all(self) -> dict[str, Topic]:
        self._known = {
            name: Topic(TopicSpec(**json.loads(spec)), tuple(json.loads(ids)))
            for name, spec, ids in self._reader.rows(
                "SELECT name, spec, (SELECT json_group_array(id) FROM"
                " (SELECT id FROM partitions WHERE topic = name ORDER BY number)) FROM topics"
            )
        }
        return self._known

    def _find(self, name: str) -> Topic:
        topic = self.all().get(name)
        if topic is None:
            raise ConfigurationError(
                f"no topic '{name}' on this bus; `alliance-hub topics apply` makes the topics of all forces."
            )
        return topic


def create(connection: sqlite3.Connection, specs: Sequence[TopicSpec]) -> None:
    for spec in specs:
        row = (spec.name, json.dumps(asdict(spec)))
        if connection.execute("INSERT INTO topics VALUES (?, ?) ON CONFLICT DO NOTHING", row).rowcount:
            connection.executemany(
                "INSERT INTO partitions (topic, number) VALUES (?, ?)",
                [(spec.name, number) for number in range(spec.partitions)],
            )


def alter(connection: sqlite3.Connection, specs: Sequence[TopicSpec]) -> None:
    for spec in specs:
        row = connection.execute("SELECT spec FROM topics WHERE name = ?", (spec.name,)).fetchone()
        if row is not None:
            old = TopicSpec(**json.loads(row[0]))
            new = replace(spec, partitions=old.partitions, replication=old.replication)
            connection.execute(
                "UPDATE topics SET spec = ? WHERE name = ?", (json.dumps(asdict(new)), spec.name)
            )


def refuse_replication(specs: Sequence[TopicSpec]) -> None:
    problems = [
        f"topic '{spec.name}': replication {spec.replication} with min.insync.replicas {spec.min_insync} "
        "is not supported by the embedded bus, which is one file; declare 1, or use a Kafka bus."
        for spec in specs
        if spec.replication != 1 or spec.min_insync != 1
    ]
    if problems:
        raise ConfigurationError("\n".join(problems))
