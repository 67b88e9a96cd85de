"""Quality flags: doubts about a field, kept in the record beside the blank they explain."""

from collections.abc import Callable, Mapping
from typing import Any

Row = Mapping[str, Any]
Flags = list[dict[str, str]]
Value = Callable[[Row, Flags], Any]
"""A compiled rule: makes the value of one alliance field from a row. Never raises; doubts go to the flags."""

PROBLEMS: dict[str, str] = {
    "no_such_date": "The date does not exist in the calendar.",
    "no_such_time": "The time of day does not exist.",
    "not_a_date": "The text is not in the form the mapping states.",
    "out_of_range": "The year is so far off that the text cannot mean what it says.",
    "missing_hour": "The local time falls in the hour left out in March.",
    "repeated_hour": "The local time falls in the hour repeated in October: earliest and latest differ.",
    "unknown_code": "The code has no row in its table.",
    "undated_code": "The code's meaning changed over time, and the row has no usable date to choose by.",
    "not_a_number": "The text is not a number.",
    "half_a_coordinate": "One of the two coordinates is missing.",
    "outside_grid": "The coordinate lies outside the British grid, at sea or abroad.",
    "near_border": "The point is nearer to a border than the boundary file's accuracy.",
    "not_a_uprn": "The text is not a property reference of up to twelve digits.",
    "not_an_item": "A part of the list is not in the form the mapping states.",
    "unknown_word": "The word is none of those the mapping lists.",
}
"""Every problem a flag can name."""

LONGEST_LOCAL = 1000
"""Characters of local text kept in a flag."""


def flag(field: str, problem: str, local: object) -> dict[str, str]:
    """Say what is wrong with a field, with the text that could not be used."""
    text = str(local)
    if len(text) > LONGEST_LOCAL:
        text = text[:LONGEST_LOCAL] + "…"
    return {"field": field, "problem": problem, "local": text}


def as_text(value: object) -> str:
    """A source value as text: blank for null, otherwise as it reads."""
    return "" if value is None else str(value)


def is_blank(value: object) -> bool:
    """Whether a source value states nothing: null, or empty text."""
    return value is None or (value.__class__ is str and not value.strip())
