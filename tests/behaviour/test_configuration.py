"""Settings: one file and the environment, read once, wrong ones told all at once."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from hub.cli.app import app
from hub.config import load_settings
from hub.errors import ConfigurationError


def written(tmp_path, text):
    file = tmp_path / "hub.toml"
    file.write_text(text)
    return file


def test_the_defaults_need_no_file(tmp_path):
    settings = load_settings(state=tmp_path, environ={})
    assert settings.bus_url == f"embedded://{tmp_path / 'bus.db'}"
    assert settings.store_url == f"sqlite:///{tmp_path / 'view.db'}"
    assert settings.host == "127.0.0.1"


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(tmp_path, monkeypatch):
    file = written(tmp_path, 'port = 1\ninstance = "file"\nhost = "127.0.0.3"\n')
    monkeypatch.setenv("HUB_PORT", "2")
    monkeypatch.setenv("HUB_INSTANCE", "environment")
    settings = load_settings(file, port=3)
    assert (settings.port, settings.instance, settings.host) == (3, "environment", "127.0.0.3")


def test_a_source_can_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("HUB_SOURCES__LEICESTERSHIRE__INCIDENT__LOCATION", "sqlite:///legacy.db")
    assert load_settings().sources["leicestershire"]["incident"].location == "sqlite:///legacy.db"


def test_every_wrong_setting_is_told_at_once_with_a_suggestion(tmp_path, monkeypatch):
    monkeypatch.setenv("HUB_PROT", "1")
    monkeypatch.setenv("HUB_TOPICS__PARTITION", "1")
    file = written(tmp_path, 'stor = "x"\nport = 70000\n[sources.a.incident]\nlocaton = "x"\n')
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file)
    lines = str(caught.value).splitlines()
    assert "Environment variable 'HUB_PROT' is not a setting. Did you mean 'HUB_PORT'?" in lines
    variable = "Environment variable 'HUB_TOPICS__PARTITION' is not a setting. Did you mean 'partitions'?"
    assert variable in lines
    assert f"{file}: 'stor' is not a setting. Did you mean 'store'?" in lines
    assert f"{file}: 'sources.a.incident.locaton' is not a setting. Did you mean 'location'?" in lines
    assert any(line.startswith(f"{file}: 'port': Input should be less than") for line in lines)


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("leicestershire.incidnt", "Did you mean 'leicestershire.incident'?"),
        ("atlantis.crews", "Known are: leicestershire.hr, leicestershire.incident, northamptonshire.hr"),
    ],
)
def test_a_source_of_no_feed_is_refused_before_anything_starts(tmp_path, source, remedy):
    """It would be read by nobody, and nobody would say so."""
    file = written(tmp_path, f'state = "{tmp_path}/state"\n[sources.{source}]\nlocation = "x"\n')
    done = CliRunner().invoke(app, ["up", "--config", str(file)])
    assert done.exit_code == 2
    assert f"[sources.{source}] is of no feed. {remedy}" in done.output
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [("port = ", "is not TOML"), (None, "No such file")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, text, words):
    file = tmp_path / "hub.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        load_settings(file, environ={})
    assert str(file) in str(caught.value)


def test_a_secret_is_read_from_its_file_and_never_stands_in_the_settings(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("planted-secret\n")
    file = written(tmp_path, f'[sources.a.incident]\nlocation = "x"\nsecret_file = "{secret}"\n')
    settings = load_settings(file, environ={})
    assert settings.sources["a"]["incident"].secret() == "planted-secret"
    assert "planted-secret" not in repr(settings)


def test_a_secret_file_that_is_missing_is_named_with_what_to_do(tmp_path):
    file = written(tmp_path, '[sources.a.incident]\nlocation = "x"\nsecret_file = "/nowhere/secret"\n')
    with pytest.raises(ConfigurationError, match=r"/nowhere/secret'.*; put the secret alone in it"):
        load_settings(file, environ={}).sources["a"]["incident"].secret()


def test_settings_cannot_be_changed_after_they_were_read():
    settings = load_settings(environ={})
    with pytest.raises(ValidationError):
        settings.__setattr__("state", Path("elsewhere"))


def test_the_password_of_the_store_stands_in_a_file_of_its_own(tmp_path):
    (tmp_path / "password").write_text("s3cret\n")
    file = written(
        tmp_path, f'store = "postgresql://hub@db/hub"\nstore_secret_file = "{tmp_path}/password"\n'
    )
    settings = load_settings(file, environ={})
    assert settings.store_secret() == "s3cret"
    assert "s3cret" not in repr(settings)
