"""Watches the store from outside, to tell when what is visible was read from its source."""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from hub.bus.murmur2 import partition_of
from hub.domains import DOMAINS
from hub.errors import TransientError
from hub.schema.codec import Codec
from hub.view.store import Store
from hub.view.tables import HISTORY


class Watch:
    """The newest instant of reading (`read_at`) of what the store shows, by force and by partition."""

    def __init__(self, store: Store, codec: Codec, partitions: int) -> None:
        self._store = store
        self._decode = {domain.name: codec.decoder(domain.topic) for domain in DOMAINS.values()}
        self._seen = dict.fromkeys(DOMAINS, 0)
        self._partitions = partitions
        self._forces: dict[str, int] = {}
        self._parts: dict[int, int] = {}

    def look(self) -> None:
        for domain, history in HISTORY.items():
            newer = select(history.c.change_number, history.c.body)
            newer = newer.where(history.c.change_number > self._seen[domain])
            try:
                with self._store.reading() as connection:
                    rows = connection.execute(newer).fetchall()
            except TransientError:
                continue
            for number, body in rows:
                self._seen[domain] = max(self._seen[domain], number)
                self._take(self._decode[domain](body))

    def force_since(self, force: str, instant: int) -> bool:
        """Whether something of this force is visible that was read after this instant."""
        return self._forces.get(force, 0) > instant

    def every_partition_since(self, instant: int) -> bool:
        return all(self._parts.get(number, 0) > instant for number in range(self._partitions))

    def anything(self, forces: Iterable[str]) -> bool:
        return all(force in self._forces for force in forces)

    def __str__(self) -> str:
        return json.dumps({"forces": self._forces, "partitions": self._parts})

    def _take(self, record: dict[str, Any]) -> None:
        read_at = record["provenance"]["read_at"]
        partition = partition_of(record["id"].encode(), self._partitions)
        self._forces[record["force"]] = max(self._forces.get(record["force"], 0), read_at)
        self._parts[partition] = max(self._parts.get(partition, 0), read_at)
