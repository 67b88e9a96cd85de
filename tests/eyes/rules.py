"""The alert rules as they are deployed, and the same in quicker time for tests on a running hub."""

import re
from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules" / "alliance-hub.yml"
RULE_TESTS = DEPLOY / "prometheus" / "tests" / "alliance-hub.yml"
RUNBOOK = DEPLOY / "runbook.md"

_UNITS = {"s": 1, "m": 60, "h": 3600}
_WINDOW = re.compile(r"(?<=\[)\d+[smh](?=\])|(?<=offset )\d+[smh]")
_AGE = re.compile(r"(?<=_age_seconds [<>] )\d+|(?<=_age_seconds\) > )\d+")


def rules():
    """Every rule, in order."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts():
    return [rule for rule in rules() if "alert" in rule]


def sections():
    """The text of each section of the runbook, by the anchor that a link to it names."""
    found = {}
    for part in RUNBOOK.read_text().split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        found[re.sub(r"[^a-z0-9 -]", "", title.lower()).strip().replace(" ", "-")] = text
    return found


def seconds(duration):
    return int(duration[:-1]) * _UNITS[duration[-1]]


def shorter(duration, factor):
    """So many seconds, and one at least."""
    return max(1, round(seconds(duration) / factor))


def quicker(factor):
    """The rules as a file's text, with every `for`, window and age of the alerts divided by `factor`."""
    made = [rule for rule in rules() if "record" in rule]
    for rule in alerts():
        expression = _WINDOW.sub(lambda found: f"{shorter(found[0], factor)}s", rule["expr"])
        expression = _AGE.sub(lambda found: f"{int(found[0]) / factor:g}", expression)
        made.append(rule | {"expr": expression, "for": f"{shorter(rule['for'], factor)}s"})
    return yaml.safe_dump({"groups": [{"name": "quicker", "rules": made}]})
