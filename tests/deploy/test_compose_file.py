"""docker-compose.yml as a checklist: what each service must have, read from the file and by Compose."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.needs import missing

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES = COMPOSE["services"]
ENDS_BY_ITSELF = {"topics"}
NOT_OF_THE_HUB = {"standins"}
OF_COMPOSE_V2_ALONE = {"name", "include", "configs"}
SECRETS = "${HUB_SECRETS:-./deploy/compose/secrets}/"


def of_the_hub():
    return {name: each for name, each in SERVICES.items() if each["image"].startswith("${HUB_IMAGE:-")}


def test_it_starts_every_part():
    connectors = {
        f"connect-{folder.parent.name}-{folder.stem}" for folder in ROOT.glob("connectors/*/*.toml")
    }
    connectors = {name for name in connectors if not name.endswith("-force")}
    assert len(connectors) == 6
    rest = {
        "kafka",
        "postgres",
        "topics",
        "normaliser",
        "view",
        "server",
        "reconciler",
        "prometheus",
        "grafana",
        "standins",
    }
    assert set(SERVICES) == connectors | rest
    assert SERVICES["normaliser"]["scale"] == 2
    assert [name for name, each in SERVICES.items() if each.get("profiles") == ["demo"]] == ["standins"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(name):
    service = SERVICES[name]
    user = service["user"].partition(":")[0]
    assert user.isdecimal()
    assert int(user) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["stop_grace_period"]
    assert not service.get("privileged")
    assert re.fullmatch(r"\$\{[A-Z]+_IMAGE:-\S+\}", service["image"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ENDS_BY_ITSELF - NOT_OF_THE_HUB))
def test_a_service_that_goes_on_has_a_health_check(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(set(of_the_hub()) - ENDS_BY_ITSELF - NOT_OF_THE_HUB))
def test_a_process_of_the_hub_can_be_stopped_while_it_still_starts(name):
    assert SERVICES[name]["init"] is True, "as a container's first process it would not see SIGTERM"


@pytest.mark.parametrize("name", sorted(set(of_the_hub()) - ENDS_BY_ITSELF - NOT_OF_THE_HUB))
def test_a_process_of_the_hub_is_well_when_it_says_that_it_is_ready(name):
    assert "/readyz" in " ".join(SERVICES[name]["healthcheck"]["test"])


def test_what_is_written_outlives_a_container_in_volumes_with_a_name():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            is_file_of_ours = source.startswith("./deploy/") and rest.endswith(":ro")
            is_ours = is_file_of_ours or volume.startswith(SECRETS)
            assert is_ours or source in COMPOSE["volumes"], f"{name}: {volume}"


@pytest.mark.parametrize("name", of_the_hub())
def test_what_a_process_remembers_while_it_runs_is_on_disk(name):
    """Else it would count as memory, of which there is a limit."""
    service = SERVICES[name]
    folder = service["environment"]["TMPDIR"]
    assert folder not in service["tmpfs"]
    assert f"scratch:{folder}" in service["volumes"]


def test_the_server_alone_has_the_tokens_and_sees_those_that_take_their_place():
    """A file that is mounted alone would stay the one that it was."""
    has = {name: [each for each in of.get("volumes", []) if SECRETS in each] for name, of in SERVICES.items()}
    assert {name: each for name, each in has.items() if each} == {
        "server": [f"{SECRETS}tokens:/run/secrets/tokens:ro"]
    }
    told = Path(SERVICES["server"]["environment"]["HUB_TOKENS_FILE"])
    assert told.parent == Path("/run/secrets/tokens")


def test_ports_are_open_to_this_machine_alone():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:${") for port in ports)


def test_a_secret_comes_from_a_file_and_has_no_default():
    text = FILE.read_text("utf-8")
    assert set(COMPOSE["secrets"]) == {"postgres_password", "grafana_password"}
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            says_secret = re.search("PASSWORD|SECRET|TOKEN", variable)
            assert says_secret is None or value.startswith("/run/secrets/"), f"{name}: {variable}"
    assert not re.search(r"\$\{[A-Z_]*(PASSWORD|TOKEN)", text)


def test_nothing_is_asked_of_compose_that_either_kind_lacks():
    assert not OF_COMPOSE_V2_ALONE & set(COMPOSE)
    assert not [name for name, service in SERVICES.items() if "develop" in service]


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_compose_takes_the_file(kind, tmp_path):
    """Debian's 1.29 and the newest: each reads the file and the profile, and finds nothing wrong."""
    program = (
        shutil.which("docker-compose")
        if kind == "v1"
        else str(Path(sys.executable).with_name("docker-compose"))
    )
    if program is None or not Path(program).exists():
        missing("install docker-compose (Debian), and the development dependencies")
    command = [program, "-f", str(FILE), "--profile", "demo", "config", "--services"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == sorted(SERVICES)
    assert done.stderr == ""
