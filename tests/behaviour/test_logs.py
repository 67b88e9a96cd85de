"""What the hub logs of an error that nobody expected, and of what a library says too often."""

import json
import logging

import pytest
import structlog

from hub import logs


@pytest.fixture
def restored():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail():
    surname = "planted-variable"
    try:
        int("planted-cause")
    except ValueError as error:
        raise LookupError(f"planted-message of {surname}") from error


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.usefixtures("restored")
def test_an_unexpected_error_is_told_by_type_and_place_and_never_by_its_values(form, capsys):
    logs.configure(form)

    try:
        fail()
    except LookupError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")

    told = capsys.readouterr().err
    assert "LookupError" in told
    assert "ValueError" in told
    assert "test_logs.py" in told
    assert "planted" not in told
    if form == "json":
        assert json.loads(told)["event"] == "Exception in ASGI application"


@pytest.mark.usefixtures("restored")
def test_a_broker_that_is_away_is_told_in_one_line_a_minute_with_how_many_were_left_out(capsys, monkeypatch):
    logs.configure("json")
    chatter, other = logging.getLogger("kafka.net.manager"), logging.getLogger("another.package")

    def attempts(count):
        for number in range(count):
            chatter.error("Connection failed: %s", number)
            other.error("said every time")
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    told = attempts(1000)
    assert len([line for line in told if line["logger"] == "another.package"]) == 1000
    (line,) = (line for line in told if line["logger"] == "kafka.net.manager")
    assert line["event"] == "Connection failed: 0"
    assert "not_told" not in line
    monkeypatch.setattr(logs, "_SELDOM_SECONDS", 0)  # the minute is over
    line, _ = attempts(1)
    assert (line["event"], line["not_told"]) == ("Connection failed: 0", 999)
