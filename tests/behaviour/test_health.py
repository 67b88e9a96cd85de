"""`/livez` and `/readyz` tell a process that does not move from one that has nothing to do."""

import asyncio
import time

import httpx
import pytest
from starlette.applications import Starlette

from hub.health import Health, State, routes
from hub.metrics import Metrics

STAGE = "connect leicestershire/incident"
LABELS = ("read", "leicestershire", "incident")


class Process:
    def __init__(self):
        self.now = 1000.0
        self.metrics = Metrics()
        self.metrics.pulse.clock = lambda: self.now
        self.metrics.declare(*LABELS)
        self.health = Health(self.metrics)
        self.health.set(STAGE, State.RUNNING)
        self._app = Starlette(routes=routes(self.metrics, self.health))

    def passes(self, seconds, *, step=False, pause=None, at=None):
        self.now += seconds
        if step:
            self.metrics.moved(*LABELS, time.time() if at is None else at)
        if pause is not None:
            self.metrics.retried(*LABELS, pause)

    def says(self):
        return asyncio.run(self._ask())

    async def _ask(self):
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
            live, ready = await client.get("/livez"), await client.get("/readyz")
        return live.status_code, ready.status_code


@pytest.fixture
def process():
    return Process()


def test_a_stage_with_nothing_to_do_is_live_and_ready(process):
    for _ in range(20):
        process.passes(10, step=True)
        assert process.says() == (200, 200)


def test_a_stage_that_does_not_move_is_not_ready_and_after_long_not_live(process):
    process.passes(59)
    assert process.says() == (200, 200)
    process.passes(2)
    assert process.says() == (200, 503)
    assert process.health.trying() == []
    process.passes(240)
    assert process.says() == (503, 503)


def test_a_clock_that_is_set_makes_no_stage_look_older_or_younger(process):
    process.passes(10, step=True, at=10_000_000.0)
    process.passes(10, step=True, at=5.0)
    assert process.says() == (200, 200)
    process.passes(10, step=True, at=10_000_000.0)
    process.passes(61)
    assert process.says() == (200, 503)
    process.passes(300)
    assert process.says() == (503, 503)


def test_a_stage_that_tries_again_is_live_and_not_ready(process):
    for _ in range(10):
        process.passes(30, pause=1)
        live, ready = process.says()
        assert live == 200
        assert process.health.trying() == [STAGE]
    assert ready == 503
    process.passes(1, step=True)
    assert process.says() == (200, 200)


def test_a_stage_that_pauses_for_as_long_as_its_source_asked_is_live(process):
    process.passes(1, pause=3600)
    process.passes(3600)
    assert process.says() == (200, 503)
    process.passes(301)
    assert process.says() == (503, 503)


def test_a_stage_that_tried_once_and_then_stands_still_is_not_live_in_the_end(process):
    process.passes(1, pause=1)
    process.passes(302)
    assert process.says() == (503, 503)


def test_a_stage_that_waits_for_a_person_is_live_and_not_ready(process):
    process.metrics.stopped.labels(*LABELS).set(1)
    process.passes(500)
    assert process.says() == (200, 503)


def test_a_stage_that_failed_makes_the_process_not_ready_and_says_why(process):
    process.health.set(STAGE, State.FAILED, "mend the header")
    assert process.says() == (200, 503)
    assert process.health.failures() == {STAGE: "mend the header"}
