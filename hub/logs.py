"""Logs: one event a line; JSON where no person watches. Success is silent: metrics count it.

Every line has `timestamp`, `level`, `event` and the `stage` that it is of; where it concerns a feed, its
`force` and `connector` (`force/domain`, as in `alliance-hub connectors list`); where a record, its
`record_id`, and `trace_id` if that is traced (see `hub.tracing`). Libraries' lines have `logger` too.

An error that nobody expected is told by its type and where it arose, never by its message or its
variables, which may hold a record (invariant 10).
"""

import io
import logging
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, TextIO, cast

import structlog

_FIRST = ("timestamp", "level", "event", "stage", "force", "connector", "record_id", "trace_id")
_SELDOM_SECONDS = 60.0


def configure(log_format: Literal["auto", "json", "text"] = "auto") -> None:
    """Set up logging for this process, on standard error; called once, by the command line."""
    standard_error = cast("TextIO", _StandardError())
    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if text else structlog.processors.JSONRenderer()
    )
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_values,
        _in_one_form,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=lambda *_: structlog.WriteLogger(standard_error),
        cache_logger_on_first_use=False,
    )
    _adopt_standard_logging(shared, renderer)


def trace(error: BaseException | None) -> list[str]:
    """The types of an error and of its causes, the first of them first, and where each arose."""
    if error is None:
        return []
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    frames = traceback.extract_tb(error.__traceback__)
    return [
        *trace(before),
        *(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames),
        type(error).__name__,
    ]


def _without_values(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Put an error's trace in its place."""
    match event.pop("exc_info", None):
        case BaseException() as error:
            event["trace"] = trace(error)
        case (_, error, _):
            event["trace"] = trace(error)
        case True:
            event["trace"] = trace(sys.exc_info()[1])
    return event


def bind_stage(name: str) -> None:
    """Have every line of this thread, the libraries' too, say whose it is: `connect force/domain`, `view`."""
    stage, _, feed = name.partition(" ")
    structlog.contextvars.bind_contextvars(stage=stage, **({"feed": feed} if feed else {}))


class Seldom:
    """Tells of what may come by the thousand: some each minute, then how many more there were."""

    def __init__(self, most: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._told = self._left_out = self.not_told = 0
        self._since = float("-inf")

    def may_tell(self) -> bool:
        """Whether this one is to be told; if so, `not_told` is how many before it were not."""
        if self._clock() - self._since >= _SELDOM_SECONDS:
            self._told, self._since = 0, self._clock()
        if self._told >= self._most:
            self._left_out += 1
            return False
        self._told += 1
        self.not_told, self._left_out = self._left_out, 0
        return True

    def warning(self, event: str, **more: Any) -> None:
        if self.may_tell():
            more["not_told"] = self.not_told or None
            structlog.get_logger().warning(event, **{name: v for name, v in more.items() if v is not None})


class _KafkaSeldom(logging.Filter):
    """Passes one line a minute of each place in kafka-python's code.

    While a broker is away, each of a process's connections tells of every attempt; that it is away,
    and what is tried again, the hub says itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[tuple[str, int], Seldom] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != "kafka":
            return True
        seldom = self._places.setdefault((record.pathname, record.lineno), Seldom(most=1))
        told = seldom.may_tell()
        if told and seldom.not_told:
            record.not_told = seldom.not_told
        return told


def _in_one_form(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """The same keys everywhere, and in the same order; a feed is told as its force and its connector."""
    feed = event.pop("feed", None)
    if feed is not None:
        event.setdefault("force", str(feed).partition("/")[0])
        event.setdefault("connector", str(feed))
    return {**{name: event.pop(name) for name in _FIRST if name in event}, **event}


def _adopt_standard_logging(
    shared: list[structlog.types.Processor], renderer: structlog.types.Processor
) -> None:
    """Write the libraries' warnings in the same form; their chatter is dropped."""
    handler = _Handler()
    handler.addFilter(_KafkaSeldom())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(allow=["not_told"]),
                *shared,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    logging.getLogger("kafka").setLevel(logging.ERROR)


class _StandardError(io.TextIOBase):
    """What standard error is now, which may not be what it was at the start.

    A line that cannot be written (a full disk, a reader that went away) is lost, and nothing else.
    """

    def write(self, text: str) -> int:
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _StandardError().write(self.format(record) + "\n")
