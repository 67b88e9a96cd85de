"""Dashboards: as Grafana's schema has them, on the source that is provisioned, without a slip of the hand."""

import copy
import itertools
import re

import pytest
import yaml

from tests.eyes.boards import GRAFANA, boards, filled_in, queries, unknown_to_grafana

EACH = pytest.mark.parametrize("board", boards().values(), ids=boards().keys())


def provisioned(kind):
    (file,) = (GRAFANA / "provisioning" / kind).glob("*.yml")
    return yaml.safe_load(file.read_text())


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@EACH
def test_grafanas_schema_has_a_place_for_all_of_it(board):
    assert unknown_to_grafana(board) == []


def test_a_slip_of_the_hand_is_found():
    board = copy.deepcopy(boards()["alliance-hub-glance"])
    board["panels"][1]["fieldConfig"]["defaults"]["unitt"] = "s"
    board["panels"][1]["gridpos"] = {}
    assert len(unknown_to_grafana(board)) == 2


def test_there_are_the_two_and_grafana_finds_them_where_they_are_mounted():
    assert set(boards()) == {"alliance-hub-glance", "alliance-hub-connector"}
    (provider,) = provisioned("dashboards")["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/etc/grafana/dashboards")


@EACH
def test_every_panel_asks_the_source_that_is_provisioned(board):
    (source,) = provisioned("datasources")["datasources"]
    wanted = {"type": source["type"], "uid": source["uid"]}
    asked = [panel["datasource"] for panel in panels(board)]
    asked += [target["datasource"] for panel in panels(board) for target in panel["targets"]]
    asked += [variable["datasource"] for variable in board["templating"]["list"]]
    assert asked
    assert all(each == wanted for each in asked)


@EACH
def test_every_panel_has_an_id_a_title_words_and_a_query_of_its_own(board):
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels(board):
        assert panel["title"]
        assert len(panel["description"].split()) >= 4, panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)
        assert "unit" in panel["fieldConfig"]["defaults"]


@EACH
def test_panels_lie_within_the_grid_and_none_on_another(board):
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] >= 0
        assert grid["x"] + grid["w"] <= 24, panel["title"]
        columns, lines = range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"])
        for cell in itertools.product(columns, lines):
            assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
            taken[cell] = panel["title"]


@EACH
def test_every_variable_is_asked_for_and_every_one_asked_for_is_there(board):
    names = {variable["name"] for variable in board["templating"]["list"]}
    asked = [expression for _, _, expression in queries(board)]
    asked += [variable["query"]["query"] for variable in board["templating"]["list"]]
    used = set(re.findall(r"\$(\w+)", " ".join(asked)))
    assert used == names
    assert not any("$" in filled_in(each, dict.fromkeys(names, "x")) for each in asked)


@EACH
def test_links_lead_to_a_dashboard_that_is_there_with_variables_that_it_has(board):
    links = [link for panel in panels(board) for link in panel["fieldConfig"]["defaults"].get("links", ())]
    for link in links:
        uid, _, rest = link["url"].removeprefix("/d/").partition("?")
        known = {variable["name"] for variable in boards()[uid]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", rest)) == known
