"""docker-compose.yml on a real engine: containers that come and go, and a view that stays true."""

import json
import time
from pathlib import Path

import pytest

from tests.containers.compose import FEEDS, PATIENCE_SECONDS, services
from tests.containers.engine import run
from tests.containers.figures import say

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ONE_AT_A_TIME = sorted(set(services()) - {"topics", "standins"})
LARGEST_IMAGE = 250_000_000
STILL = {"DEMO_RATE": "0.01"}


def test_the_image_is_below_its_limit(images):
    size = int(run("docker", "image", "inspect", "--format", "{{.Size}}", "alliance-hub/hub", quiet=True))
    say(f"the hub's image has {size / 1e6:.1f} MB")
    assert size < LARGEST_IMAGE


def test_the_view_shows_what_the_systems_say(hub):
    assert_reconciled(hub)


def test_a_file_of_tokens_that_another_takes_the_place_of_counts_without_a_restart(hub):
    before = hub.inspect(*hub.containers("server"))["State"]["StartedAt"]
    tokens = hub.tokens.read_text("utf-8")
    replace(hub.tokens, "# nobody\n")
    hub.wait(hub.refuses, lambda: "who was taken out is not refused")
    replace(hub.tokens, tokens)
    hub.wait(lambda: hub.get("/freshness"), lambda: "who was put back is refused")
    assert hub.inspect(*hub.containers("server"))["State"]["StartedAt"] == before


@pytest.mark.parametrize("service", ONE_AT_A_TIME)
def test_after_a_restart_the_view_goes_on(hub, service):
    began = time.time()
    hub("restart", service)
    again = time.time()
    hub.wait_until_healthy(service)
    hub.wait_until_complete(again)
    say(f"{service}: restarted in {again - began:.1f} s, all visible {time.time() - again:.1f} s later")


def test_all_restarts_together_lost_nothing(hub):
    assert_reconciled(hub)


@pytest.mark.parametrize("count", [1, 3, 2])
def test_normalisers_can_be_scaled(hub, count):
    hub.up("normaliser", options=["--scale", f"normaliser={count}"])
    changed = time.time()
    hub.wait_until_healthy("normaliser")
    assert len(hub.containers("normaliser")) == count
    hub.wait_until_complete(changed)


def test_one_normaliser_does_the_work_of_a_killed_one(hub):
    killed, spared = hub.containers("normaliser")
    run("docker", "stop", "--time", "0", killed)
    hub.wait_until_complete(time.time())
    assert hub.inspect(spared)["RestartCount"] == 0
    run("docker", "start", killed)
    hub.wait_until_healthy("normaliser")


def test_an_upgrade_of_one_container_at_a_time_keeps_the_view_up_to_date(hub):
    newer = "alliance-hub/hub:newer"
    run(
        "docker",
        "build",
        "--quiet",
        "--tag",
        newer,
        "-",
        input="FROM alliance-hub/hub\nLABEL release=newer\n",
    )
    for service in [name for name in ONE_AT_A_TIME if image_of(hub, name).startswith("alliance-hub/hub")]:
        hub.up(service, env={"HUB_IMAGE": newer})
        upgraded = time.time()
        hub.wait_until_healthy(service)
        hub.wait_until_complete(upgraded)
        assert image_of(hub, service) == newer
    assert_reconciled(hub)


def test_down_and_up_again_loses_nothing(hub):
    before = balanced(hub)
    hub.down()
    hub.up(env=STILL)
    hub.wait_until_healthy()
    after = balanced(hub)
    for force, domains in before["truth"].items():
        for domain, count in domains.items():
            assert after["truth"][force][domain] >= count - 1
    assert_reconciled(hub)


def replace(file, text):
    """As editors and tools do it: a new file, which takes the name of the old one."""
    new = file.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.chmod(0o644)
    new.replace(file)


def image_of(hub, service):
    return hub.inspect(hub.containers(service)[0])["Config"]["Image"]


def assert_reconciled(hub):
    """Every system, read a second time, says what the view shows, while it goes on changing."""
    told = hub("run", "--rm", "-T", "--no-deps", "view", "reconcile", "--json", quiet=True, check=False)
    results, _ = json.JSONDecoder().raw_decode(told, told.index("["))
    assert {(each["force"], each["domain"]) for each in results} == FEEDS
    assert all(each["same"] and not each["behind"] for each in results), f"{told}\n{hub.logs()}"


def balanced(hub):
    """Take stock of every stage while the systems stand still, beside what is true."""
    hub.up("standins", env=STILL)
    hub.wait_until_complete(time.time())
    script = Path(__file__).with_name("accounts.py").read_text("utf-8")
    command = ["run", "--rm", "-T", "--no-deps", "--entrypoint", "python", "server", "-"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        told = hub(*command, input=script, quiet=True)
        report, _ = json.JSONDecoder().raw_decode(told, told.index('{"balanced"'))
        if report["balanced"] or time.monotonic() > deadline:
            break  # once in a hundred seconds a change comes between two looks
    assert report["balanced"], f"{report['failing']}\n{hub.logs()}"
    visible = {f: {d: n["visible"] for d, n in of.items()} for f, of in report["forces"].items()}
    assert visible == report["truth"]
    return report
