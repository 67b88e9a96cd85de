"""Connecting to Kafka, waiting for it no longer than we mean to, and letting go of it whole."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import kafka.errors as told

from hub.bus.kafka_errors import translate
from hub.bus.kafka_password import passwords_from_files
from hub.bus.kafka_url import KafkaAddress
from hub.errors import HubError, TransientError

START_MS = 10_000
"""How long a first connection is tried."""

_STOP_SECONDS = 15


def connect(make: Any, address: KafkaAddress, **settings: Any) -> Any:
    """Make a producer, consumer or admin client of kafka-python.

    Where no broker answers, kafka-python forgets the thread and the sockets of the one that it
    could not make; so its network part is made here, and closed.
    """
    passwords_from_files()
    made: list[Any] = []
    make_network: Callable[..., Any] = make.DEFAULT_CONFIG["kafka_client"]

    def network(**configs: Any) -> Any:
        made.append(make_network(**configs))
        return made[-1]

    try:
        with _reasons() as reasons:
            return make(
                bootstrap_servers=list(address.servers),
                bootstrap_timeout_ms=START_MS,
                reconnect_backoff_max_ms=1000,
                kafka_client=network,
                **settings,
                **address.settings,
            )
    except (told.KafkaError, OSError, ValueError) as error:
        for opened in made:
            opened.close()
        raise _meaning(error, reasons, address) from error


def within(seconds: float, act: Callable[[], Any]) -> None:
    """Run `act`, which may wait for ever, for so long; then `TimeoutError`."""
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - handed over to the caller
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    outcome.result(seconds)


def stop(producer: Any, seconds: float = 0) -> None:
    """Have a producer send nothing more. Only records that were never to be committed may hold it up."""
    try:
        producer.close(timeout=seconds)
    except told.KafkaTimeoutError:
        threading.Thread(target=_stop_in_the_end, args=(producer,), daemon=True).start()


def _stop_in_the_end(producer: Any) -> None:
    while True:
        try:
            producer.close(timeout=_STOP_SECONDS)
        except told.KafkaTimeoutError:
            continue
        return


def _meaning(error: Exception, reasons: list[str], address: KafkaAddress) -> HubError:
    if not isinstance(error, told.RetriableError):
        return translate(error, "connecting", str(address))
    secured = "; it may also have refused the password or the certificate" if address.settings else ""
    return TransientError(
        f"no Kafka broker answers at {address} ({reasons[-1] if reasons else error}); start one with"
        f" `make kafka`, or set `bus` to where it is{secured}."
    )


@contextmanager
def _reasons() -> Iterator[list[str]]:
    """Why connections fail: kafka-python raises only that they do, and logs the reason."""
    reasons: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            arguments = record.args if isinstance(record.args, tuple) else ()
            causes = [given for given in arguments if isinstance(given, Exception)]
            reasons.extend(str(cause) for cause in causes if not isinstance(cause, told.KafkaTimeoutError))

    listener = Listener(logging.WARNING)
    logger = logging.getLogger("kafka.net.manager")
    logger.addHandler(listener)
    try:
        yield reasons
    finally:
        logger.removeHandler(listener)
