"""What a view tells on the bus, for lag tools and `status`: how far it is, and why it stands still."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from hub.bus.contract import Consumer, Offset, TopicPartition
from hub.errors import HubError, in_words
from hub.kill_points import reached
from hub.last_error import LastError, beside_offset


class Telling:
    """Commits offsets to the view's group. Nothing is read back from there: its truth is its store."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[TopicPartition, Offset] = {}
        self._error = ""

    def progress(self, consumer: Consumer, kept: Mapping[TopicPartition, int]) -> None:
        """Tell the next offsets, where they are news; an error that was told is over."""
        offsets = {p: Offset(offset) for p, offset in kept.items() if self._told.get(p) != Offset(offset)}
        if offsets:
            reached(2, "view.report:before")
            consumer.commit(offsets)
            reached(2, "view.report:after")
            self._told |= offsets
        self._error = ""

    def error(self, consumer: Consumer, kept: Mapping[TopicPartition, int], error: Exception) -> None:
        """Tell an error once, where the bus takes it: the log has it all the same."""
        said = in_words(error)
        if said == self._error or not kept:
            return
        text = beside_offset({}, LastError(said, int(self._clock() * 1_000_000)))
        offsets = {partition: Offset(offset, text) for partition, offset in kept.items()}
        with suppress(HubError):
            consumer.commit(offsets)
            self._told |= offsets
            self._error = said

    def forget(self) -> None:
        """Tell all of it anew: the group was left."""
        self._told.clear()
        self._error = ""
