"""A transactional id, and whether it is still ours.

kafka-python leaves a producer unusable after some errors that pass (a request lost with its
connection, a transaction that outlived its time). One made anew takes the id over, and with it
would fence a process that took it over meanwhile, on the strength of what it read before. So
the brokers are asked first who owns the id: each owner has an epoch of its own.
"""

import time
from typing import Any

from kafka import KafkaProducer

from hub.bus.kafka_admin import KafkaAdmin, Transaction
from hub.bus.kafka_connect import connect, stop
from hub.bus.kafka_errors import translated
from hub.errors import FencedError, HubError


class Identity:
    def __init__(self, transactional_id: str, admin: KafkaAdmin) -> None:
        self.name = transactional_id
        self.left_open: float | None = None
        """Until when the brokers keep a transaction that was let go of; they drop it later, by themselves."""
        self._admin = admin
        self._owned: Transaction | None = None

    def take_over(self, **settings: Any) -> Any:
        """Make a producer that owns the id; `FencedError` where another process has taken it from us."""
        before = self._admin.transaction(self.name) if self._owned is not None else None
        if before is not None and not self._is_ours(before):
            raise self._taken()
        kafka = connect(KafkaProducer, self._admin.address, transactional_id=self.name, **settings)
        try:
            with translated(f"taking over transactional id '{self.name}'", str(self._admin.address)):
                kafka.init_transactions()
            now = self._admin.transaction(self.name)
            if before is not None and not _follows(before, now):
                raise self._taken()
        except HubError:
            stop(kafka)
            raise
        self._owned, self.left_open = now, None
        return kafka

    @property
    def outlived(self) -> bool:
        """Whether the brokers may have dropped a transaction of ours by now."""
        return self.left_open is not None and time.monotonic() > self.left_open

    def still_ours(self) -> bool:
        return self._is_ours(self._admin.transaction(self.name))

    def _is_ours(self, now: Transaction) -> bool:
        """Whether nobody took over.

        A takeover raises the epoch, and so do the brokers when they drop a transaction that
        outlived its time, which alone leaves the state that one was aborted.
        """
        assert self._owned is not None
        ahead = now.epoch - self._owned.epoch
        dropped = self.outlived and ahead == 1 and now.state == "CompleteAbort"
        return now.producer_id == self._owned.producer_id and (ahead == 0 or dropped)

    def _taken(self) -> FencedError:
        return FencedError(
            f"another process has taken over transactional id '{self.name}', or Kafka at"
            f" {self._admin.address} failed while this one did; this one may write no more."
        )


def _follows(before: Transaction, now: Transaction) -> bool:
    """Whether one takeover, our own, lies between.

    It raises the epoch once, and once more where it had to drop a transaction that was open.
    """
    steps = 2 if before.state == "Ongoing" else 1
    return now.producer_id == before.producer_id and now.epoch - before.epoch <= steps
