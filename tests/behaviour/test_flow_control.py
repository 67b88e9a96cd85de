"""Wishes of operators reach a connector through the bus, and outlive every process."""

import threading

from hub.control import Control, Wishes, wish_key


def test_a_wish_stands_until_it_is_withdrawn(bench):
    control, feed = Control(bench.bus, bench.codec), bench.feed()
    control.ask(feed, "state", {"state": "PAUSED"}, by="anna", reason="the source is being moved")
    stands = Control(bench.bus, bench.codec).read(feed)["state"]
    assert (stands.value, stands.by, stands.reason) == (
        {"state": "PAUSED"},
        "anna",
        "the source is being moved",
    )
    assert control.read(bench.feed("hr")) == {}
    control.withdraw(feed, "state")
    assert control.read(feed) == {}


def test_the_newest_of_a_name_holds_and_several_come_together_in_order(bench):
    control, feed = Control(bench.bus, bench.codec), bench.feed()
    control.ask_all(feed, {"replay/b": {"n": 1}, "replay/a": {"n": 2}}, by="anna")
    control.ask(feed, "replay/b", {"n": 3}, by="ben")
    assert [(w.name, w.value["n"], w.by) for w in control.read(feed).values()] == [
        ("replay/a", 2, "anna"),
        ("replay/b", 3, "ben"),
    ]


def test_who_asks_at_the_same_time_is_heard_too(bench):
    feed = bench.feed()
    together = threading.Barrier(2)

    def ask(name):
        together.wait(60)
        for number in range(5):
            Control(bench.bus, bench.codec).ask(feed, f"replay/{name}{number}", {}, by=name)

    askers = [threading.Thread(target=ask, args=(name,)) for name in "ab"]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(120)
    assert len(Control(bench.bus, bench.codec).read(feed)) == 10


def test_who_looks_again_reads_what_was_added_and_what_was_done(bench):
    control, feed = Control(bench.bus, bench.codec), bench.feed()
    wishes = Wishes(bench.bus, bench.codec, feed)
    assert wishes.look() == {}
    control.ask(feed, "backfill", {"rate": 10}, by="anna")
    assert wishes.look()["backfill"].value == {"rate": 10}
    producer = bench.bus.producer("leicestershire.incident.connector")
    producer.begin()
    producer.send(feed.control_topic, wish_key(feed, "backfill"), None)
    producer.commit()
    producer.close()
    assert wishes.look() == {}
