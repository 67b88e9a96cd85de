"""Every line of the log is one JSON object, with the same keys for the same things."""

import json
import logging
import warnings

import pytest
import structlog

from hub import logs
from tests.connecting import Bench, batch, key, refused, row
from tests.mapped import event
from tests.normalising import Room
from tests.view_bus import INCIDENTS, stage
from tests.view_records import incident

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def told(capsys):
    """The lines logged so far, each read as JSON."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("json")
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    logging.captureWarnings(capture=False)
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_begins_with_what_it_is_and_of_whom(told):
    structlog.get_logger().warning(
        "trying again", attempt=1, feed="leicestershire/incident", record_id="urn:x"
    )
    (line,) = told()
    names = ["timestamp", "level", "event", "force", "connector", "record_id", "attempt"]
    assert list(line) == names
    assert (line["force"], line["connector"]) == ("leicestershire", "leicestershire/incident")


def test_what_a_library_tells_has_the_same_form_and_says_whose_thread_it_was(told):
    logs.bind_stage("connect leicestershire/hr")
    logging.getLogger("paramiko.transport").warning("two\nlines %d", 7)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("will go", FutureWarning, stacklevel=1)
    first, second = told()
    assert (first["event"], first["logger"]) == ("two\nlines 7", "paramiko.transport")
    assert (first["stage"], first["force"], first["connector"]) == (
        "connect",
        "leicestershire",
        "leicestershire/hr",
    )
    assert "will go" in second["event"]
    assert second["level"] == "warning"


def letter(lines):
    (line,) = [line for line in lines if line["event"] == "dead letter"]
    return line["force"], line["connector"], line["record_id"], line.get("trace_id")


def test_a_connectors_dead_letter_is_told_with_its_force_connector_and_record(told, tmp_path):
    bench = Bench(tmp_path)
    bench.publish(bench.feed(), batch(row(1), refused(key=key(7))))
    bench.close()
    record = f"urn:alliance:incident:leicestershire:command:{key(7)}"
    assert letter(told()) == ("leicestershire", "leicestershire/incident", record, None)


def test_a_normalisers_dead_letter_is_told_with_the_trace_of_its_record_and_without_its_content(
    told, tmp_path
):
    room = Room(tmp_path)
    of = room.forces["leicestershire"].feeds["incident"]
    room.publish(of, *(event(of, key=str(n)) for n in range(9)))
    room.write(of, (b"urn:x", b"planted"), head=[("traceparent", TRACE)])
    room.normalise()
    room.close()
    lines = told()
    assert letter(lines) == ("leicestershire", "leicestershire/incident", "urn:x", TRACE[3:35].decode())
    assert "planted" not in str(lines)


def test_a_views_dead_letter_is_told_with_its_record(told, tmp_path):
    with stage(f"embedded://{tmp_path}/bus.db", f"sqlite:///{tmp_path}/store.db") as made:
        made.publish("incident", *(incident(str(n)) for n in range(9)))
        identity = incident("x")["id"]
        made.send(INCIDENTS, (identity.encode(), b"planted"))
        made.settle(made.view())
    assert letter(told()) == ("leicestershire", "leicestershire/incident", identity, None)


def test_what_comes_by_the_thousand_is_told_some_times_a_minute_and_then_counted(told):
    now = 0.0
    seldom = logs.Seldom(most=3, clock=lambda: now)
    for number in range(1000):
        seldom.warning("dead letter", number=number)
    assert [line["number"] for line in told()] == [0, 1, 2]
    now = 61.0
    seldom.warning("dead letter", number=1000)
    (line,) = told()
    assert line["not_told"] == 997
