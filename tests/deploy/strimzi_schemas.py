"""The schemas of Strimzi's resources, made by its own generator of its own classes, as strict as it gets."""

import subprocess
from pathlib import Path

import yaml

from deploy.kafka.broker import java
from tests.jars import jars

PROJECT = Path(__file__).with_name("strimzi")
GENERATOR = "io.strimzi.crdgenerator.CrdGenerator"
CLASSES = {"KafkaTopic": "topic.KafkaTopic", "KafkaUser": "user.KafkaUser"}
VERSIONS = ("v1", "v1beta2")
ASKED = ("--target-kube", "1.25+", "--crd-api-version", "v1", "--storage-version", "v1beta2", "--yaml")


def strimzi_schemas(folder: Path):
    """By apiVersion and kind, the schema that an API server with Strimzi's definitions holds a resource to.

    Fields that the schema does not know are refused, as by strict field validation; of `metadata`, which is
    Kubernetes' own, nothing is said, nor of rules in CEL.
    """
    classpath = jars(PROJECT, "Strimzi's own schemas")
    wanted = [f"io.strimzi.api.kafka.model.{name}={folder / kind}" for kind, name in CLASSES.items()]
    command = [java(), "-cp", classpath, GENERATOR, *ASKED, "--api-versions", ",".join(VERSIONS), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {}
    for kind in CLASSES:
        definition = yaml.safe_load((folder / kind).read_text("utf-8"))["spec"]
        for version in definition["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"])
            made[f"{definition['group']}/{version['name']}", definition["names"]["kind"]] = schema
    return made


def _strict(schema):
    """The same, but that an object has no other fields than those it names, unless it says that it may."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(each) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in schema:
        made.setdefault("additionalProperties", False)
    return made
