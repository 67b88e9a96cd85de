"""docker-compose.yml, started as a project of the tests' own, and what they ask of it."""

import datetime as dt
import json
import re
import time
from pathlib import Path

import httpx
import pytest
import yaml

from deploy.kafka.broker import free_port
from tests.containers.engine import ROOT, run

FILE = ROOT / "docker-compose.yml"
PROJECT = "alliance-hub-test"
PATIENCE_SECONDS = 180
FORCES = ("leicestershire", "northamptonshire", "nottinghamshire")
FEEDS = {(force, domain) for force in FORCES for domain in ("incident", "hr")}
CANNOT_BE_HAD = {"grafana"}
"""Services whose image no package registry holds."""


def services() -> list[str]:
    """Every service that can be started here, the stand-ins among them."""
    return sorted(set(yaml.safe_load(FILE.read_text("utf-8"))["services"]) - CANNOT_BE_HAD)


class Compose:
    """The containers of docker-compose.yml, their secrets in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.tokens = folder / "tokens" / "tokens.toml"
        self.address = f"http://127.0.0.1:{free_port()}"
        self.prometheus = f"http://127.0.0.1:{free_port()}"
        self.env = {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "HUB_SECRETS": str(folder),
            "HUB_HTTP_PORT": self.address.rpartition(":")[2],
            "PROMETHEUS_PORT": self.prometheus.rpartition(":")[2],
        }
        made = run("sh", "deploy/compose/secrets.sh", env=self.env)
        token = re.search(r"# the token, shown this once: (\S+)", made)
        assert token is not None, made
        self._headers = {"Authorization": f"Bearer {token[1]}", "Justification": "a test"}

    def __call__(self, *arguments: str, env=None, **options) -> str:
        command = ["docker-compose", "--ansi", "never", "-f", str(FILE), *arguments]
        return run(*command, env={**self.env, **(env or {})}, **options)

    def up(self, *names: str, env=None, options=()) -> None:
        """Bring these services up, or all; recreated are only those whose configuration differs."""
        alone = ["--no-deps"] if names else []
        self("up", "-d", *alone, *options, *(names or services()), env=env)

    def down(self, *options: str) -> None:
        self("down", "--timeout", "60", *options)

    def containers(self, service: str) -> list[str]:
        """Its containers, whether they run or have ended; asked of the engine, which answers sooner."""
        of = (f"project={PROJECT}", f"service={service}", "oneoff=False")
        labels = [word for each in of for word in ("--filter", f"label=com.docker.compose.{each}")]
        return run("docker", "ps", "--all", "--quiet", "--no-trunc", *labels, quiet=True).split()

    def get(self, path: str, **query):
        """What the server answers, or None while it does not."""
        answer = self.ask(path, **query)
        return answer.json() if answer is not None and answer.status_code == 200 else None

    def ask(self, path: str, **query) -> httpx.Response | None:
        """Its answer, whatever it is; none while there is no connection."""
        try:
            return httpx.get(f"{self.address}{path}", params=query, headers=self._headers, timeout=30)
        except httpx.TransportError:
            return None

    def refuses(self) -> bool:
        """Whether the server knows no such token."""
        answer = self.ask("/freshness")
        return answer is not None and answer.status_code == 401

    def inspect(self, container: str):
        return json.loads(run("docker", "inspect", container, quiet=True))[0]

    def wait_until_healthy(self, *names: str) -> None:
        """Every container of these services, or of all, passes its health check, or has ended well."""

        def unwell():
            found = {name: self.containers(name) for name in (names or services())}
            told = {
                f"{name} ({container[:12]})": self.inspect(container)["State"]
                for name, each in found.items()
                for container in each
            }
            nothing = {name: "no container" for name, each in found.items() if not each}
            return nothing | {name: _plain(state) for name, state in told.items() if not _is_well(state)}

        self.wait(lambda: not unwell(), lambda: f"not healthy: {unwell()}")

    def wait_until_complete(self, moment: float) -> None:
        """Every feed's changes up to that moment are visible."""

        def behind():
            told = self.get("/freshness")
            if told is None:
                return "the server does not answer"
            found = {(each["force"], each["domain"]): each["complete_to"] for each in told["feeds"]}
            return {"/".join(feed): found.get(feed) for feed in FEEDS if _instant(found.get(feed)) < moment}

        self.wait(lambda: not behind(), lambda: f"not complete up to {moment}: {behind()}")

    def wait_until_incidents(self) -> None:
        """An incident of each force is visible."""

        def unseen():
            return [
                force
                for force in FORCES
                if not (self.get("/incidents", force=force, limit=1) or {}).get("records")
            ]

        self.wait(lambda: not unseen(), lambda: f"no incident is visible of {unseen()}")

    def wait(self, condition, otherwise) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"after {PATIENCE_SECONDS} s {otherwise()}\n{self.logs()}", pytrace=False)
            time.sleep(0.2)

    def logs(self) -> str:
        """What every container is, and the end of what it said."""
        return self("ps", "-a", check=False) + self("logs", "--no-color", "--tail", "60", check=False)


def _is_well(state) -> bool:
    if "Health" in state:
        return bool(state["Health"]["Status"] == "healthy")
    return bool(state["Running"] or state["ExitCode"] == 0)


def _plain(state) -> str:
    return str(state.get("Health", {}).get("Status") or f"{state['Status']}, exit code {state['ExitCode']}")


def _instant(text: str | None) -> float:
    return 0 if text is None else dt.datetime.fromisoformat(text).timestamp()
