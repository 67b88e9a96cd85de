"""The two sides of a reconciliation, telling of every step: who runs it sees it move, and can end it."""

from collections.abc import Callable
from typing import Any

from connectors.source import Batch, Position, Source
from hub.view.query import Freshness, Page, Query
from hub.view.store import Store


class SteppedSource:
    """A source that calls `step` before each batch."""

    def __init__(self, source: Source, step: Callable[[], None]) -> None:
        self._source = source
        self._step = step
        self.count = source.count
        self.close = source.close

    def read(self, position: Position) -> Batch:
        self._step()
        return self._source.read(position)


class SteppedQuery(Query):
    """A view that calls `step` before each page, and each time that it is asked how fresh it is."""

    def __init__(self, store: Store, codec: Any, step: Callable[[], None]) -> None:
        super().__init__(store, codec)
        self._step = step

    def list_records(self, *asked: Any, **more: Any) -> Page:
        self._step()
        return super().list_records(*asked, **more)

    def freshness(self) -> list[Freshness]:
        self._step()
        return super().freshness()
