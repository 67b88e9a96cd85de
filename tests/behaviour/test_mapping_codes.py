"""A force's codes mean what its tables say on the day; one without a meaning is unknown and kept."""

import pytest

from connectors.standins.vocabulary import VOCABULARIES
from hub.normalise.code_tables import load_table
from tests.mapped import BUILT_IN, mapped


@pytest.mark.parametrize(
    ("grade", "created", "common"),
    [
        ("3", "2020-09-30 23:59:59", "SCHEDULED"),
        ("3", "2020-10-01 00:00:00", "PRIORITY"),
        ("4", "2020-10-01 00:00:00", "SCHEDULED"),
        ("1", "2020-09-30 12:00:00", "EMERGENCY"),
        ("1", "no date", "EMERGENCY"),
        (" 3 ", "2020-09-30 12:00:00", "SCHEDULED"),
    ],
)
def test_a_code_means_what_its_table_says_on_the_local_day(grade, created, common):
    assert mapped("leicestershire", GRADE=grade, CREATED=created)["grade"] == {
        "local": grade,
        "common": common,
    }


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"GRADE": "4", "CREATED": "2020-09-30 12:00:00"}, "unknown_code"),
        ({"GRADE": "9", "CREATED": "2020-09-30 12:00:00"}, "unknown_code"),
        ({"GRADE": "3", "CREATED": None}, "undated_code"),
        ({"GRADE": "3", "CREATED": "2020-02-31 12:00:00"}, "undated_code"),
    ],
)
def test_a_code_whose_meaning_cannot_be_told_is_unknown_and_kept(columns, problem):
    record = mapped("leicestershire", **columns)
    assert record["grade"] == {"local": columns["GRADE"], "common": "UNKNOWN"}
    assert {"field": "grade", "problem": problem, "local": columns["GRADE"]} in record["flags"]


def test_an_unknown_marking_defaults_up():
    record = mapped("leicestershire", MARKING="UK EYES")
    assert record["marking"] == {"local": "UK EYES", "common": "OFFICIAL_SENSITIVE"}
    assert record["flags"] == [{"field": "marking", "problem": "unknown_code", "local": "UK EYES"}]


def test_an_unknown_word_without_a_place_of_its_own_is_kept_in_the_flag():
    record = mapped("leicestershire", "hr", key="7", RANK="CON", RANK_TYPE="Q")
    assert record["rank"]["standing"] == "UNKNOWN"
    assert record["flags"] == [{"field": "rank.standing", "problem": "unknown_code", "local": "Q"}]


@pytest.mark.parametrize("force", VOCABULARIES)
def test_the_code_tables_say_what_the_systems_mean(force):
    for name in VOCABULARIES[force].__slots__:
        if name.startswith("_"):
            continue
        table, problems = load_table(BUILT_IN / force, name)
        assert table is not None
        assert problems == []
        words = getattr(VOCABULARIES[force], name)
        assert len(table.rows) == len(words)
        for word in words:
            row = table.find(word.local, word.since or word.until or "2016-11-01")
            assert row is not None
            assert row.values == {"common": word.common} | (
                {"category": word.category} if word.category else {}
            )
