"""The servers that tests ask over HTTP."""

import pytest

from tests.behaviour.server import running, write_tokens


@pytest.fixture
def server(tmp_path):
    with running(tmp_path) as running_server:
        yield running_server


@pytest.fixture
def guarded(tmp_path):
    with running(tmp_path, tokens_file=write_tokens(tmp_path)) as running_server:
        yield running_server
