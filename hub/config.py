"""Settings: one TOML file plus the environment, read once, frozen, passed by argument.

The order is: command line, environment (`HUB_PORT=…`, nested with two underscores:
`HUB_SOURCES__LEICESTERSHIRE__INCIDENT__LOCATION=…`), file, default. An unknown key or `HUB_…` variable
is an error with a suggestion. Secrets stand in files of their own, never here.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hub.errors import ConfigurationError
from hub.serve.settings import LimitSettings, ServerSettings

PREFIX = "HUB_"
RESERVED = (
    "HUB_CONFIG",
    "HUB_TOKEN",
    "HUB_KILL_POINT",
    "HUB_TEST_KAFKA",
    "HUB_TEST_KAFKA_IMAGE",
    "HUB_TEST_POSTGRES_IMAGE",
)
"""Variables that are not settings: where the file is, who acts, what tests and `hub.kill_points` take."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSettings(_Part):
    """Where one legacy system is: a database URL, a folder or sftp:// URL, an http(s):// URL."""

    location: str = Field(repr=False, description="May name a password, so it is not in what is printed.")
    secret_file: Path | None = Field(None, description="A file that holds the password or token alone.")

    def secret(self) -> str | None:
        """The secret, read anew at each call; `ConfigurationError` where the file cannot be read."""
        return _secret("secret_file", self.secret_file)


class BoundarySettings(_Part):
    """Police force areas, to decide in whose area a point lies."""

    file: Path
    code_property: str = Field(description="Name of the GeoJSON property that holds the ONS area code.")
    accuracy_metres: float = Field(gt=0, description="Within this of a border both forces are named.")


class TopicSettings(_Part):
    """What may differ between a trial and a cluster; the rest of the topic table is in the code."""

    partitions: int = Field(6, ge=1, le=1000)
    replication: int = Field(1, ge=1, le=10)
    audit_retention_days: int = Field(400, ge=1)


class DeadLetterSettings(_Part):
    """What operators may do with dead letters."""

    approval: bool = Field(True, description="An edited record is replayed once another person approved it.")
    replay_per_second: float = Field(
        100, gt=0, description="Records replayed a second, unless asked for less."
    )
    retention_days: float = Field(
        90, gt=0, description="How long a resolved letter is kept; an open one always."
    )


class Settings(BaseSettings):
    """All settings of a process."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", validate_default=True
    )

    state: Path = Field(Path("state"), description="Folder for the embedded bus and store.")
    bus: str = Field(
        "",
        repr=False,
        description="embedded:///path or kafka://host:9092,…; empty: embedded in the state folder.",
    )
    store: str = Field(
        "", repr=False, description="sqlite:///path or postgresql://…; empty: SQLite in the state folder."
    )
    store_secret_file: Path | None = Field(None, description="A file that holds the store's password alone.")
    instance: str = Field(
        "1", pattern=r"^[a-zA-Z0-9-]{1,32}$", description="Tells processes of one stage apart."
    )
    host: str = "127.0.0.1"
    port: int | None = Field(
        None, ge=0, le=65535, description="HTTP port of this process; 0 takes a free one."
    )
    forces: tuple[Path, ...] = Field((), description="Folders of forces beside the built-in ones.")
    builtin_forces: bool = True
    sources: dict[str, dict[str, SourceSettings]] = Field(default_factory=dict)
    topics: TopicSettings = TopicSettings()
    principals: dict[str, str | tuple[str, ...]] = Field(
        default_factory=dict,
        description="Of some processes, who they are to Kafka; the others are User:hub-<process>.",
    )
    boundary: BoundarySettings | None = None
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    tokens_file: Path | None = None
    server: ServerSettings = ServerSettings()
    limits: LimitSettings = LimitSettings()
    require_justification: bool = False
    stale_after_seconds: float = Field(
        60, gt=0, description="A force not known complete for so long is stale."
    )
    silent_after_seconds: float = Field(
        60, gt=0, description="A stage that has not moved for so long makes its process not ready."
    )
    longest_restart_pause_seconds: float = Field(
        300,
        ge=0,
        description="A connector that failed tries again after pauses that grow to this; 0: never, for "
        "supervisors that start processes again themselves.",
    )
    log_format: Literal["auto", "json", "text"] = "auto"

    @property
    def bus_url(self) -> str:
        return self.bus or f"embedded://{(self.state / 'bus.db').absolute()}"

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite:///{(self.state / 'view.db').absolute()}"

    def store_secret(self) -> str | None:
        """The store's password; `ConfigurationError` where its file cannot be read."""
        return _secret("store_secret_file", self.store_secret_file)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file: the file's values come as arguments, so they stand last."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load_settings(
    file: Path | None = None, *, environ: Mapping[str, str] | None = None, **given: Any
) -> Settings:
    """Read the settings once; `given` are the command line's, None where not said.

    Raises `ConfigurationError` with one line a problem, all at once.
    """
    environ = os.environ if environ is None else environ
    problems = list(_unknown_variables(environ))
    table = _read(file) if file else {}
    try:
        settings = Settings(**table)
    except ValidationError as error:
        problems += [_say(file, e, environ) for e in error.errors()]
        raise ConfigurationError("\n".join(problems)) from None
    if problems:
        raise ConfigurationError("\n".join(problems))
    return settings.model_copy(update={k: v for k, v in given.items() if v is not None})


def stray_sources(sources: Mapping[str, Iterable[str]], feeds: Iterable[str]) -> list[str]:
    """What is wrong with sources of forces or domains that are not among `feeds`: nobody would read them."""
    known = [feed.replace("/", ".") for feed in feeds]
    named = sorted(f"{force}.{domain}" for force, domains in sources.items() for domain in domains)
    return [f"[sources.{name}] is of no feed.{_suggest(name, known)}" for name in named if name not in known]


def _secret(setting: str, file: Path | None) -> str | None:
    try:
        return None if file is None else file.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"{setting} '{file}': {error.strerror}; put the secret alone in it, for this user to read."
        ) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"Configuration file '{file}': {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"Configuration file '{file}' is not TOML: {error}.") from error


def _unknown_variables(environ: Mapping[str, str]) -> Iterable[str]:
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        first = name.split("__")[0]
        if first not in known:
            yield f"Environment variable '{name}' is not a setting.{_suggest(first, [*known, *RESERVED])}"


def _say(file: Path | None, error: Any, environ: Mapping[str, str]) -> str:
    path = [str(part) for part in error["loc"]]
    variable = PREFIX + "__".join(path).upper()
    where = f"Environment variable '{variable}'"
    if variable not in environ:
        where = f"{file or 'environment'}: '{'.'.join(path)}'"
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg']}."
    return f"{where} is not a setting.{_suggest(path[-1], _names(path[:-1]))}"


def _names(path: list[str]) -> list[str]:
    parts: dict[str, type[BaseModel]] = {
        "topics": TopicSettings,
        "boundary": BoundarySettings,
        "dead_letters": DeadLetterSettings,
        "sources": SourceSettings,
        "server": ServerSettings,
        "limits": LimitSettings,
    }
    return list((parts.get(path[0], Settings) if path else Settings).model_fields)


def _suggest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean '{close[0]}'?" if close else f" Known are: {', '.join(sorted(known))}."
