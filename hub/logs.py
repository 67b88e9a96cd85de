"""Logs: one event a line; JSON where no person watches. Success is silent: metrics count it.

An error that nobody expected is told by its type and where it arose, never by its message or its
variables, which may hold a record (invariant 10).
"""

import io
import logging
import sys
import traceback
from contextlib import suppress
from typing import Any, Literal, TextIO, cast

import structlog


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


def _adopt_standard_logging(
    shared: list[structlog.types.Processor], renderer: structlog.types.Processor
) -> None:
    """Write the libraries' warnings in the same form; their chatter is dropped."""
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
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
