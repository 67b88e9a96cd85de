"""The page in a real browser."""

import time

import pytest
from playwright.sync_api import expect

from tests.behaviour.server import an_incident, running, write_tokens
from tests.view_records import SECOND, T0

pytestmark = pytest.mark.browser


@pytest.fixture
def server(tmp_path):
    with running(tmp_path, stale_after_seconds=3600) as running_server:
        yield running_server


def numbers(page):
    return page.locator("#incidents tbody tr td:nth-child(2)")


def test_the_newest_incidents_of_all_forces_are_listed_newest_first(server, page):
    server.apply("incident", an_incident("1"), an_incident("2", force="nottinghamshire", created=T0 + SECOND))
    page.goto(server.address)
    expect(numbers(page)).to_have_text(["2", "1"])
    expect(page.locator("#link")).to_have_text("Live")


def test_a_new_incident_appears_and_an_update_changes_its_row_without_reloading(server, page):
    server.apply("incident", an_incident("1"))
    page.goto(server.address)
    expect(page.locator("#link")).to_have_text("Live")
    server.apply("incident", an_incident("2", created=T0 + SECOND))
    expect(numbers(page)).to_have_text(["2", "1"])
    server.apply("incident", an_incident("1", version=2, status="CLOSED"))
    row = page.locator("tr[data-id='urn:alliance:incident:leicestershire:command:1']")
    expect(row.locator("td").nth(4)).to_contain_text("closed")
    server.apply("incident", an_incident("2", version=2, created=T0 + SECOND, deleted=True))
    expect(numbers(page)).to_have_text(["1"])


def test_each_force_shows_how_fresh_it_is_and_a_silent_one_is_stale(server, page):
    server.complete("leicestershire", "incident", int(time.time() * 1e6))
    page.goto(server.address)
    fresh = page.locator("[data-feed='leicestershire/incident']")
    silent = page.locator("[data-feed='nottinghamshire/incident']")
    expect(fresh).to_contain_text("complete to")
    expect(fresh).to_have_attribute("data-stale", "false")
    expect(silent).to_contain_text("STALE")


def test_the_list_is_narrowed_to_a_force(server, page):
    server.apply("incident", an_incident("1"), an_incident("2", force="nottinghamshire"))
    page.goto(server.address)
    page.get_by_label("Force").select_option("nottinghamshire")
    expect(numbers(page)).to_have_text(["2"])


def test_a_row_opens_its_provenance_and_history(server, page):
    server.apply("incident", an_incident("1"), an_incident("1", version=2, status="CLOSED"))
    page.goto(server.address)
    page.get_by_role("button", name="1", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("leicestershire.incident.v1, partition 0, offset 0")
    expect(dialog.locator("ol li")).to_have_count(2)


def test_words_of_a_force_are_shown_and_never_run(server, page):
    server.apply("incident", an_incident("1", summary="<img src=x onerror=alert(1)>"))
    page.goto(server.address)
    expect(page.locator("#incidents")).to_contain_text("<img src=x onerror=alert(1)>")


def test_a_lost_connection_is_said_and_mended(tmp_path, page):
    with running(tmp_path) as server:
        server.apply("incident", an_incident("1"))
        page.goto(server.address)
        expect(page.locator("#link")).to_have_text("Live")
        port = int(server.address.rsplit(":", 1)[1])
    expect(page.locator("#link")).to_contain_text("Connection lost")
    with running(tmp_path, port=port):
        expect(page.locator("#link")).to_have_text("Live")


def sign_in(page, token):
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_with_tokens_the_page_asks_for_one_and_again_where_it_is_not_valid(tmp_path, page):
    with running(tmp_path, tokens_file=write_tokens(tmp_path)) as server:
        server.apply("incident", an_incident("1"))
        page.goto(server.address)
        expect(page.locator("#link")).to_have_text("Not signed in")
        sign_in(page, "nobody")
        expect(page.get_by_role("alert")).to_have_text("That token is not valid.")
        sign_in(page, "everyone")
        expect(numbers(page)).to_have_text(["1"])
        expect(page.locator("#link")).to_have_text("Live")


def test_who_may_not_see_incidents_is_told_so(tmp_path, page):
    with running(tmp_path, tokens_file=write_tokens(tmp_path)) as server:
        page.goto(server.address)
        sign_in(page, "operator")
        expect(page.locator("#link")).to_contain_text("'operator' holds no role that may read incidents")


def test_where_a_reason_is_wanted_the_page_asks_for_it(tmp_path, page):
    with running(tmp_path, require_justification=True) as server:
        server.apply("incident", an_incident("1"))
        page.goto(server.address)
        expect(page.locator("#link")).to_have_text("Say why you look")
        page.get_by_label("Reason for looking").fill("log 12 – a caller")
        page.get_by_role("button", name="Sign in").click()
        expect(numbers(page)).to_have_text(["1"])
        expect(page.locator("#link")).to_have_text("Live")
