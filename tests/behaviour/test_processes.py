"""The parts one by one, each a process of its own, as they run for real."""

import contextlib
import datetime as dt
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.cli.signals import set_from_handler
from hub.metrics import OUTCOMES
from tests.waiting import PATIENCE_SECONDS, wait_until

PROGRAM = str(Path(sys.executable).with_name("alliance-hub"))
FORCES = ("leicestershire", "northamptonshire", "nottinghamshire")


@pytest.fixture
def legacy(legacy):
    """With an incident of each force."""
    for force in FORCES:
        legacy.raise_incident(force, legacy.clock(), dt.date(2026, 6, 1), summary="first")
    legacy.finish()
    return legacy


@pytest.fixture
def config(tmp_path, legacy):
    lines = [f'state = "{tmp_path / "state"}"']
    for force, domains in legacy.locations().items():
        lines += [f'[sources.{force}.{domain}]\nlocation = "{where}"' for domain, where in domains.items()]
    file = tmp_path / "hub.toml"
    file.write_text("\n".join(lines))
    return file


class Running:
    """A process of the hub, and the address it serves."""

    def __init__(self, config, log, *words):
        self.log = log
        with log.open("wb") as sink:
            command = [PROGRAM, *words, "--config", str(config), "--port", "0"]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=sink)
        wait_until(lambda: self._started() is not None, lambda: f"{words} started: {log.read_text()}")
        self.address = self._started()["address"]

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def _started(self):
        assert self._process.poll() is None, self.log.read_text()
        return next((line for line in self.lines() if line["event"] == "started"), None)

    def get(self, path, **more):
        return httpx.get(self.address + path, timeout=60, **more)

    def metrics(self):
        samples: dict[tuple[object, ...], float] = {}
        for family in text_string_to_metric_families(self.get("/metrics").text):
            samples |= {(s.name, *sorted(s.labels.items())): s.value for s in family.samples}
        return samples

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def all_parts(config, folder):
    with contextlib.ExitStack() as stack:
        parts = {}
        for name, words in {
            **{force: ("connect", force) for force in FORCES},
            "normalise": ("normalise",),
            "view": ("view",),
            "serve": ("serve",),
        }.items():
            parts[name] = Running(config, folder / f"{name}.log", *words)
            stack.callback(parts[name].stop)
        yield parts


def visible(part):
    """The newest incident of each force."""
    records = part.get("/incidents").json()["records"]
    return {record["force"]: record["summary"] for record in reversed(records)}


def test_each_part_runs_as_a_process_of_its_own_and_the_view_shows_every_force(config, legacy, tmp_path):
    with all_parts(config, tmp_path) as parts:
        serve = parts["serve"]
        wait_until(lambda: visible(serve) == dict.fromkeys(FORCES, "first"), lambda: str(visible(serve)))
        for force in FORCES:
            legacy.raise_incident(force, legacy.clock(), dt.date(2026, 6, 2), summary="second")
        legacy.finish()
        wait_until(lambda: set(visible(serve).values()) == {"second"}, lambda: str(visible(serve)))

        def stale():
            return [feed for feed in serve.get("/freshness").json()["feeds"] if feed["stale"]]

        wait_until(lambda: not stale(), lambda: f"nothing is stale: {stale()}")
        for part in parts.values():
            assert part.get("/readyz").json()["ready"], part.log.read_text()
            assert part.get("/livez").status_code == 200
            assert part.stop() == 0, part.log.read_text()


def test_every_process_serves_its_metrics_with_every_series_from_the_start(config, legacy, tmp_path):
    with all_parts(config, tmp_path) as parts:
        wait_until(lambda: len(visible(parts["serve"])) == 3, lambda: "all forces are visible")
        stages = {"read": FORCES[0], "normalise": "normalise", "view": "view"}
        for stage, name in stages.items():
            found = parts[name].metrics()
            for force in FORCES if stage != "read" else FORCES[:1]:
                for domain in ("incident", "hr"):
                    feed = [("domain", domain), ("force", force)]
                    for outcome in OUTCOMES[stage]:
                        key = ("alliance_hub_records_total", *feed, ("outcome", outcome), ("stage", stage))
                        assert key in found, key
                    for metric in ("retries_total", "last_progress_timestamp_seconds", "stage_stopped"):
                        assert (f"alliance_hub_{metric}", *feed, ("stage", stage)) in found

        def fresh():
            found = parts["view"].metrics()
            return all(
                ("alliance_hub_complete_to_timestamp_seconds", ("domain", d), ("force", f), ("stage", "view"))
                in found
                for f in FORCES
                for d in ("incident", "hr")
            )

        wait_until(fresh, lambda: "the view tells how complete each feed is")
        found = parts["view"].metrics()
        feed = [("domain", "incident"), ("force", "leicestershire")]
        assert found["alliance_hub_change_to_visible_seconds_count", *feed] >= 1
        assert any(name == "alliance_hub_lag_records" for name, *_ in found)
        assert found["alliance_hub_records_total", *feed, ("outcome", "applied"), ("stage", "view")] >= 1


def test_up_runs_all_in_one_process(config, tmp_path):
    hub = Running(config, tmp_path / "up.log", "up")
    wait_until(lambda: len(visible(hub)) == 3, hub.log.read_text)
    assert hub.stop() == 0


def test_logs_are_one_json_event_a_line_where_no_person_watches(config, tmp_path):
    hub = Running(config, tmp_path / "up.log", "up")
    assert hub.stop() == 0
    assert {line["event"] for line in hub.lines()} >= {"started", "stopped"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line["timestamp"]) for line in hub.lines())


def refused(*words):
    done = subprocess.run(
        [PROGRAM, *words], capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_what_is_configured_wrong_is_told_with_exit_code_2(config, tmp_path):
    code, said = refused("connect", "leicester", "--config", str(config))
    assert (code, "No feed 'leicester/*'. Known are: leicestershire/incident" in said) == (2, True)
    code, said = refused("connect", "leicestershire", "--state", str(tmp_path / "state"))
    assert code == 2
    assert "[sources.leicestershire.incident]" in said
    code, said = refused("view", "--config", str(tmp_path / "none.toml"))
    assert (code, "none.toml" in said) == (2, True)
    code, said = refused("view", "--bus", "rabbit://x", "--state", str(tmp_path / "state"))
    assert code == 2
    assert "embedded://" in said


def test_a_port_that_is_taken_is_told_with_exit_code_3(config):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = refused("view", "--config", str(config), "--port", str(taken.getsockname()[1]))
    assert code == 3
    assert "Choose another with --port" in said


def test_a_second_view_on_the_embedded_bus_is_refused(config, tmp_path):
    first = Running(config, tmp_path / "view.log", "view")
    code, said = refused("view", "--config", str(config), "--port", "0")
    assert code == 1
    assert "hub.view" in said
    assert first.stop() == 0


def test_a_signal_that_comes_while_the_event_is_being_waited_for_is_heeded():
    stop = threading.Event()
    with vars(stop)["_cond"]:  # as `wait` holds it when a handler runs between two of its steps
        set_from_handler(stop)
    assert stop.wait(60)
