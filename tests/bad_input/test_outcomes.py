"""The table of bad input names tests that exist."""

import ast
from pathlib import Path

import pytest

from tests.bad_input.outcomes import CASES

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_each_outcome_is_shown_by_a_test(case):
    """A row may name the beginning of the test's name, if one test alone begins so."""
    file, _, name = case.test.partition("::")
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert len([each for each in names if each.startswith(name)]) == 1, f"no one test {case.test}"


def test_each_bad_input_stands_in_the_table_once():
    whats = [case.what for case in CASES]
    assert sorted(whats) == sorted(set(whats))
