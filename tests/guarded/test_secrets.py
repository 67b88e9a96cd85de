"""Planted secrets are looked for in everything that the hub says, running and failing."""

import contextlib
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from connectors.standins.legacy import LegacySystems
from hub.config import load_settings
from tests.guarded.broker import guarded_in
from tests.legacy import builtin_forces
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.long, pytest.mark.timeout(900)]

PROGRAM = [sys.executable, "-c", "from hub.cli.app import main; main()"]
DEAD = "127.0.0.1:1"
SECRETS = {
    name: f"planted-{name}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    for name in (
        *("kafka-password", "key-password", "store-password", "source-token", "token"),
        *("wrong-kafka-password", "wrong-key-password", "wrong-token", "database-password", "query-token"),
        *("kafka-url-password", "source-url-password", "store-url-password", "feed-url-password"),
    )
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with guarded_in(tmp_path_factory.mktemp("secrets")) as broker:
        yield broker


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """Each secret in a file of its own, as settings name them."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, secret in SECRETS.items():
        (folder / name).write_text(secret, "utf-8")
    return {name: folder / name for name in SECRETS}


@pytest.fixture
def bus(guarded, files):
    """The bus for the admin, with a password and a certificate whose key has another."""

    def url(password: str = "kafka-password", key_password: str = "key-password") -> str:
        url = guarded.password_url("admin", SECRETS["kafka-password"])
        url = url.replace(str(guarded.folder / "admin.password"), str(files[password]))
        mine = guarded.authority.issue("locked", password=SECRETS["key-password"])
        return (
            f"{url}&ssl_certfile={mine.certificate}&ssl_keyfile={mine.key}"
            f"&ssl_password_file={files[key_password]}"
        )

    return url


class Ran:
    """A process of the hub, and all that it said."""

    def __init__(self, folder: Path, name: str, *words: str, **environ: str) -> None:
        self.name = name
        self._said = folder / f"{name}.said"
        with self._said.open("wb") as sink:
            self.process = subprocess.Popen(
                [*PROGRAM, *words], stdout=sink, stderr=subprocess.STDOUT, env={**os.environ, **environ}
            )
        self.command = Path(f"/proc/{self.process.pid}/cmdline").read_bytes().decode()

    @property
    def said(self) -> str:
        return self._said.read_text("utf-8")

    @property
    def address(self) -> str | None:
        """Where it serves, once it has printed that."""
        return next((line for line in self.said.splitlines() if line.startswith("http://")), None)

    def complains(self) -> bool:
        """Whether it has ended, or tries again what fails."""
        return self.process.poll() is not None or "trying again" in self.said

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def leaks(where: str, text: str) -> list[str]:
    return [f"{name} in {where}" for name, secret in SECRETS.items() if secret in text]


def config_of(folder: Path, locations: dict[str, str], files: dict[str, Path], **settings: object) -> Path:
    """A configuration file; each location with a secret in a file, as `<force>/<domain>=secret`."""
    lines = [f'state = "{folder / "state"}"', f'tokens_file = "{folder / "tokens.toml"}"']
    lines += [f'{name} = "{value}"' for name, value in settings.items()]
    for feed, location in locations.items():
        name, _, secret = feed.partition("=")
        force, domain = name.split("/")
        lines += [f"[sources.{force}.{domain}]", f'location = "{location}"']
        lines += [f'secret_file = "{files[secret]}"'] if secret else []
    digest = hashlib.sha256(SECRETS["token"].encode()).hexdigest()
    (folder / "tokens.toml").write_text(
        f'[[tokens]]\nname = "room"\nsha256 = "{digest}"\nroles = {{ "*" = ["control_room", "operator"] }}\n'
    )
    file = folder / f"{len(list(folder.glob('*.toml')))}.toml"
    file.write_text("\n".join(lines), "utf-8")
    return file


def test_a_hub_at_work_says_no_secret(bus, files, tmp_path):
    with contextlib.closing(
        LegacySystems(tmp_path, builtin_forces(), staff_scale=0.01, drop_seconds=0.1, extract_seconds=0.5)
    ) as legacy:
        legacy.finish()
        where = legacy.locations()["nottinghamshire"]["incident"]
        config = config_of(tmp_path, {"nottinghamshire/incident=source-token": where}, files, bus=bus())
        hub = Ran(tmp_path, "up", "up", "--config", str(config), "--port", "0")
        try:
            wait_until(lambda: hub.process.poll() is not None or hub.address is not None)
            assert hub.address, hub.said
            address = hub.address
            wait_until(lambda: httpx.get(f"{address}/readyz").status_code == 200)
            answers = {
                f"{path} for {token}": httpx.get(
                    f"{address}{path}", headers={"Authorization": f"Bearer {SECRETS[token]}"}
                )
                for path in ("/metrics", "/readyz", "/livez", "/incidents", "/connectors", "/openapi.json")
                for token in ("token", "wrong-token")
            }
        finally:
            hub.end()
    assert answers["/incidents for token"].status_code == 200
    assert answers["/incidents for wrong-token"].status_code in {401, 403}
    found = [
        leak for name, answer in answers.items() for leak in leaks(name, f"{answer.headers}{answer.text}")
    ]
    assert found + leaks("its log", hub.said) + leaks("ps", hub.command) == []


def test_what_fails_says_no_secret(bus, files, tmp_path):
    dead = {
        "leicestershire/incident=database-password": f"postgresql://reader@{DEAD}/legacy",
        "leicestershire/hr": f"postgresql://reader:{SECRETS['source-url-password']}@{DEAD}/legacy",
        "nottinghamshire/incident=source-token": f"http://{DEAD}/feed?token={SECRETS['query-token']}",
    }
    refused = {"nottinghamshire/incident": f"https://reader:{SECRETS['feed-url-password']}@{DEAD}/feed"}
    store = {"store": f"postgresql://hub@{DEAD}/hub", "store_secret_file": files["store-password"]}
    good = ["--config", str(config_of(tmp_path, dead, files, bus=bus()))]
    no_store = ["--config", str(config_of(tmp_path, dead, files, bus=bus(), **store))]
    bad_feed = ["--config", str(config_of(tmp_path, refused, files, bus=bus()))]
    with_password = f"postgresql://hub:{SECRETS['store-url-password']}@{DEAD}/hub"
    bad_store = ["--config", str(config_of(tmp_path, {}, files, bus=bus(), store=with_password))]
    bad_bus = f"kafka://hub:{SECRETS['kafka-url-password']}@{DEAD}"
    in_bus = ["--config", str(config_of(tmp_path, {}, files, bus=bad_bus))]
    wrong, locked = bus("wrong-kafka-password"), bus(key_password="wrong-key-password")

    assert Ran(tmp_path, "topics", "topics", "apply", *good).process.wait(120) == 0
    commands = {
        "a wrong password": ["view", *good, "--bus", wrong],
        "a wrong key password": ["view", *good, "--bus", locked],
        "a dead database": ["connect", "leicestershire", *good],
        "a dead feed": ["connect", "nottinghamshire", "incident", *good],
        "a dead store": ["view", *no_store],
        "a password in the feed's URL": ["connect", "nottinghamshire", "incident", *bad_feed],
        "a password in the store's URL": ["view", *bad_store],
        "a password in the bus's URL": ["view", *in_bus],
        "the doctor": ["doctor", "--json", *no_store],
        "the doctor of passwords in URLs": ["doctor", "--json", *bad_store],
        "the access lists": ["acl", "check", *good],
        "a wrong token": ["connectors", "pause", "leicestershire", *good],
    }
    found = []
    for name, words in commands.items():
        ran = Ran(tmp_path, name, *words, HUB_TOKEN=SECRETS["wrong-token"])
        try:
            wait_until(ran.complains)
        finally:
            ran.end()
        assert ran.said, name
        found += leaks(f"what {name} says", ran.said) + leaks(f"ps with {name}", ran.command)
    assert found == []

    for config in (good, no_store, bad_feed, bad_store):
        settings = load_settings(Path(config[1]), environ={})
        assert leaks("a dump of the settings", f"{settings!r} {settings}") == []
