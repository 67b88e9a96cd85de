"""Alert rules: valid, tested firing and not firing, and each with a section of the runbook to follow."""

import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from typer.main import get_command

from hub.cli.app import app
from hub.metrics import Metrics
from tests.eyes.rules import DEPLOY, RULE_TESTS, RULES, alerts, rules, seconds, sections
from tests.needs import missing

SCRAPE_SECONDS = 5
ELSEWHERE = {"up"}
"""Series that Prometheus makes itself."""


def promtool(*words):
    program = shutil.which("promtool") or missing("install Prometheus (Debian: prometheus)")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_finds_rules_and_configuration_valid():
    assert f"{len(rules())} rules found" in promtool("check", "rules", "--lint-fatal", str(RULES))
    assert "1 rule files found" in promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))


def test_every_rule_fires_and_does_not_fire_as_promtool_plays_it():
    assert "SUCCESS" in promtool("test", "rules", str(RULE_TESTS))


def played():
    """What the played tests look at: by alert, the seconds at which it is to fire, and not to."""
    firing: dict[str, list[int]] = {}
    silent: dict[str, list[int]] = {}
    for test in yaml.safe_load(RULE_TESTS.read_text())["tests"]:
        for look in test["alert_rule_test"]:
            moment = sum(seconds(part) for part in re.findall(r"\d+[smh]", str(look["eval_time"])))
            (firing if look["exp_alerts"] else silent).setdefault(look["alertname"], []).append(moment)
    return firing, silent


def test_every_alert_is_played_not_firing_then_firing_within_two_scrapes_of_its_for_and_then_over():
    firing, silent = played()
    for name in (rule["alert"] for rule in alerts()):
        first = min(firing[name])
        before = [moment for moment in silent[name] if moment < first]
        assert first - max(before) <= 3 * SCRAPE_SECONDS, name  # one before its `for` is over, two after
        assert max(silent[name]) > first, name


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_waits_says_how_bad_it_is_and_what_and_where_to_read_on(rule):
    assert seconds(rule["for"]) >= 2 * SCRAPE_SECONDS
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert len(rule["annotations"]["summary"].split()) > 5
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert file == "deploy/runbook.md"
    section = sections()[anchor]
    assert f"`{rule['alert']}`" in section
    assert all(f"**{part}" in section for part in ("Look.**", "Do.**", "Over** when"))


def test_every_alert_has_a_section_of_its_own_and_every_link_in_the_runbook_leads_somewhere():
    linked = [rule["annotations"]["runbook"].partition("#")[2] for rule in alerts()]
    assert len(set(linked)) == len(linked)
    assert set(linked) <= set(sections())
    text = (DEPLOY / "runbook.md").read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        assert anchor in sections() if anchor else (DEPLOY / file).is_file(), target


def commands():
    """Every command of the hub that the runbook tells to run, without its comment."""
    text = (DEPLOY / "runbook.md").read_text()
    return sorted({line.split("  #")[0].strip() for line in re.findall(r"alliance-hub [a-z][^`\n]*", text)})


@pytest.mark.parametrize("line", commands())
def test_every_command_in_the_runbook_is_one_of_the_command_line(line):
    command, words = get_command(app), shlex.split(line)[1:]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {name for option in command.params for name in option.opts}
    given = [word for word in words if word.startswith("-")]
    assert set(given) <= known
    arguments = [each for each in command.params if each.param_type_name == "argument" and each.nargs == 1]
    placed = [word for word, before in zip(words, ["", *words], strict=False) if not _taken(word, before)]
    assert len(placed) <= len(arguments) or any(each.nargs == -1 for each in command.params), placed


def _taken(word, before):
    """Whether a word is an option, or the value of the one before it."""
    return word.startswith("--") or (before.startswith("--") and before not in {"--dry-run", "--fields"})


def test_every_series_that_a_rule_asks_for_is_one_of_the_hub():
    made = {rule["record"] for rule in rules() if "record" in rule} | ELSEWHERE
    for family in Metrics().registry.collect():
        counts = family.type == "counter"
        made |= {f"{family.name}_total"} if counts else {family.name, f"{family.name}_bucket"}
    for rule in rules():
        asked = set(re.findall(r"\b(?:alliance_hub[:\w]+|process_\w+|up)\b", rule["expr"]))
        assert asked
        assert asked <= made, asked - made
