"""The import rule of ARCHITECTURE.md."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imports(file):
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def offenders(folder, module, *, allowed):
    return [
        str(file.relative_to(ROOT))
        for file in (ROOT / folder).rglob("*.py")
        if any(name.split(".")[0] == module for name in imports(file))
        and not any(file.is_relative_to(ROOT / place) or file.match(place) for place in allowed)
    ]


def test_the_hub_never_imports_the_connectors_but_for_the_command_line():
    assert offenders("hub", "connectors", allowed=["hub/cli"]) == []


def test_only_the_kafka_bus_imports_kafka():
    assert offenders("hub", "kafka", allowed=["hub/bus/kafka*.py"]) == []
    assert offenders("connectors", "kafka", allowed=[]) == []


def test_only_the_schema_room_imports_fastavro():
    assert offenders("hub", "fastavro", allowed=["hub/schema"]) == []
    assert offenders("connectors", "fastavro", allowed=[]) == []
