"""A running hub, watched by a real Prometheus: alerts are provoked, fire, and are over once mended."""

import json
import math
from pathlib import Path

import pytest

from tests.eyes.boards import boards, filled_in, queries
from tests.eyes.rules import alerts, shorter
from tests.eyes.scene import FACTOR, Scene
from tests.faults.test_clock import Clock
from tests.waiting import wait_until

pytestmark = pytest.mark.long

SILENT_FEED = {"force": "nottinghamshire", "domain": "incident"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """One hub for all: each test leaves it mended."""
    made = Scene(tmp_path_factory.mktemp("scene"))
    yield made
    made.close()


def places(board, prometheus):
    """Every choice that the variables of a dashboard offer."""
    if not board["templating"]["list"]:
        return [{}]
    force, domain = board["templating"]["list"]

    def offered(variable, chosen):
        series, label = variable["query"]["query"].removeprefix("label_values(").rstrip(")").rsplit(", ", 1)
        return prometheus.values_of(label, filled_in(series, chosen))

    forces = [{"force": each} for each in offered(force, {})]
    return [one | {"domain": each} for one in forces for each in offered(domain, one)]


def test_a_feed_that_nobody_compares_is_told_of_until_somebody_does_as_the_runbook_says(scene):
    """First, since the others compare."""
    feed = {"FORCE": "nottinghamshire", "DOMAIN": "hr"}
    scene.wait_until_firing("AllianceHubNotReconciled", force="nottinghamshire", domain="hr")
    compared = scene.follow("AllianceHubNotReconciled", "reconcile FORCE DOMAIN", **feed)
    assert compared.stdout.startswith("nottinghamshire/hr: source "), compared.stderr
    with scene.reconciling("nottinghamshire", "hr", "--patience", "0"):
        scene.wait_until_over("AllianceHubNotReconciled", force="nottinghamshire", domain="hr")


def test_every_query_of_every_dashboard_finds_numbers(scene):
    prometheus = scene.prometheus

    def lacking():
        """The queries that find nothing, or what is no number."""
        for board in boards().values():
            for chosen in places(board, prometheus):
                for panel, _, expression in queries(board):
                    found = prometheus.ask(filled_in(expression, chosen))
                    if not found or any(math.isnan(value) for _, value in found):
                        yield panel, chosen, expression

    with scene.world.in_use(), scene.reconciling("--patience", "0"):
        wait_until(lambda: len(places(boards()["alliance-hub-connector"], prometheus)) == 6, str)
        wait_until(lambda: not any(lacking()), lambda: f"all find numbers, but not {list(lacking())}")


def test_a_lag_that_grows_and_what_a_reconciliation_finds_meanwhile_are_told_of_until_all_is_there(scene):
    scene.rests.touch()
    scene.enter("leicestershire", 1500)
    scene.enter("nottinghamshire", 3)
    scene.wait_until_firing("AllianceHubLagGrowing", topic="leicestershire.incident.v1")
    with scene.reconciling("nottinghamshire", "incident", "--patience", "0"):
        scene.wait_until_firing("AllianceHubReconciliationDiffers", kind="missing")
        scene.wait_until_firing("AllianceHubForceStale", force="leicestershire")
        scene.rests.unlink()
        scene.wait_until_over("AllianceHubLagGrowing")
        scene.wait_until_over("AllianceHubForceStale")
        scene.wait_until_over("AllianceHubReconciliationDiffers")


def test_what_an_operator_can_mend_is_told_of_until_it_is_mended_as_the_runbook_says(scene):
    """Four things at once, each in a feed of its own."""
    scene.enter("northamptonshire", 1)
    drops = scene.world.locations["northamptonshire", "incident"]
    scene.run("connectors", "pause", SILENT_FEED["force"], SILENT_FEED["domain"])
    write_a_line_that_is_no_row(drops)
    scene.leicestershire("hr", "DELETE FROM V_PERSON WHERE rowid % 5 = 0")
    scene.leicestershire("incident", "ALTER TABLE V_INCIDENT RENAME TO ELSEWHERE")

    scene.wait_until_firing("AllianceHubForceStale", **SILENT_FEED)
    scene.wait_until_firing("AllianceHubDeadLettersGrowing", force="northamptonshire", stage="read")
    scene.wait_until_firing("AllianceHubMassDeletionHeld", force="leicestershire", domain="hr")
    scene.wait_until_firing("AllianceHubRestartLoop", force="leicestershire", domain="incident")

    silent = {"FORCE": SILENT_FEED["force"], "DOMAIN": SILENT_FEED["domain"], "WHY": "a test"}
    listed = scene.follow("AllianceHubForceStale", "connectors list FORCE", **silent)
    assert "PAUSED" in listed.stdout
    scene.follow("AllianceHubForceStale", "connectors resume FORCE DOMAIN --reason WHY", **silent)

    letters = {"FORCE": "northamptonshire", "DOMAIN": "incident", "WHY": "a test"}
    listed = scene.follow(
        "AllianceHubDeadLettersGrowing", "dlq list --force FORCE --domain DOMAIN", **letters
    )
    found = {word for word in listed.stdout.split() if ".dlq/" in word}
    assert found
    for identity in found:
        scene.follow("AllianceHubDeadLettersGrowing", "dlq discard ID --reason WHY", ID=identity, **letters)

    count = scene.hub.metric("alliance_hub_held_removals", force="leicestershire", domain="hr")
    held = {"FORCE": "leicestershire", "DOMAIN": "hr", "N": f"{count:.0f}", "WHY": "a test"}
    listed = scene.follow("AllianceHubMassDeletionHeld", "removals show FORCE", **held)
    assert f"{count:.0f} of " in listed.stdout
    accept = "removals accept FORCE DOMAIN --count N --reason WHY"
    accepted = scene.follow("AllianceHubMassDeletionHeld", accept, **held)
    assert accepted.returncode == 0, accepted.stderr

    scene.leicestershire("incident", "ALTER TABLE ELSEWHERE RENAME TO V_INCIDENT")
    looped = {"FORCE": "leicestershire", "DOMAIN": "incident", "WHY": "a test"}
    scene.follow("AllianceHubRestartLoop", "connectors restart FORCE DOMAIN --reason WHY", **looped)

    for alert in ("ForceStale", "DeadLettersGrowing", "MassDeletionHeld"):
        scene.wait_until_over(f"AllianceHub{alert}")


def write_a_line_that_is_no_row(drops):
    header = next(Path(drops).glob("INC_*.csv")).read_bytes().partition(b"\r\n")[0]
    (Path(drops) / "INC_29991231_999999.csv").write_bytes(
        b"\r\n".join([header, b"77,01/06/2026,N,too,few", b""])
    )
    (Path(drops) / "INC_29991231_999999.csv.done").touch()


def test_a_full_disk_is_told_of_with_all_that_it_stops_until_there_is_room(scene):
    """The hub cannot keep anything, so its stages do not move and nothing is shown."""
    scene.fill_disk()
    scene.enter("nottinghamshire", 5)

    def refused():
        return scene.hub.get("/incidents").status_code >= 500

    wait_until(refused, lambda: f"nothing is shown: {scene.hub.text[-3000:]}")
    if scene.small_disk:  # else no disk may be mounted here, and what a process may write is limited
        scene.wait_until_firing("AllianceHubDiskFilling", use="bus")
    scene.wait_until_firing("AllianceHubAuditLogNotWritten")
    scene.wait_until_firing("AllianceHubRunningButSilent")
    scene.free_disk()
    for alert in ("DiskFilling", "AuditLogNotWritten", "RunningButSilent"):
        scene.wait_until_over(f"AllianceHub{alert}")
    wait_until(lambda: scene.hub.get("/incidents").status_code == 200, lambda: scene.hub.text[-3000:])


def test_a_clock_set_ahead_is_told_of_until_it_is_set_right(scene):
    clock = Clock(scene.world.folder / "clock")
    server = scene.world.start("serve", environ=clock.environ | {"HUB_INSTANCE": "2"})
    scene.prometheus.watch(scene.hub.address, server.address)
    clock.set(30)
    scene.wait_until_firing("AllianceHubClockOff", instance=server.address.removeprefix("http://"))
    clock.set(0)
    scene.wait_until_over("AllianceHubClockOff")
    assert server.stop() == 0, server.text
    scene.prometheus.watch(scene.hub.address)


def test_a_restart_loop_is_over_once_nothing_has_failed_for_a_while(scene):
    """Last, for its window is the longest: the loop was provoked above."""
    if not scene.prometheus.held('ALERTS{alertname="AllianceHubRestartLoop", alertstate="firing"}', "1h"):
        pytest.skip("run it with the test that provokes the loop")
    scene.wait_until_over("AllianceHubRestartLoop")


def test_a_process_that_ended_is_told_of_until_it_is_back(scene):
    assert scene.hub.stop() == 0, scene.hub.text
    scene.wait_until_firing("AllianceHubProcessDown", instance=scene.hub.address.removeprefix("http://"))
    scene.start()
    scene.wait_until_over("AllianceHubProcessDown")


def test_prometheus_has_kept_how_soon_after_its_for_each_alert_fired(scene, record_property):
    """A figure to be read, and no promise of this machine: promtool plays the promise."""
    kept = delays(scene.prometheus)
    for alert, late in sorted(kept.items()):
        print(f"{alert}: fired {late:.2f} s after its `for` was over")  # noqa: T201
        record_property(f"late_seconds_{alert}", late)
    assert all(late >= 0 for late in kept.values())


def delays(prometheus):
    """How long after its `for` each alert fired, at the latest, in seconds; by Prometheus's own record."""
    waits = {rule["alert"]: shorter(rule["for"], FACTOR) for rule in alerts()}
    since = {
        (key_of(labels), at): active
        for labels, samples in prometheus.held("ALERTS_FOR_STATE", "1h")
        for at, active in samples
    }
    first: dict[tuple[str, str, float], float] = {}
    for labels, samples in prometheus.held('ALERTS{alertstate="firing"}', "1h"):
        for at, _ in samples:
            active = since[key_of(labels), at]
            first.setdefault((labels["alertname"], key_of(labels), active), at)
    found: dict[str, float] = {}
    for (alert, _, active), at in first.items():
        found[alert] = max(found.get(alert, 0.0), at - active - waits[alert])
    return found


def key_of(labels):
    return json.dumps(
        {k: v for k, v in labels.items() if k not in {"__name__", "alertstate"}}, sort_keys=True
    )
