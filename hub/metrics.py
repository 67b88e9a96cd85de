"""Every metric of the hub, declared in this one file.

A process makes one `Metrics` and passes it to its stages. Base units, `_total` for counters,
timestamps rather than ages, and never a record's key as a label (invariant 10).
"""

import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from hub.control import ConnectorState
from hub.pulse import Pulse

READ_OUTCOMES = ("read", "derived", "published", "unchanged", "other_force", "dead_lettered")
NORMALISE_OUTCOMES = ("received", "normalised", "dead_lettered", "erased")
VIEW_OUTCOMES = ("received", "applied", "superseded", "dead_lettered", "erased")
HTTP_LIMITS = ("connections", "rate", "head", "body", "slow")
OUTCOMES = {"read": READ_OUTCOMES, "normalise": NORMALISE_OUTCOMES, "view": VIEW_OUTCOMES}


class Metrics:
    """The metrics of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.pulse = Pulse()
        feed = ("force", "domain")
        stage = ("stage", *feed)
        self.records = Counter(
            "alliance_hub_records",
            "Records by stage and outcome.",
            (*stage, "outcome"),
            registry=self.registry,
        )
        self.change_to_visible = Histogram(
            "alliance_hub_change_to_visible_seconds",
            "From the change in the source (or its reading, where the source states no instant) to the view.",
            feed,
            registry=self.registry,
            buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30, 60, 300, 3600),
        )
        self.lag = Gauge(
            "alliance_hub_lag_records",
            "Records waiting before a stage.",
            ("stage", "topic"),
            registry=self.registry,
        )
        self.retries = Counter(
            "alliance_hub_retries",
            "Times a stage tried again after a passing failure.",
            stage,
            registry=self.registry,
        )
        self.last_progress = Gauge(
            "alliance_hub_last_progress_timestamp_seconds",
            "When a stage last finished a step, be it an empty one.",
            stage,
            registry=self.registry,
        )
        self.complete_to = Gauge(
            "alliance_hub_complete_to_timestamp_seconds",
            "Source time up to which every change has passed a stage (read: published; view: visible).",
            stage,
            registry=self.registry,
        )
        self.stopped = Gauge(
            "alliance_hub_stage_stopped",
            "1 while a stage has stopped for a person to act.",
            stage,
            registry=self.registry,
        )
        self.connector_state = Gauge(
            "alliance_hub_connector_state",
            "1 for the state that a connector is in, 0 for the others.",
            (*feed, "state"),
            registry=self.registry,
        )
        self.connector_failures = Counter(
            "alliance_hub_connector_failures",
            "Times a connector failed and was to be started anew.",
            feed,
            registry=self.registry,
        )
        self.held_removals = Gauge(
            "alliance_hub_held_removals",
            "Removals that a connector holds until a person accepts them.",
            feed,
            registry=self.registry,
        )
        self.copies = Counter(
            "alliance_hub_copies",
            "Files that a connector left unread, since another had the same bytes.",
            feed,
            registry=self.registry,
        )
        self.unknown_codes = Counter(
            "alliance_hub_unknown_codes",
            "Codes without a row in their table.",
            (*feed, "table"),
            registry=self.registry,
        )
        self.flags = Counter(
            "alliance_hub_flags",
            "Doubts about fields, by problem.",
            (*feed, "problem"),
            registry=self.registry,
        )
        self.dead_letters_open = Gauge(
            "alliance_hub_dead_letters_open",
            "Dead letters that wait for a person, by the stage that set them aside and where they stand.",
            (*feed, "stage", "state"),
            registry=self.registry,
        )
        self.reconcile_differences = Gauge(
            "alliance_hub_reconcile_differences",
            "Records of a source system that the view does not show as it says them.",
            (*feed, "kind"),
            registry=self.registry,
        )
        self.reconcile_ended = Gauge(
            "alliance_hub_reconcile_timestamp_seconds",
            "When the last reconciliation of a feed ended.",
            feed,
            registry=self.registry,
        )
        self.audit_entries = Counter(
            "alliance_hub_audit_entries",
            "Entries for the audit log: those that are in it, and those that could not be written.",
            ("outcome",),
            registry=self.registry,
        )
        self.disk_free = Gauge(
            "alliance_hub_disk_free_bytes",
            "Room left on the disk that holds what a process keeps.",
            ("use",),
            registry=self.registry,
        )
        self.disk_size = Gauge(
            "alliance_hub_disk_size_bytes",
            "Size of the disk that holds what a process keeps.",
            ("use",),
            registry=self.registry,
        )
        self.clock = Gauge(
            "alliance_hub_clock_timestamp_seconds",
            "The time of day by this process's clock, as it is asked.",
            registry=self.registry,
        )
        self.clock.set_function(time.time)
        ProcessCollector(registry=self.registry)
        self.certificate_expires = Gauge(
            "alliance_hub_certificate_expires_timestamp_seconds",
            "When a certificate that this process uses expires.",
            ("use", "file"),
            registry=self.registry,
        )
        self.requests = Histogram(
            "alliance_hub_http_request_seconds",
            "HTTP requests by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )

        self.http_refused = Counter(
            "alliance_hub_http_refused",
            "Requests and connections that went beyond a limit of the server, by which.",
            ("why",),
            registry=self.registry,
        )
        for why in HTTP_LIMITS:
            self.http_refused.labels(why)

    def moved(self, stage: str, force: str, domain: str, at: float) -> None:
        """Tell that a stage finished a step of a feed, be it an empty one, at a time of day."""
        self.last_progress.labels(stage, force, domain).set(at)
        self.pulse.moved((stage, force, domain))

    def retried(self, stage: str, force: str, domain: str, pause_seconds: float) -> None:
        """Tell that a step failed in passing, and is tried again after a pause."""
        self.retries.labels(stage, force, domain).inc()
        self.pulse.pauses((stage, force, domain), pause_seconds)

    def reconciled(self, force: str, domain: str, differences: Mapping[str, int], at: float) -> None:
        """Tell how many records of each kind a reconciliation found, and when it ended."""
        for kind, count in differences.items():
            self.reconcile_differences.labels(force, domain, kind).set(count)
        self.reconcile_ended.labels(force, domain).set(at)

    def declare(self, stage: str, force: str, domain: str) -> None:
        """Make every series of a feed at a stage present from the start."""
        for outcome in OUTCOMES[stage]:
            self.records.labels(stage, force, domain, outcome)
        for metric in (self.retries, self.last_progress, self.stopped):
            metric.labels(stage, force, domain)
        if stage == "read":
            self.connector_failures.labels(force, domain)
            self.held_removals.labels(force, domain)
            self.copies.labels(force, domain)
            for state in ConnectorState:
                self.connector_state.labels(force, domain, state)
        if stage == "view":
            self.change_to_visible.labels(force, domain)
