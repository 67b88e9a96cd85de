"""Builds the parts of the hub from the settings: the one place that knows both rings.

A part is imported when it is asked for, so that a process starts and stays as small as its stage:
the normaliser brings the national grid, the view a database library.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.backfill_rows import refuse
from connectors.keeper import Keeper
from connectors.source import Source
from connectors.sources import open_source
from connectors.states import Tell
from hub.acl.rights import touched_topics
from hub.bus import open_bus
from hub.bus.contract import Bus, TopicSpec
from hub.bus.topics import apply, refuse_differences, specs
from hub.config import Settings
from hub.errors import ConfigurationError
from hub.flow import Flow
from hub.forces import Feed, Force, load_forces
from hub.metrics import Metrics
from hub.schema.codec import Codec
from hub.schema.registry import load_registry

if TYPE_CHECKING:
    from hub.normalise.loop import Normaliser
    from hub.view.loop import View
    from hub.view.store import Store


def builtin_force_folders() -> list[Path]:
    """The forces that come with the hub."""
    root = Path(str(files("connectors")))
    return [card.parent for card in sorted(root.glob("*/force.toml"))]


class Parts:
    """Opens each part when first asked for, and closes all that were opened."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._open = ExitStack()

    @cached_property
    def forces(self) -> Mapping[str, Force]:
        builtin = builtin_force_folders() if self.settings.builtin_forces else []
        return load_forces([*builtin, *self.settings.forces])

    @cached_property
    def codec(self) -> Codec:
        return Codec(load_registry(self.forces))

    @cached_property
    def bus(self) -> Bus:
        if self.settings.bus_url.startswith("embedded:"):
            self.settings.state.mkdir(parents=True, exist_ok=True)
        bus = open_bus(self.settings.bus_url)
        self._open.callback(bus.close)
        return bus

    @cached_property
    def store(self) -> "Store":
        from hub.view.store import open_store

        if self.settings.store_url.startswith("sqlite:"):
            self.settings.state.mkdir(parents=True, exist_ok=True)
        store = open_store(self.settings.store_url, self.settings.store_secret())
        self._open.callback(store.close)
        return store

    @cached_property
    def flow(self) -> Flow:
        flow = Flow(self.bus, self.codec, self.feeds(), refuse_backfill=refuse)
        self._open.callback(flow.close)
        return flow

    def declared_topics(self) -> list[TopicSpec]:
        topics = self.settings.topics
        return specs(
            self.forces,
            partitions=topics.partitions,
            replication=topics.replication,
            audit_retention_days=topics.audit_retention_days,
        )

    def topics(self, *, create: bool, process: str | None = None) -> None:
        """Compare the topics with their declaration; `create` makes the missing ones first.

        A process that is named looks at those alone that it has rights on. Raises
        `ConfigurationError` where one differs.
        """
        declared = self.declared_topics()
        if create:
            apply(self.bus, declared)
        if process is not None:
            touched = touched_topics(process, self.forces)
            declared = [spec for spec in declared if spec.name in touched]
        refuse_differences(self.bus, declared)

    def feeds(self, force: str | None = None, domain: str | None = None) -> list[Feed]:
        """The feeds asked for. `ConfigurationError` names what there is instead."""
        chosen = [
            feed
            for name, each in self.forces.items()
            if force in {None, name}
            for feed in each.feeds.values()
            if domain in {None, feed.domain}
        ]
        if not chosen:
            known = ", ".join(str(feed) for each in self.forces.values() for feed in each.feeds.values())
            raise ConfigurationError(f"No feed '{force or '*'}/{domain or '*'}'. Known are: {known}.")
        return chosen

    def connector(self, feed: Feed, tell: Tell) -> Keeper:
        """What keeps the connector of a feed. `ConfigurationError` where its source is not as it must be."""
        where = self.settings.sources.get(feed.force, {}).get(feed.domain)
        if where is None:
            raise ConfigurationError(
                f"Feed '{feed}' has no location. Set it in the configuration file:\n"
                f'[sources.{feed.force}.{feed.domain}]\nlocation = "…"'
            )

        def opened() -> Source:
            return open_source(feed, where.location, where.secret())

        opened().close()  # what is configured wrong is told before anything starts
        longest = self.settings.longest_restart_pause_seconds
        return Keeper(feed, opened, self.bus, self.codec, self.metrics, tell=tell, longest_pause=longest)

    def normaliser(self) -> "Normaliser":
        from hub.normalise.boundary import load_boundary
        from hub.normalise.loop import Normaliser

        boundary = self.settings.boundary
        return Normaliser(
            self.bus,
            self.forces,
            self.codec,
            self.metrics,
            instance=self.settings.instance,
            boundary=load_boundary(boundary, self.forces) if boundary else None,
        )

    def view(self) -> "View":
        from hub.view.loop import View

        return View(
            self.bus, self.store, self.codec, self.forces, self.metrics, instance=self.settings.instance
        )

    def close_with(self, close: Callable[[], object]) -> None:
        """Have something else closed with these parts, before what was opened earlier."""
        self._open.callback(close)

    def close(self) -> None:
        self._open.close()
