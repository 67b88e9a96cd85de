"""The headers that keep an answer to itself are on every answer, whoever gives it."""

import pytest

from hub.serve.settings import LimitSettings
from tests.behaviour.server import running, write_tokens
from tests.serve.wire import connect, told

ALWAYS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("headers")
    limits = LimitSettings(requests_per_second=0.01, request_burst=100, header_bytes=2048, body_bytes=2048)
    with running(folder, tokens_file=write_tokens(folder), limits=limits) as made:
        yield made


def check(headers):
    assert {name: headers.get_list(name) for name in ALWAYS} == {n: [value] for n, value in ALWAYS.items()}
    assert "strict-transport-security" not in headers
    assert "server" not in headers


@pytest.mark.parametrize(
    ("status", "method", "path", "token"),
    [
        (200, "GET", "/", None),
        (200, "GET", "/page.js", None),
        (200, "HEAD", "/livez", None),
        (200, "GET", "/incidents", "everyone"),
        (400, "GET", "/incidents?forse=x", "everyone"),
        (401, "GET", "/incidents", None),
        (403, "GET", "/staff", "incidents-only"),
        (404, "GET", "/nowhere", "everyone"),
        (404, "GET", "/schemas/ids/999999", "everyone"),
        (405, "POST", "/incidents", "everyone"),
    ],
)
def test_every_answer_carries_them(server, status, method, path, token):
    with server.client(token) as client:
        answer = client.request(method, path)
    assert answer.status_code == status
    check(answer.headers)


def test_the_live_stream_carries_them(server):
    with server.client("everyone", timeout=60) as client, client.stream("GET", "/changes") as answer:
        check(answer.headers)


def test_an_answer_to_too_much_carries_them(server):
    with server.client("everyone") as client:
        long = client.get("/incidents", headers={"X": "a" * 3000})
        much = client.post("/dead-letters/replays", content=b" " * 3000)
    assert (long.status_code, much.status_code) == (431, 413)
    check(long.headers)
    check(much.headers)


def test_an_answer_to_a_defect_carries_them_and_tells_nothing_of_it(server, monkeypatch):
    def defect(*_):
        raise RuntimeError("an inner matter")

    monkeypatch.setattr("hub.view.query.Query.list_records", defect)
    answer = server.get("/incidents?force=leicestershire", "everyone")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "inner" not in answer.text
    check(answer.headers)


def test_an_answer_to_what_is_no_http_carries_them(server):
    with connect(server.address) as made:
        made.sendall(b"What is this?\r\n\r\n")
        said = told(made).decode().lower()
    assert said.startswith("http/1.1 400 ")
    assert [name for name, value in ALWAYS.items() if f"\r\n{name}: {value}\r\n".lower() not in said] == []
