"""What the hub logs of an error that nobody expected."""

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
