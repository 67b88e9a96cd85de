"""The connectors as operators have them over HTTP and the command line, in a hub that runs whole."""

import contextlib
import datetime as dt
import json
import sqlite3
import threading

import httpx
from typer.testing import CliRunner

from connectors import sources
from hub.bus.topics import AUDIT_TOPIC
from hub.cli import parts
from hub.cli.app import app
from hub.cli.process import Process, start_all
from hub.config import SourceSettings, load_settings
from tests.behaviour.server import write_tokens
from tests.waiting import wait_until

FORCES = ("leicestershire", "northamptonshire", "nottinghamshire")
LEICESTERSHIRE = "/connectors/leicestershire.incident"


class Hub:
    """A whole hub on the stand-ins; what it keeps outlives it."""

    def __init__(self, folder, legacy, **settings):
        self.settings = load_settings(environ={}, state=folder / "state", port=0).model_copy(
            update={
                "sources": {
                    force: {"incident": SourceSettings(location=domains["incident"], secret_file=None)}
                    for force, domains in legacy.locations().items()
                },
                **settings,
            }
        )
        self.process = Process(self.settings)
        start_all(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        assert self.process.stop() in {0, 1}

    def ask(self, method, path, token=None, **more):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.request(
            method, self.process.address + path, headers=headers | more.pop("headers", {}), timeout=60, **more
        )

    def status(self, path=LEICESTERSHIRE, token=None):
        return self.ask("GET", f"{path}/status", token).json()

    def wait(self, state, path=LEICESTERSHIRE, token=None):
        wait_until(
            lambda: self.status(path, token)["connector"]["state"] == state,
            lambda: f"{path} is {state}: {self.status(path, token)}",
        )

    def visible(self, force, token=None):
        records = self.ask("GET", f"/incidents?force={force}", token).json()["records"]
        return {record["summary"] for record in records}

    def audited(self):
        decode = self.process.parts.codec.decoder(AUDIT_TOPIC)
        entries = (decode(received.value) for received in self.process.parts.bus.read_all(AUDIT_TOPIC))
        return [
            (e["verb"], e["principal"], e["query"], e["justification"])
            for e in entries
            if e["verb"] != "consultation"
        ]


def raise_incident(legacy, force, summary):
    legacy.raise_incident(force, legacy.clock(), dt.date(2026, 6, 1), summary=summary)
    legacy.finish()


def test_a_connector_is_paused_over_http_over_a_restart_of_the_hub_and_resumed(legacy, tmp_path):
    raise_incident(legacy, "leicestershire", "first")
    with Hub(tmp_path, legacy) as hub:
        wait_until(lambda: hub.visible("leicestershire") == {"first"})
        assert hub.ask("GET", "/connectors").json()[:2] == ["leicestershire.incident", "leicestershire.hr"]
        hub.wait("RUNNING")
        status = hub.status()
        assert (status["name"], status["type"]) == ("leicestershire.incident", "source")
        assert hub.ask("GET", f"{LEICESTERSHIRE}/standing").json()["asked"] == "RUNNING"
        task = status["tasks"][0]
        assert (task["id"], task["state"]) == (0, "RUNNING")
        assert hub.ask("PUT", f"{LEICESTERSHIRE}/pause").status_code == 202
        hub.wait("PAUSED")
        assert hub.ask("GET", "/readyz").status_code == 200, "it is as it was asked to be"
    raise_incident(legacy, "leicestershire", "second")
    raise_incident(legacy, "nottinghamshire", "elsewhere")
    with Hub(tmp_path, legacy) as hub:
        wait_until(lambda: hub.visible("nottinghamshire") == {"elsewhere"})
        hub.wait("PAUSED")
        assert hub.visible("leicestershire") == {"first"}
        offsets = hub.ask("GET", f"{LEICESTERSHIRE}/offsets").json()
        assert offsets["offsets"][0]["offset"].keys() == {"watermark"}
        assert hub.ask("GET", f"{LEICESTERSHIRE}/standing").json()["counts"]["published"] >= 1
        assert hub.ask("PUT", f"{LEICESTERSHIRE}/resume").status_code == 202
        wait_until(lambda: hub.visible("leicestershire") == {"first", "second"})
        assert hub.ask("PUT", f"{LEICESTERSHIRE}/stop").status_code == 204
        hub.wait("STOPPED")
        refused = hub.ask("POST", f"{LEICESTERSHIRE}/restart")
        assert (refused.status_code, "resume it instead" in refused.json()["message"]) == (409, True)
        expanded = hub.ask("GET", "/connectors?expand=status").json()
        assert expanded["leicestershire.incident"]["status"]["connector"]["state"] == "STOPPED"


def test_only_operators_act_and_every_act_is_audited_with_its_reason(legacy, tmp_path):
    with Hub(tmp_path, legacy, tokens_file=write_tokens(tmp_path)) as hub:
        assert hub.ask("GET", "/connectors").status_code == 401
        assert hub.ask("GET", "/connectors", "analyst").json() == []
        assert hub.ask("GET", f"{LEICESTERSHIRE}/status", "analyst").status_code == 404
        assert hub.ask("PUT", f"{LEICESTERSHIRE}/pause", "everyone").status_code == 404
        assert hub.ask("PUT", "/connectors/rutland.incident/pause", "operator").status_code == 404
        assert hub.audited() == []
        why = {"Justification": "the database moves"}
        assert hub.ask("PUT", f"{LEICESTERSHIRE}/pause", "operator", headers=why).status_code == 202
        body = {"keys": ["2026-06-01:1"], "rate": 10}
        assert hub.ask("PUT", f"{LEICESTERSHIRE}/backfill", "operator", json=body).status_code == 202
        assert hub.ask("PUT", f"{LEICESTERSHIRE}/backfill", "operator", json={}).status_code == 400
        assert hub.ask("DELETE", f"{LEICESTERSHIRE}/backfill", "operator").status_code == 202
        name = "leicestershire.incident"
        assert hub.audited() == [
            ("pause connector", "operator", name, "the database moves"),
            ("backfill", "operator", name, ""),
            ("cancel backfill", "operator", name, ""),
        ]


def test_a_page_of_another_site_cannot_act(legacy, tmp_path):
    with Hub(tmp_path, legacy) as hub:
        elsewhere = {"Origin": "https://example.org"}
        assert hub.ask("POST", f"{LEICESTERSHIRE}/restart", headers=elsewhere).status_code == 403
        here = {"Origin": hub.process.address}
        assert hub.ask("POST", f"{LEICESTERSHIRE}/restart", headers=here).status_code == 204


class Blocked:
    """A source whose legacy system does not answer."""

    def __init__(self, source, answers):
        self._source = source
        self._answers = answers
        self.close = source.close
        self.count = source.count

    def read(self, position):
        self._answers.wait()
        return self._source.read(position)


def test_a_force_whose_system_does_not_answer_delays_no_other(legacy, tmp_path, monkeypatch):
    answers = threading.Event()
    opened = sources.open_source

    def open_source(feed, location, secret):
        source = opened(feed, location, secret)
        return Blocked(source, answers) if feed.force == "northamptonshire" else source

    monkeypatch.setattr(parts, "open_source", open_source)
    for force in FORCES:
        raise_incident(legacy, force, "first")
    with Hub(tmp_path, legacy) as hub, contextlib.ExitStack() as stack:
        stack.callback(answers.set)
        for force in ("leicestershire", "nottinghamshire"):
            wait_until(lambda force=force: hub.visible(force) == {"first"})
            raise_incident(legacy, force, "second")
        for force in ("leicestershire", "nottinghamshire"):
            wait_until(lambda force=force: hub.visible(force) == {"first", "second"})
        assert hub.visible("northamptonshire") == set()
        answers.set()
        wait_until(lambda: hub.visible("northamptonshire") == {"first"})


def test_a_view_that_stands_still_slows_no_connector_and_catches_up(legacy, tmp_path, monkeypatch):
    applies = threading.Event()
    with Hub(tmp_path, legacy) as hub, contextlib.ExitStack() as stack:
        stack.callback(applies.set)
        store = hub.process.parts.store
        apply = store.apply

        def late(batches, moves):
            applies.wait()
            return apply(batches, moves)

        monkeypatch.setattr(store, "apply", late)
        for number in range(20):
            for force in FORCES:
                raise_incident(legacy, force, f"incident {number}")

        def published():
            names = (f"/connectors/{force}.incident/standing" for force in FORCES)
            return [hub.ask("GET", name).json()["counts"].get("published", 0) for name in names]

        wait_until(lambda: published() == [20, 20, 20], lambda: f"all is published: {published()}")
        assert hub.visible("leicestershire") == set()
        applies.set()
        for force in FORCES:
            wait_until(lambda force=force: len(hub.visible(force)) == 20)


def test_a_source_that_changed_is_told_everywhere_and_mends_by_itself(legacy, tmp_path):
    raise_incident(legacy, "leicestershire", "first")
    database = legacy.locations()["leicestershire"]["incident"].removeprefix("sqlite:///")

    def change(statement):
        with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
            connection.execute(statement)

    with Hub(tmp_path, legacy, longest_restart_pause_seconds=0.2, stale_after_seconds=0.5) as hub:
        wait_until(lambda: hub.visible("leicestershire") == {"first"})
        change("alter table V_INCIDENT rename column GRADE to RESPONSE_GRADE")
        hub.wait("FAILED")
        assert "no column 'GRADE'" in hub.status()["tasks"][0]["trace"]
        wait_until(lambda: hub.ask("GET", "/readyz").status_code == 503)
        stages = hub.ask("GET", "/readyz").json()["stages"]
        assert stages["connect leicestershire/incident"]["state"] == "failed"
        assert "no column 'GRADE'" in stages["connect leicestershire/incident"]["error"]
        assert hub.ask("GET", "/livez").status_code == 200
        metrics = hub.ask("GET", "/metrics").text
        named = 'domain="incident",force="leicestershire"'
        assert f'alliance_hub_connector_state{{{named},state="FAILED"}} 1.0' in metrics
        assert f'alliance_hub_stage_stopped{{{named},stage="read"}} 1.0' in metrics

        def stale():
            feeds = hub.ask("GET", "/freshness").json()["feeds"]
            return next(
                f["stale"] for f in feeds if (f["force"], f["domain"]) == ("leicestershire", "incident")
            )

        wait_until(stale)
        change("alter table V_INCIDENT rename column RESPONSE_GRADE to GRADE")
        hub.wait("RUNNING")
        raise_incident(legacy, "leicestershire", "second")
        wait_until(lambda: hub.visible("leicestershire") == {"first", "second"})
        wait_until(lambda: hub.ask("GET", "/readyz").status_code == 200)


def test_the_command_line_shows_and_orders_and_resets_what_is_stopped(legacy, tmp_path):
    raise_incident(legacy, "leicestershire", "first")

    def run(*words):
        done = CliRunner().invoke(app, [*words, "--config", str(config)])
        assert done.exit_code in {0, 2}, done.output
        return done.exit_code, done.output

    with Hub(tmp_path, legacy) as hub:
        config = tmp_path / "hub.toml"
        config.write_text(f'state = "{tmp_path / "state"}"\n')
        wait_until(lambda: hub.visible("leicestershire") == {"first"})
        hub.wait("RUNNING")
        code, said = run("connectors", "list", "leicestershire")
        assert code == 0
        assert "leicestershire: UNASSIGNED\n" in said, "the worst of the force: nobody reads its staff here"
        assert "incident: RUNNING since 20" in said
        feed = ("leicestershire", "incident")
        code, said = run("positions", "reset", *feed, "--reason", "rows were missed")
        assert (code, "stop it first: alliance-hub connectors stop leicestershire incident" in said) == (
            2,
            True,
        )
        assert run("connectors", "stop", *feed, "--reason", "to reset it")[0] == 0
        hub.wait("STOPPED")
        code, said = run("positions", "show", *feed)
        assert "watermark LAST_UPDATED 20" in said
        assert "published 1" in said
        code, said = run("positions", "reset", *feed, "--reason", "rows were missed", "--dry-run")
        assert (code, "1 entries would be forgotten: watermark LAST_UPDATED" in said) == (0, True)
        assert "watermark LAST_UPDATED" in run("positions", "show", *feed)[1]
        code, said = run("positions", "reset", *feed, "--reason", "rows were missed")
        assert (code, "is read again from the beginning" in said) == (0, True)
        assert run("connectors", "resume", *feed)[0] == 0
        hub.wait("RUNNING")
        wait_until(lambda: json.loads(run("positions", "show", *feed, "--json")[1])[0]["position"])
        (shown,) = json.loads(run("positions", "show", *feed, "--json")[1])
        assert (shown["counts"]["published"], shown["counts"]["unchanged"] > 0) == (1, True)
        code, said = run("positions", "backfill", *feed, "--keys", "2026-06-01:1", "--rate", "50/s")
        assert (code, "of 1 keys is asked for" in said) == (0, True)
        wait_until(lambda: "done, " in run("positions", "show", *feed)[1])
        assert [(verb, who, why) for verb, who, _, why in hub.audited()] == [
            ("stop connector", "local", "to reset it"),
            ("reset position", "local", "rows were missed"),
            ("resume connector", "local", ""),
            ("backfill", "local", ""),
        ]
        code, said = run("connectors", "pause", *feed, "--token", "nobody")
        assert (code, "no tokens_file is set" in said) == (2, True)
