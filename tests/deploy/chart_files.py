"""What the chart says of topics and rights, made from the hub's own tables.

Write it anew with `python -m tests.deploy.chart_files` when one of those has changed.
"""

import json
from pathlib import Path

from hub.acl.entry import Kind
from hub.acl.plan import plan
from hub.bus.kafka_topics import creation
from hub.bus.topics import PARTITIONS, specs
from hub.cli.parts import builtin_force_folders
from hub.forces import load_forces

CHART = Path(__file__).parents[2] / "deploy" / "kubernetes"
_STRIMZI = {
    Kind.TOPIC: "topic",
    Kind.GROUP: "group",
    Kind.TRANSACTIONAL_ID: "transactionalId",
    Kind.CLUSTER: "cluster",
}


def topics():
    """Every topic; those with as many partitions as are asked for leave it to the chart's values."""
    asked = PARTITIONS + 1
    return [
        {"name": spec.name}
        | ({} if spec.partitions == asked else {"partitions": spec.partitions})
        | {
            "config": {
                name: value
                for name, value in creation(spec)["configs"].items()
                if name != "min.insync.replicas"
            }
        }
        for spec in specs(load_forces(builtin_force_folders()), partitions=asked)
    ]


def users():
    """Every process as a user, with its rights as Strimzi writes them."""
    return [
        {"name": each.principal.removeprefix("User:"), "acls": [_acl(right) for right in each.rights]}
        for each in plan(load_forces(builtin_force_folders()), {})
    ]


def _acl(right):
    resource = {"type": _STRIMZI[right.kind]}
    if right.kind is not Kind.CLUSTER:
        resource |= {"name": right.name, "patternType": "prefix" if right.prefixed else "literal"}
    return {"resource": resource, "operations": list(right.operations), "host": "*"}


FILES = {"topics.json": topics, "users.json": users}


def main() -> None:
    for name, made in FILES.items():
        (CHART / "files" / name).write_text(json.dumps(made(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
