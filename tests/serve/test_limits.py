"""What one caller may take of the server, tried over real sockets."""

import contextlib

import httpx
import pytest

from hub.serve.rate import Rate
from hub.serve.settings import LimitSettings
from tests.behaviour.server import events, running, write_tokens
from tests.serve.wire import PATIENCE_SECONDS, Drip, connect, told
from tests.view_records import incident
from tests.waiting import wait_until

HEAD = b"GET /freshness HTTP/1.1\r\nHost: 127.0.0.1\r\n"
SOON = 1.0


@contextlib.contextmanager
def limited(folder, *, tokens=False, **limits):
    more = {"tokens_file": write_tokens(folder)} if tokens else {}
    with running(folder, limits=LimitSettings(**limits), **more) as server:
        yield server


def refused(server, why):
    name = "alliance_hub_http_refused_total"
    return server.process.parts.metrics.registry.get_sample_value(name, {"why": why})


def test_a_head_that_drips_is_answered_408_and_cut(tmp_path):
    with limited(tmp_path, header_seconds=SOON) as server, connect(server.address) as slow:
        slow.sendall(HEAD + b"X: ")
        with Drip(slow, b"a"):
            assert told(slow).startswith(b"HTTP/1.1 408 ")
        assert refused(server, "slow") == 1
        wait_until(lambda: answered(server))


def test_who_connects_and_says_nothing_is_cut(tmp_path):
    with limited(tmp_path, header_seconds=SOON) as server, connect(server.address) as silent:
        assert told(silent).startswith(b"HTTP/1.1 408 ")


def test_the_second_head_of_a_connection_may_not_drip_either(tmp_path):
    with limited(tmp_path, header_seconds=3 * SOON) as server, connect(server.address) as slow:
        slow.sendall(HEAD + b"\r\n" + HEAD)
        with Drip(slow, b"X"):
            said = told(slow)
        assert said.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in said


def test_a_body_that_drips_is_cut(tmp_path):
    with limited(tmp_path, body_seconds=SOON) as server, connect(server.address) as slow:
        head = HEAD.replace(b"GET /freshness", b"POST /dead-letters/discards")
        slow.sendall(head + b"Content-Length: 100000\r\n\r\n")
        with Drip(slow, b" "):
            told(slow)
        assert refused(server, "slow") == 1


def test_a_body_that_nobody_asked_for_may_not_drip_either(tmp_path):
    with limited(tmp_path, body_seconds=SOON) as server, connect(server.address) as slow:
        slow.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        with Drip(slow, b" "):
            assert told(slow).startswith(b"HTTP/1.1 200 ")
        assert refused(server, "slow") == 1


def test_who_does_not_take_an_answer_is_cut_and_others_are_answered(tmp_path):
    with limited(tmp_path, slow_reader_seconds=SOON) as server:
        server.apply("incident", *(incident(str(n), summary="words " * 500) for n in range(500)))
        with connect(server.address, receive_buffer=4096) as slow:
            ask = HEAD.replace(b"/freshness", b"/incidents?limit=500")
            # More answers than any buffer of the system between the two could hold.
            slow.sendall((ask + b"\r\n") * 20)
            wait_until(lambda: refused(server, "slow") == 1)
            assert server.get("/incidents").status_code == 200


def test_who_does_not_take_the_live_stream_is_cut(tmp_path):
    with (
        limited(tmp_path, slow_reader_seconds=SOON) as server,
        connect(server.address, receive_buffer=4096) as slow,
    ):
        slow.sendall(HEAD.replace(b"/freshness", b"/changes?after=0") + b"\r\n")
        for each in range(20):
            if refused(server, "slow"):
                break
            some = range(each * 500, each * 500 + 500)
            server.apply("incident", *(incident(str(n), summary="words " * 500) for n in some))
        wait_until(lambda: refused(server, "slow") == 1)


def test_a_live_stream_ends_in_order_with_the_longest_life_of_its_connection(tmp_path):
    with limited(tmp_path, connection_seconds=3 * SOON) as server:
        server.apply("incident", incident("a"))
        with (
            server.client(timeout=PATIENCE_SECONDS) as client,
            client.stream("GET", "/changes", params={"after": 0}) as stream,
        ):
            assert "incident" in [kind for kind, _ in events(stream)]


def test_a_connection_in_use_is_closed_at_the_end_of_its_longest_life(tmp_path):
    with (
        limited(tmp_path, connection_seconds=SOON) as server,
        connect(server.address) as busy,
        Drip(busy, HEAD + b"\r\n", every_seconds=0.05),
    ):
        assert told(busy).count(b"HTTP/1.1 200 ") >= 1


@pytest.mark.parametrize("whole", [True, False])
def test_too_long_a_head_is_answered_431(tmp_path, whole):
    with limited(tmp_path, header_bytes=2048) as server, connect(server.address) as long:
        head = HEAD + b"Connection: close\r\nX: " + b"a" * 4000
        long.sendall(head + (b"\r\n\r\n" if whole else b""))
        assert told(long).startswith(b"HTTP/1.1 431 ")
        assert refused(server, "head") == 1


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/connectors/leicestershire.incident/backfill"), ("POST", "/dead-letters/replays")],
)
def test_too_long_a_body_is_answered_413(tmp_path, method, path, chunked):
    with limited(tmp_path, body_bytes=2048) as server, server.client() as client:
        pieces = [b" " * 500] * 10
        answer = client.request(method, path, content=iter(pieces) if chunked else b"".join(pieces))
        assert (answer.status_code, "up to 2048 bytes" in answer.text) == (413, True)
        assert refused(server, "body") == 1


def test_who_asks_too_often_is_told_when_to_ask_again_and_others_are_answered(tmp_path):
    with limited(tmp_path, tokens=True, requests_per_second=0.01, request_burst=3) as server:
        answers = [server.get("/freshness", "everyone") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 100
        assert server.get("/freshness", "analyst").status_code == 200
        assert [server.get("/freshness", "made-up").status_code for _ in range(4)] == [401, 401, 401, 429]
        assert server.get("/livez").status_code == 200, "health checks are counted apart"


def test_the_rate_lets_in_as_many_as_it_says_and_no_more():
    now = [0.0]
    rate = Rate(10, 5, lambda: now[0])
    let_in = 0
    for tick in range(1000):
        now[0] = tick / 100
        let_in += rate.wait("caller") == 0
    assert let_in == 5 + 10 * 10 - 1
    assert rate.wait("another") == 0


def test_no_more_connections_are_let_in_than_are_allowed(tmp_path):
    with limited(tmp_path, connections_per_address=3) as server, contextlib.ExitStack() as held:
        inside = [held.enter_context(connect(server.address)) for _ in range(3)]
        for connection in inside:
            connection.sendall(HEAD + b"\r\n")
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert told(held.enter_context(connect(server.address))) == b""
        assert refused(server, "connections") >= 1
        inside[0].close()
        wait_until(lambda: answered(server))


def answered(server):
    try:
        return server.get("/freshness").status_code == 200
    except httpx.TransportError:
        return False
