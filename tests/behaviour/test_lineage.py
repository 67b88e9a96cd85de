"""The lineage of every field: which columns, rule and table row it came from, and of which event."""

import pytest

from hub.domains import DOMAINS
from tests.mapped import OFFSET, PARTITION, TOPIC, built_in, event, feed, mapper


def test_lineage_names_columns_rule_table_row_version_and_raw_event():
    grade = mapper("leicestershire").lineage(
        "grade",
        event(feed("leicestershire"), GRADE="3", CREATED="2021-01-01 00:00:00"),
        TOPIC,
        PARTITION,
        OFFSET,
    )[0]
    assert (grade.columns, grade.by, grade.table, grade.mapping_version) == (("GRADE",), "codes", "grade", 1)
    assert [(row.line, row.local, row.values["common"]) for row in grade.rows] == [(5, "3", "PRIORITY")]
    assert grade.raw == (TOPIC, PARTITION, OFFSET)


def test_lineage_of_every_field_of_every_feed_can_be_told():
    for of in (feed(force, domain) for force in built_in() for domain in DOMAINS):
        compiled = mapper(of.force, of.domain)
        row = event(of)
        for name in compiled(row, TOPIC, 0, 0):
            assert compiled.lineage(name, row)
    by = {each.field: each for each in mapper("northamptonshire").lineage("location")}
    assert by["location"].columns == ("Grid Ref",)
    assert (by["location.uprn"].by, by["location.uprn"].columns) == ("blank", ())
    assert mapper("leicestershire").lineage("id")[0].by == "envelope"
    qualifiers = mapper("leicestershire").lineage("qualifiers", event(feed("leicestershire"), QUALS="AL;ZZ"))
    assert [row.values["common"] for row in qualifiers[0].rows] == ["ALCOHOL"]
    with pytest.raises(KeyError):
        mapper("leicestershire").lineage("no.such")
