"""`alliance-hub status`: what it says of a hub of one process and of several, whole and in trouble."""

import contextlib
import datetime as dt
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from hub.cli.app import app
from hub.cli.process import Process
from hub.config import SourceSettings, load_settings
from hub.overview import Observer, rates
from tests.waiting import wait_until

LEICESTERSHIRE = "leicestershire.incident"
HUB = [sys.executable, "-c", "from hub.cli.app import main; main()"]


class Hub:
    """A hub on the stand-ins' incidents: a process each for connectors, normaliser and view."""

    def __init__(self, folder, legacy):
        sources = {
            force: {"incident": SourceSettings(location=domains["incident"], secret_file=None)}
            for force, domains in legacy.locations().items()
        }
        settings = load_settings(environ={}, state=folder / "state", port=0)
        self.settings = settings.model_copy(update={"sources": sources, "longest_restart_pause_seconds": 0.2})
        self.options = ["--config", str(folder / "hub.toml")]
        (folder / "hub.toml").write_text(
            f'state = "{folder / "state"}"\n'
            + "".join(
                f'[sources.{force}.incident]\nlocation = "{domains["incident"].location}"\n'
                for force, domains in sources.items()
            )
        )
        self.processes = {}
        for name in ("connect", "normalise", "view"):
            self.processes[name] = self._process(name)

    def _process(self, name):
        process = Process(self.settings)
        process.check_topics()
        parts = process.parts
        if name == "connect":
            feeds = [parts.feeds(force, "incident")[0] for force in self.settings.sources]
            stages = process.connectors(feeds)
        else:
            stages = {name: parts.normaliser() if name == "normalise" else parts.view()}
        process.start(stages, port=0)
        return process

    def stop(self, name):
        self.processes.pop(name).stop()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes.values():
            process.stop()

    def run(self, *words):
        done = CliRunner().invoke(app, [*words, *self.options])
        assert done.exit_code in {0, 1}, done.output
        return done.exit_code, done.stdout

    def told(self):
        code, said = self.run("status", "--json", "--over", "0")
        told = json.loads(said)
        assert told["well"] == (code == 0)
        return told

    def connector(self, name=LEICESTERSHIRE):
        return next(each for each in self.told()["connectors"] if each["name"] == name)

    def wait_well(self):
        wait_until(lambda: self.told()["well"], lambda: f"all is well: {self.run('status')[1]}")

    def wait_state(self, state):
        """The connector as it was seen to be so; on a slow machine it may be UNHEARD in between."""
        seen = [self.connector()]

        def so():
            seen.append(self.connector())
            return seen[-1]["state"] == state

        wait_until(so, lambda: f"it is {state}: {seen[-1]}")
        return seen[-1]


def raise_incident(legacy, summary):
    legacy.raise_incident("leicestershire", legacy.clock(), dt.date(2026, 6, 1), summary=summary)
    legacy.finish()


def test_a_hub_of_several_processes_is_told_from_its_bus_and_store(legacy, tmp_path):
    raise_incident(legacy, "first")
    with Hub(tmp_path, legacy) as hub:
        hub.wait_well()
        wait_until(lambda: hub.connector()["position"].keys() == {"watermark"})
        told = hub.wait_state("RUNNING")
        assert (told["asked"], told["error"]) == ("RUNNING", "")
        assert told["heard_at"] >= told["since"]
        assert told["complete_to"]
        assert told["visible_to"]
        assert (told["complete_to_age_seconds"] > 0, told["visible_to_age_seconds"] > 0) == (True, True)
        others = [each for each in hub.told()["connectors"] if each["name"].endswith(".hr")]
        assert {(each["state"], each["configured"], *each["troubles"]) for each in others} == {
            ("UNASSIGNED", False)
        }
        assert [hub.told()[stage]["state"] for stage in ("normalisers", "view")] == ["RUNNING", "RUNNING"]
        wait_until(lambda: "all is well" in hub.run("status", "--over", "0.1")[1])
        assert "watermark LAST_UPDATED 20" in hub.run("status", "--over", "0.1")[1]

        assert hub.run("connectors", "pause", "leicestershire", "incident")[0] == 0
        assert hub.wait_state("PAUSED")["troubles"] == [], "it is as it was asked to be"

        hub.stop("view")
        raise_incident(legacy, "second")
        assert hub.run("connectors", "resume", "leicestershire", "incident")[0] == 0
        wait_until(lambda: hub.told()["view"]["lag"] >= 1)
        told = hub.told()
        assert (told["view"]["state"], told["view"]["troubles"]) == ("UNASSIGNED", ["nobody runs it"])
        assert told["normalisers"]["troubles"] == []
        hub.stop("normalise")
        wait_until(lambda: hub.told()["normalisers"]["troubles"] == ["nobody runs it"])
        raise_incident(legacy, "third")
        wait_until(lambda: hub.told()["normalisers"]["lag"] >= 1)
        assert hub.connector()["lag"] >= 1


def test_the_worst_comes_first_with_its_whole_error(legacy, tmp_path):
    raise_incident(legacy, "first")
    database = legacy.locations()["leicestershire"]["incident"].removeprefix("sqlite:///")
    with Hub(tmp_path, legacy) as hub:
        hub.wait_well()
        with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
            connection.execute("alter table V_INCIDENT rename column GRADE to RESPONSE_GRADE")
        hub.wait_state("FAILED")
        told = hub.told()["connectors"][0]
        assert (told["name"], "FAILED" in told["troubles"]) == (LEICESTERSHIRE, True)
        assert "no column 'GRADE'" in told["error"]
        code, page = hub.run("status", "--over", "0")
        assert code == 1
        assert page.index(LEICESTERSHIRE) < page.index("nottinghamshire.incident")
        assert "1 FAILED" in page
        assert f"{LEICESTERSHIRE}: FAILED since 20" in page


def test_rates_are_what_was_done_between_two_looks(legacy, tmp_path):
    with Hub(tmp_path, legacy) as hub:
        hub.wait_well()
        parts = hub.processes["view"].parts
        observer = Observer(parts.feeds(), lambda: parts.bus, lambda: parts.flow, lambda: parts.store)
        before = observer.look()
        assert rates(None, before).view is None
        for number in range(5):
            raise_incident(legacy, f"incident {number}")

        def all_done():
            look = observer.look()
            done = next(s.counts.get("published", 0) for s in look.connectors if s.name == LEICESTERSHIRE)
            return done >= 5 and look.view is not None and look.view.done >= 5

        wait_until(all_done)
        after = observer.look()
        found = rates(before, after)
        seconds = after.ticks - before.ticks
        assert found.connectors[LEICESTERSHIRE] == pytest.approx(5 / seconds)
        assert found.connectors["nottinghamshire.incident"] == 0
        assert found.normalisers == found.view == pytest.approx(5 / seconds)


def test_what_does_not_answer_is_named_and_nothing_is_made(tmp_path):
    state = tmp_path / "state"
    done = CliRunner().invoke(app, ["status", "--over", "0", "--state", str(state)])
    assert done.exit_code == 1
    assert "There is no bus at" in done.output
    assert "There is no store at" in done.output
    assert not state.exists()


def test_watching_goes_on_until_ctrl_c(legacy, tmp_path):
    with Hub(tmp_path, legacy) as hub:
        hub.wait_well()
        words = [*HUB, "status", "--watch", "--over", "0.2", *hub.options]
        with subprocess.Popen([*words, "--json"], stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            seen = [json.loads(watching.stdout.readline()) for _ in range(3)]
            watching.send_signal(signal.SIGINT)
            watching.stdout.read()
            assert watching.wait(60) in {0, 1}, "as the last look was"
        assert seen[0]["at"] < seen[1]["at"] < seen[2]["at"]
        assert seen[0]["view"]["rate"] is None
        assert seen[1]["view"]["rate"] is not None
        ours, theirs = pty.openpty()
        with subprocess.Popen(words, stdin=theirs, stdout=theirs, start_new_session=True) as watching:
            os.close(theirs)
            shown = ""
            while shown.count("all is well") < 3:
                shown += os.read(ours, 10_000).decode("utf-8", "replace")
            watching.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # the terminal is gone with its program
                while os.read(ours, 10_000):
                    pass
            assert watching.wait(60) in {0, 1}
        os.close(ours)
