"""The dashboards as they are deployed: panels, queries, and what Grafana's schema knows of them."""

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.eyes.rules import DEPLOY

GRAFANA = DEPLOY / "grafana"

register_default_plugins()


def boards():
    """Each dashboard by its uid."""
    found = [json.loads(file.read_text()) for file in sorted((GRAFANA / "dashboards").glob("*.json"))]
    return {board["uid"]: board for board in found}


def queries(board):
    """Every query: its panel's title, its letter, and what it asks Prometheus."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["refId"], target["expr"]


def filled_in(text, values):
    """A query with its variables filled in, as Grafana does before it asks."""
    for name, value in values.items():
        text = text.replace(f"${name}", value)
    return text


def unknown_to_grafana(board):
    """What Grafana's own schema has no place for, or would read otherwise than it is written."""
    read = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    return list(_lost(board, read, board["uid"]))


def _lost(written, read, where):
    if isinstance(written, dict) and isinstance(read, dict):
        for key, value in written.items():
            if key in read:
                yield from _lost(value, read[key], f"{where}.{key}")
            else:
                yield f"{where}.{key}"
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for number, (one, other) in enumerate(zip(written, read, strict=True)):
            yield from _lost(one, other, f"{where}[{number}]")
    elif written != read:
        yield f"{where}: {written!r} is read as {read!r}"
