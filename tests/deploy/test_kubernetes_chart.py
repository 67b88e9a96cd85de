"""deploy/kubernetes as Helm itself reads it, and what it makes beside the schemas of all it is made for."""

import json
from pathlib import Path

import jsonschema_rs
import kubernetes_validate
import pytest
import yaml
from helm_python.chart import Chart, lint

from hub.bus.kafka_url import parse_kafka_url
from hub.cli.parts import builtin_force_folders
from hub.config import load_settings
from hub.forces import load_forces
from tests.deploy.chart_files import CHART, FILES
from tests.deploy.strimzi_schemas import VERSIONS, strimzi_schemas

KUBERNETES = ("1.28", "1.37")
"""The oldest that the chart takes, and the newest whose schema there is."""
ALL_FEEDS = {
    force.name: {
        domain: {
            "location": "/srv/drops",
            "secret": {"name": f"{force.name}-{domain}", "key": "password"},
            "volume": {"path": "/srv/drops", "source": {"persistentVolumeClaim": {"claimName": "drops"}}},
        }
        for domain in force.feeds
    }
    for force in load_forces(builtin_force_folders()).values()
}
VALUES = {
    "as given": {},
    "with every source": {"sources": ALL_FEEDS},
    "without autoscaling": {"sources": ALL_FEEDS, "normaliser": {"autoscaling": {"enabled": False}}},
}


def made(values):
    """Every resource that the chart makes of these values."""
    rendered = Chart.load(CHART).render(values, name="hub", namespace="alliance")
    documents = (each for text in rendered.values() for each in yaml.safe_load_all(text))
    return [each for each in documents if each]


def of(resources, kind):
    return {each["metadata"]["name"]: each for each in resources if each["kind"] == kind}


@pytest.fixture(scope="module")
def whole():
    return made(VALUES["with every source"])


@pytest.fixture(scope="module")
def schemas(tmp_path_factory):
    return strimzi_schemas(tmp_path_factory.mktemp("strimzi"))


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_helm_finds_no_fault(values):
    told = lint(CHART, values, strict=True)
    assert told["errors"] == []
    assert [each for each in told["messages"] if each["severity"] > 1] == []


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_kubernetes_takes_what_it_makes(values, version):
    own = [each for each in made(values) if not each["apiVersion"].startswith("kafka.strimzi.io/")]
    assert {each["kind"] for each in own} >= {"StatefulSet", "Service", "ConfigMap", "PodDisruptionBudget"}
    for each in own:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_strimzi_takes_what_it_makes(schemas, version):
    asked = {"sources": ALL_FEEDS, "kafka": {"strimzi": version}}
    found = [each for each in made(asked) if "strimzi.io" in each["apiVersion"]]
    assert {each["kind"] for each in found} == {"KafkaTopic", "KafkaUser"}
    for each in found:
        jsonschema_rs.validate(schemas[f"kafka.strimzi.io/{version}", each["kind"]], each)
        assert set(each["metadata"]) == {"name", "namespace", "labels"}, "Strimzi's schema says nothing of it"


def test_every_connector_is_alone_and_keeps_its_name(whole):
    found = of(whole, "StatefulSet")
    connectors = {name for name in found if name.startswith("hub-connect-")}
    assert connectors == {
        f"hub-connect-{force}-{domain}" for force, feeds in ALL_FEEDS.items() for domain in feeds
    }
    assert all(found[name]["spec"]["replicas"] == 1 for name in connectors)


def test_every_source_is_compared_with_the_view_unless_nobody_asks_for_it(whole):
    names = {f"hub-reconcile-{force}-{domain}" for force, feeds in ALL_FEEDS.items() for domain in feeds}
    assert names == {name for name in of(whole, "StatefulSet") if name.startswith("hub-reconcile-")}
    never = of(made({"sources": ALL_FEEDS, "reconcile": {"every": ""}}), "StatefulSet")
    assert not [name for name in never if name.startswith("hub-reconcile-")]


def test_normalisers_grow_with_what_waits_for_them(whole):
    scaling = of(whole, "HorizontalPodAutoscaler")["hub-normalise"]["spec"]
    assert scaling["scaleTargetRef"]["name"] in of(whole, "StatefulSet")
    assert scaling["metrics"][0]["external"]["metric"]["name"] == "alliance_hub_lag_records"
    assert "replicas" not in of(whole, "StatefulSet")["hub-normalise"]["spec"], "two would decide how many"
    fixed = of(made(VALUES["without autoscaling"]), "StatefulSet")["hub-normalise"]
    assert fixed["spec"]["replicas"] == 2


def test_every_process_is_confined_and_asked_how_it_is(whole):
    for name, each in of(whole, "StatefulSet").items():
        pod = each["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["shareProcessNamespace"] is True, "as a container's first process it would not see SIGTERM"
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"


@pytest.mark.parametrize(
    "name",
    ["connect-leicestershire-incident", "reconcile-leicestershire-incident", "normalise", "view", "serve"],
)
def test_the_hub_takes_the_settings_that_it_makes(whole, name, tmp_path, monkeypatch: pytest.MonkeyPatch):
    written = tmp_path / "hub.toml"
    written.write_text(of(whole, "ConfigMap")["hub-settings"]["data"]["hub.toml"], "utf-8")
    (container,) = of(whole, "StatefulSet")[f"hub-{name}"]["spec"]["template"]["spec"]["containers"]
    for entry in container["env"]:
        monkeypatch.setenv(entry["name"], entry.get("value", "0"))
    settings = load_settings(written)
    for file in ("kafka-ca/ca.crt", "kafka/user.crt", "kafka/user.key"):  # as Strimzi names them
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    bus = parse_kafka_url(settings.bus_url.replace("/run/secrets", str(tmp_path)))
    assert bus.servers == ("alliance-kafka-bootstrap:9093",)
    mounted = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    if name.endswith("-leicestershire-incident"):
        assert settings.sources["leicestershire"]["incident"].secret_file is not None
        assert {Path("/run/secrets/source"), Path("/srv/drops")} <= mounted
    if name in {"view", "serve", "reconcile-leicestershire-incident"}:
        assert settings.store_secret_file is not None
        assert settings.store_secret_file.parent in mounted


def test_secrets_are_named_and_never_written(whole):
    assert not of(whole, "Secret")
    mounted = {
        volume["secret"]["secretName"]
        for each in of(whole, "StatefulSet").values()
        for volume in each["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    }
    assert {
        "alliance-hub-store",
        "alliance-hub-tokens",
        "alliance-hub-server",
        "leicestershire-hr",
    } <= mounted
    users = {name for name in mounted if name.startswith("hub-")}
    assert users <= set(of(whole, "KafkaUser"))


@pytest.mark.parametrize("name", FILES)
def test_topics_and_rights_are_those_of_the_hub(name):
    written = json.loads((CHART / "files" / name).read_text("utf-8"))
    assert written == FILES[name](), "write it anew: python -m tests.deploy.chart_files"


def test_strimzi_is_given_every_topic_and_user(whole):
    topics, users = of(whole, "KafkaTopic"), of(whole, "KafkaUser")
    assert set(topics) == {each["name"] for each in FILES["topics.json"]()}
    assert topics["alliance.incident.v1"]["spec"]["partitions"] == 6
    assert topics["alliance.incident.v1"]["spec"]["config"]["min.insync.replicas"] == 2
    assert users["hub-connect-leicestershire"]["spec"]["authentication"] == {"type": "tls"}
    for user in users.values():
        assert user["spec"]["authorization"]["acls"]
        assert all(acl["host"] == "*" and acl["operations"] for acl in user["spec"]["authorization"]["acls"])
