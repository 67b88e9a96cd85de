"""The compatibility gate: our checker says what Apache Avro's own says, and the histories pass."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings

from hub.errors import ConfigurationError
from hub.schema.compatibility import can_read, check_history, check_registry, mode_of
from hub.schema.registry import load_registry
from tests.avro_java import JavaChecker
from tests.avro_strategies import PRIMITIVES, pairs


@pytest.fixture(scope="module")
def java() -> Iterator[JavaChecker]:
    checker = JavaChecker()
    yield checker
    checker.close()


def record(**fields: Any) -> dict[str, Any]:
    """A record R of fields by name: a type, or the field itself where it has more than a type."""
    whole = (
        {"name": name, **(kind if isinstance(kind, dict) and kind.keys() & OF_FIELDS else {"type": kind})}
        for name, kind in fields.items()
    )
    return {"type": "record", "name": "R", "fields": list(whole)}


OF_FIELDS = {"default", "aliases"}


def named(name: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**schema, "name": name, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def fixed(size: int) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size}


@settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(pair=pairs())
def test_our_checker_agrees_with_apache_avro_on_any_two_schemas(java, pair):
    reader, writer = pair
    theirs = java.compare(reader, writer)
    assume(theirs != "invalid")
    try:
        differences = can_read(reader, writer)
    except ConfigurationError:
        assume(False)
    event(theirs)
    assert ("incompatible" if differences else "compatible") == theirs, differences


def test_our_checker_agrees_with_apache_avro_on_every_promotion(java):
    kinds = [*PRIMITIVES, ["null", "double"], ["string", "int"], {"type": "array", "items": "bytes"}]
    for reader in kinds:
        for writer in kinds:
            ours = "incompatible" if can_read(reader, writer) else "compatible"
            assert ours == java.compare(reader, writer), (reader, writer)


def test_our_checker_agrees_with_apache_avro_on_the_schemas_we_publish(java):
    published = [version.schema for version in load_registry()]
    for reader in published:
        for writer in published:
            ours = "incompatible" if can_read(reader, writer) else "compatible"
            assert ours == java.compare(reader, writer)


@pytest.mark.parametrize(
    ("reader", "writer", "problem"),
    [
        (record(a="string"), record(), "'a' is not written and has no default"),
        (record(a="int"), record(a="long"), "'a' is written as long and cannot be read as int"),
        (record(a="long"), record(a=["null", "long"]), "'a' is written as null and cannot be read as long"),
        (enum("X"), enum("X", "Y"), "the value may be Y, and the enum has no default for them"),
        (fixed(1), fixed(2), "the value has 2 bytes and is read as 1"),
        (record(), named("S", record()), "the value is S, which is no name or alias of R"),
        (
            record(a={"type": "array", "items": named("I", record(b="int"))}),
            record(a={"type": "array", "items": named("I", record())}),
            "'a[].b' is not written and has no default",
        ),
        (
            record(a={"type": "int", "aliases": ["b"]}),
            record(a="int", b="int"),
            "'a' can be any of the fields a, b",
        ),
    ],
)
def test_a_difference_that_breaks_reading_is_named_with_its_path(reader, writer, problem):
    (found,) = can_read(reader, writer)
    assert found == problem


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        (record(a="double"), record(a="int")),
        (record(a={"type": ["null", "int"], "default": None}), record()),
        (record(b={"type": "int", "aliases": ["a"]}), record(a="int")),
        (enum("X", default="X"), enum("X", "Y")),
        (named("R", record(), namespace="here"), named("R", record(), namespace="there")),
        (named("R", record(), aliases=["S"]), named("S", record())),
        (named("R", record(), aliases=["S"], namespace="n"), named("n.S", record())),
        (record(r=["null", "R"]), record(r=["null", "R"])),
    ],
)
def test_a_difference_that_resolution_bridges_is_none(reader, writer):
    assert can_read(reader, writer) == []


def test_an_alliance_schema_must_be_read_by_older_readers_too():
    old = record(a="int")
    new = record()
    assert mode_of("alliance.incident.v1-value") == mode_of("*.dlq-value") == "FULL_TRANSITIVE"
    assert check_history([old, new], "FULL_TRANSITIVE") == [
        "version 1 cannot read version 2: 'a' is not written and has no default"
    ]


def test_a_force_may_stop_writing_a_field_since_only_newer_schemas_read_its_events():
    old = record(a="int")
    assert mode_of("lincolnshire.incident.v1-value") == "BACKWARD_TRANSITIVE"
    assert check_history([old, record()], "BACKWARD_TRANSITIVE") == []


def test_every_version_is_compared_with_all_before_it_and_not_only_with_the_last():
    versions = [
        record(a="int"),
        record(),
        record(a={"type": "string", "default": ""}),
    ]
    assert check_history(versions, "BACKWARD_TRANSITIVE") == [
        "version 3 cannot read version 1: 'a' is written as int and cannot be read as string"
    ]


def test_all_published_schemas_pass_the_gate():
    assert check_registry(load_registry()) == []
