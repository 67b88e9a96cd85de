"""Logs: one event a line; JSON where no person watches. Success is silent: metrics count it."""

import logging
import sys
from typing import Literal

import structlog


def configure(log_format: Literal["auto", "json", "text"] = "auto") -> None:
    """Set up logging for this process, on standard error; called once, by the command line."""
    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if text else structlog.processors.JSONRenderer()
    )
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer]
        if not text
        else [*shared, renderer],
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _adopt_standard_logging(shared, renderer)


def _adopt_standard_logging(
    shared: list[structlog.types.Processor], renderer: structlog.types.Processor
) -> None:
    """Write the libraries' warnings in the same form; their chatter is dropped."""
    handler = _StandardError()
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


class _StandardError(logging.Handler):
    """Writes to what standard error is now, which may not be what it was at the start."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")
