"""`alliance-hub doctor` beside a Kafka that asks who one is: access lists and certificates."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from hub.cli.app import app
from tests.guarded.acl_tool import run_acl_commands
from tests.guarded.broker import guarded_in

pytestmark = [pytest.mark.kafka, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with guarded_in(tmp_path_factory.mktemp("guarded")) as broker:
        yield broker


def run(*words):
    done = CliRunner().invoke(app, [*map(str, words)])
    return done.exit_code, done.stdout


def told(folder, url, about):
    command = [sys.executable, "-c", "from hub.cli.app import main; main()", "doctor", "--json"]
    command += ["--within", "90", "--state", str(folder), "--bus", url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    findings = json.loads(done.stdout)["findings"]
    return [(f["verdict"], f["said"]) for f in findings if f["about"] == about]


def test_access_lists_are_held_beside_their_plan(guarded, tmp_path):
    admin = guarded.certificate_url()
    ((verdict, said),) = told(tmp_path, admin, "access lists")
    assert verdict == "failed"
    assert "`alliance-hub acl check` names all. The first is missing: " in said
    options = ("--bus", admin, "--command-config", guarded.tool_settings()[1])
    code, commands = run("acl", "plan", *options)
    assert code == 0
    run_acl_commands(commands.splitlines())
    assert run("topics", "apply", "--bus", admin)[0] == 0
    assert told(tmp_path, admin, "access lists") == [("ok", "as planned")]
    ((verdict, said),) = told(tmp_path, admin, "topics")
    assert (verdict, said.endswith("topics are as declared")) == ("ok", True)
    for verdict, said in told(tmp_path, admin, "certificates"):
        assert (verdict, "is good for" in said) in {("ok", True), ("warning", False)}


def test_a_user_who_may_not_read_them_is_told_who_may(guarded, tmp_path):
    ((verdict, said),) = told(tmp_path, guarded.password_url("hub-view"), "access lists")
    assert verdict == "warning"
    assert "Have an administrator run `alliance-hub acl check`." in said
