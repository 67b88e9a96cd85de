"""Every mapping version's text is published once, so that lineage can be told for every record it made."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.bus.contract import Bus, Producer
from hub.bus.topics import MAPPING_TOPIC
from hub.errors import ConfigurationError
from hub.normalise.mapping import Mapper
from hub.schema.codec import Codec


@dataclass(frozen=True, slots=True)
class Published:
    """What the bus holds of one feed: the hash of each mapping version."""

    hashes: Mapping[int, str]

    @property
    def newest(self) -> int:
        return max(self.hashes, default=0)


def read_versions(bus: Bus, codec: Codec) -> dict[tuple[str, str], Published]:
    """Read what has been published, by force and domain."""
    decode = codec.decoder(MAPPING_TOPIC)
    hashes: dict[tuple[str, str], dict[int, str]] = {}
    for received in bus.read_all(MAPPING_TOPIC):
        if received.value is not None:
            entry = decode(received.value)
            of_feed = hashes.setdefault((entry["force"], entry["domain"]), {})
            of_feed[entry["version"]] = entry["sha256"]
    return {key: Published(value) for key, value in hashes.items()}


def unpublished(mappers: Iterable[Mapper], published: Mapping[tuple[str, str], Published]) -> list[Mapper]:
    """The mappers whose version is new.

    Raises `ConfigurationError`, all problems at once, where a version was used before for
    another mapping or is older than the newest one: records could then not be told apart.
    """
    problems, new = [], []
    for mapper in mappers:
        feed, before = mapper.feed, published.get((mapper.feed.force, mapper.feed.domain), Published({}))
        known = before.hashes.get(mapper.version)
        if mapper.version < before.newest:
            problems.append(
                f"{feed.file}: mapping.version: {mapper.version} is older than {before.newest}, which has "
                f"been used; raise `version` to {before.newest + 1}, whatever the mapping says."
            )
        elif known is None:
            new.append(mapper)
        elif known != mapper.sha256:
            problems.append(
                f"{feed.file}: mapping.version: the mapping or a code table has changed since version "
                f"{mapper.version} was used; raise `version` to {mapper.version + 1}."
            )
    if problems:
        raise ConfigurationError("\n".join(problems))
    return new


def publish_versions(bus: Bus, codec: Codec, producer: Producer, mappers: Iterable[Mapper]) -> None:
    """Publish the texts of new mapping versions. `ConfigurationError` as `unpublished` has it."""
    new = unpublished(mappers, read_versions(bus, codec))
    if not new:
        return
    encode = codec.encoder(MAPPING_TOPIC)
    producer.begin()
    for mapper in new:
        entry = _entry(mapper)
        key = f"{entry['force']}/{entry['domain']}/{entry['version']}".encode()
        producer.send(MAPPING_TOPIC, key, encode(entry))
    producer.commit()


def _entry(mapper: Mapper) -> dict[str, Any]:
    return {
        "force": mapper.feed.force,
        "domain": mapper.feed.domain,
        "version": mapper.version,
        "sha256": mapper.sha256,
        "text": mapper.text,
        "at": time.time_ns() // 1000,
    }
