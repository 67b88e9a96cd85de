"""The mapper of a feed: one force event in, one alliance record out; no clock, no input or output.

Compiled once from `[mapping]` to plain functions. Parts of the records it makes are shared
between records: read them, never change them.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from hub.domains import DOMAINS
from hub.errors import BadRecordError, ConfigurationError
from hub.events import record_id
from hub.forces import SCHEMAS, Feed, Force
from hub.normalise.alliance import Node, read_row, read_schema
from hub.normalise.boundary import Boundary
from hub.normalise.code_tables import Table
from hub.normalise.flags import Flags, Row, Value
from hub.normalise.lineage import Ancestry, Lineage, RawEvent
from hub.normalise.rule import Problem, Rule
from hub.normalise.rules import RuleReader

Envelope = Mapping[str, Any]
Record = dict[str, Any]
Make = Callable[[Envelope, str, int, int], Record]


class Mapper:
    """Maps the events of one feed.

    `mapper(envelope, topic, partition, offset)` gives the alliance record. It raises
    `BadRecordError` where the key or the owner is missing, and for nothing else: any other
    doubt is a blank field and a flag.
    """

    def __init__(self, feed: Feed, alliance: Node, reader: RuleReader) -> None:
        self.feed = feed
        self.version = reader.version
        self.rules: Sequence[Rule] = reader.rules
        self.tables: Mapping[str, Table] = reader.tables
        self.make: Make = _make(feed, alliance, reader)
        self._ahead = [rule.made.ahead for rule in reader.rules if rule.made.ahead is not None]
        self._date_form = reader.date_form
        self._alliance = alliance

    def __call__(self, envelope: Envelope, topic: str, partition: int, offset: int) -> Record:
        return self.make(envelope, topic, partition, offset)

    def ahead(self, envelopes: Iterable[Envelope]) -> None:
        """Tell what will be mapped next. It changes no result, only what many cost together."""
        rows = [envelope["row"] for envelope in envelopes]
        for ahead in self._ahead:
            ahead(rows)

    @cached_property
    def text(self) -> str:
        """Everything that decides what the mapper makes, as JSON."""
        whole = {
            "mapping": self.feed.mapping,
            "shares_restricted": self.feed.shares_restricted,
            "tables": {name: table.written for name, table in self.tables.items()},
        }
        return json.dumps(whole, sort_keys=True, default=str, ensure_ascii=False)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def table_of(self, field: str) -> str | None:
        """The code table that decides a field, as flags name it."""
        for rule in self.rules:
            if rule.target.path == field:
                return rule.written.get("codes")
        return None

    @cached_property
    def ancestry(self) -> Ancestry:
        """Tells where each field comes from, on demand."""
        return Ancestry(self.version, self._alliance, self.rules, self.tables, self._date_form)

    def lineage(
        self,
        field: str,
        envelope: Envelope | None = None,
        topic: str | None = None,
        partition: int | None = None,
        offset: int | None = None,
    ) -> list[Lineage]:
        """Tell where a field comes from, one entry for each rule that fills it or a part of it.

        With the force's event the table rows that applied are named too. `KeyError` where the
        alliance record has no such field.
        """
        return self.ancestry.of(field, envelope, RawEvent(topic or self.feed.topic, partition, offset))


def compile_mapping(feed: Feed, *, boundary: Boundary | None = None) -> Mapper:
    """Compile a feed's mapping; `ConfigurationError` with one line a problem, all at once."""
    mapper, problems = _compile(feed, boundary)
    if mapper is None:
        raise ConfigurationError("\n".join(map(str, problems)))
    return mapper


def compile_mappings(forces: Iterable[Force], *, boundary: Boundary | None = None) -> dict[str, Mapper]:
    """Compile every feed's mapping, by topic; `ConfigurationError` names the problems of all."""
    mappers: dict[str, Mapper] = {}
    problems: list[Problem] = []
    for feed in (feed for force in forces for feed in force.feeds.values()):
        mapper, found = _compile(feed, boundary)
        problems += found
        if mapper is not None:
            mappers[feed.topic] = mapper
    if problems:
        raise ConfigurationError("\n".join(map(str, problems)))
    return mappers


def check_mapping(feed: Feed) -> list[str]:
    """Every problem of a feed's mapping, one a line; none where it compiles."""
    return [str(problem) for problem in _compile(feed, None)[1]]


def _compile(feed: Feed, boundary: Boundary | None) -> tuple[Mapper | None, list[Problem]]:
    alliance = read_schema(SCHEMAS / DOMAINS[feed.domain].schema)
    reader = RuleReader(feed, alliance, read_row(feed.schema), boundary)
    return (None, reader.problems) if reader.problems else (Mapper(feed, alliance, reader), [])


def _make(feed: Feed, alliance: Node, reader: RuleReader) -> Make:
    domain = DOMAINS[feed.domain]
    force, mapping_version, shares_restricted = feed.force, reader.version, feed.shares_restricted
    prefix = record_id(domain.noun, force, None, "")
    has_system = domain.noun_has_system
    blank = {**alliance.blank, "force": force, "mapping_version": mapping_version}
    restricted_rule, texts, fields = _fields(alliance, reader.rules)

    def make(envelope: Envelope, topic: str, partition: int, offset: int) -> Record:
        urn, key, system = envelope["record_id"], envelope["key"], envelope["system"]
        if not key or urn != (f"{prefix}{system}:{key}" if has_system else prefix + key):
            raise BadRecordError(_not_named(key))
        record = blank.copy()
        record["id"] = urn
        record["system"] = system
        record["source_key"] = key
        record["source_version"] = envelope["source_version"]
        record["provenance"] = {
            "source_position": envelope["source_position"],
            "raw_topic": topic,
            "raw_partition": partition,
            "raw_offset": offset,
            "read_at": envelope["read_at"],
            "changed_at": envelope["changed_at"],
        }
        row = envelope["row"]
        if envelope["deleted"]:
            record["deleted"] = True
            if is_bare(row):
                return record
        flags: Flags = []
        if restricted_rule is not None and restricted_rule(row, flags):
            record["restricted"] = True
            if not shares_restricted:
                record["flags"] = flags
                return record
        for name, column in texts:
            record[name] = row[column] or ""
        for name, value in fields:
            record[name] = value(row, flags)
        record["flags"] = flags
        return record

    return make


def is_bare(row: Row) -> bool:
    """Whether a row states nothing, as that of a deletion known only by its key."""
    return all(value is None for value in row.values())


def _not_named(key: str) -> str:
    if not key:
        return "The row has no key, so it cannot be told from others. Give it one in its system."
    return (
        "The record id does not name this force and key. The event was written by another feed; find who did."
    )


Texts = tuple[tuple[str, str], ...]
Fields = tuple[tuple[str, Value], ...]


def _fields(alliance: Node, rules: Iterable[Rule]) -> tuple[Value | None, Texts, Fields]:
    """The rule that tells restricted records, and what fills each other top field."""
    below: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        below[rule.target.path.split(".")[0]].append(rule)
    restricted = [rule.made.value for rule in below.pop("restricted", [])]
    return (restricted[0] if restricted else None), *_parted(alliance, below)


def _parted(node: Node, below: Mapping[str, Sequence[Rule]]) -> tuple[Texts, Fields]:
    """For each field, the column that it is the text of, or else the function that makes it."""
    texts: list[tuple[str, str]] = []
    fields: list[tuple[str, Value]] = []
    for name, rules in below.items():
        if rules[0].made.text_of is not None:
            texts.append((name, rules[0].made.text_of))
        else:
            fields.append((name, _field(node.fields[name], rules)))
    return tuple(texts), tuple(fields)


def _field(node: Node, rules: Sequence[Rule]) -> Value:
    """Make the function for one field: a single rule's own, or one that puts a record together."""
    first = rules[0]
    if first.target is node and set(first.leaves) == set(node.leaves()):
        return first.made.value
    below: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        if rule.target is not node:
            below[rule.target.path.removeprefix(f"{node.path}.").split(".")[0]].append(rule)
    whole = next((rule.made.value for rule in rules if rule.made.whole), None)
    parts = tuple(rule.made.value for rule in rules if rule.target is node and not rule.made.whole)
    texts, fields = _parted(node, below)
    blank = node.blank

    def value(row: Row, flags: Flags) -> Record:
        record: Record = blank.copy() if whole is None else whole(row, flags)
        for part in parts:
            record.update(part(row, flags))
        for name, column in texts:
            record[name] = row[column] or ""
        for name, field in fields:
            record[name] = field(row, flags)
        return record

    return value
