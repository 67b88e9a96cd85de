"""Source systems that are down, slow or answer rubbish: told by name, alone, and caught up with."""

import contextlib

import psycopg
import pytest

from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.postgres]

FEED = "connect nottinghamshire/incident"
TABLE = "connect leicestershire/incident"
FOLDER = "connect northamptonshire/incident"


@contextlib.contextmanager
def locked(url, table):
    """Hold a table as a person who alters it does."""
    with psycopg.connect(url) as connection:
        connection.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE')
        yield


@pytest.fixture
def scene(world, network, postgres_server, postgres_url):
    """A hub whose feed and whose database lie behind networks that can be cut."""
    table = network(postgres_server.port)
    made = world(urls={"leicestershire": postgres_url})
    location = made.locations["nottinghamshire", "incident"]
    port = int(location.rpartition(":")[2].partition("/")[0])
    feed = network(port)
    made.locations["nottinghamshire", "incident"] = location.replace(f":{port}/", f":{feed.port}/")
    made.locations["leicestershire", "incident"] = postgres_url.replace(
        f":{postgres_server.port}/", f":{table.port}/"
    )
    mounted = made.folder / "mounted"
    made.locations["northamptonshire", "incident"] = str(mounted)
    mounted.symlink_to(made.legacy.locations()["northamptonshire"]["incident"])
    return made, feed, table, mounted


def test_sources_that_are_down_slow_or_answer_rubbish_hold_up_none_of_the_others(scene, postgres_url):
    world, feed, table, mounted = scene
    hub = world.start("up")

    def visible(force, domain="incident"):
        return hub.metric("alliance_hub_records_total", stage="view", force=force, outcome="applied")

    with world.in_use():
        wait_until(lambda: all(map(visible, world.legacy.forces)), lambda: "every force is visible")
        # down: refused, and not mounted
        feed.cut()
        table.cut()
        disk = mounted.readlink()
        mounted.unlink()
        hub.wait_until_told(FEED, TABLE, FOLDER)
        said = hub.readiness()
        assert {FEED, TABLE, FOLDER} <= set(said["trying"])
        assert hub.live()
        assert not {"view", "normalise", "connect leicestershire/hr"} & set(said["silent"])
        wait_until(lambda: "nottinghamshire/incident" in hub.stale(), lambda: f"it is stale: {hub.stale()}")
        assert "leicestershire/hr" not in hub.stale()
        mounted.symlink_to(disk)
        # rubbish, and silence
        feed.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<Feed><<<")
        table.heal()
        wait_until(lambda: "no page of this feed" in hub.text, lambda: "rubbish is told")
        feed.answer(b"\x00\xff" * 1000)
        wait_until(lambda: "RemoteProtocolError" in hub.text, lambda: "more rubbish is told")
        feed.heal()
        hub.wait_until_ready()
        feed.swallow()
        table.swallow()
        hub.wait_until_told(FEED, TABLE)
        feed.heal()
        table.heal()
        hub.wait_until_ready()
        with locked(postgres_url, "V_INCIDENT"):
            hub.wait_until_told(TABLE)
        hub.wait_until_ready()
    world.catch_up()
    assert hub.stop() == 0, hub.text
    world.assert_true()
