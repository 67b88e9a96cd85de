"""The view's database: killed and restarted, cut off, silent, and locked by somebody else."""

import psycopg
import pytest

from tests.postgres import start_postgres
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.postgres]


@pytest.fixture
def server():
    """A server of this test's own, for it is killed."""
    started = start_postgres()
    yield started
    started.stop()


def test_a_database_that_goes_away_or_stands_still_is_told_and_waited_for(world, network, server):
    line = network(server.port)
    made = world(store=f"postgresql://hub@127.0.0.1:{line.port}/postgres")
    hub, server_alone = made.start("up"), made.start("serve")

    def applied():
        return hub.metric("alliance_hub_records_total", stage="view", outcome="applied")

    def goes_on():
        before = applied()
        wait_until(lambda: applied() > before, lambda: f"the view goes on: {hub.readiness()} {hub.text}")
        hub.wait_until_ready()
        server_alone.wait_until_ready()

    with made.in_use():
        goes_on()
        server.kill()
        hub.wait_until_told("view")
        assert hub.readiness()["trying"] == ["view"]
        assert hub.get("/freshness").status_code == 503
        server_alone.wait_until_told("serve")
        server.start()
        goes_on()
        line.cut()
        hub.wait_until_told("view")
        line.heal()
        goes_on()
        line.swallow()
        hub.wait_until_told("view")
        assert hub.readiness()["silent"] == ["view"]
        line.heal()
        goes_on()
        with psycopg.connect(server.url()) as somebody:
            somebody.execute("LOCK TABLE kept_offsets IN ACCESS EXCLUSIVE MODE")
            hub.wait_until_told("view")
        goes_on()
    made.catch_up()
    assert (hub.stop(), server_alone.stop()) == (0, 0), hub.text
    made.assert_true()
