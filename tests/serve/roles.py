"""A server on which every role there is has a token of its own: the role's name."""

import contextlib
import hashlib

from hub.access import ROLES
from hub.serve.settings import LimitSettings
from tests.behaviour.server import running
from tests.view_records import incident, staff

UNLIMITED = LimitSettings(requests_per_second=1_000_000, request_burst=1_000_000)


def write_tokens_of_roles(folder):
    file = folder / "tokens.toml"
    file.write_text(
        "".join(
            f'[[tokens]]\nname = "{role}"\nsha256 = "{hashlib.sha256(role.encode()).hexdigest()}"\n'
            f'roles = {{ "*" = ["{role}"] }}\n'
            for role in ROLES
        )
    )
    return file


@contextlib.contextmanager
def of_every_role(folder):
    with running(folder, tokens_file=write_tokens_of_roles(folder), limits=UNLIMITED) as server:
        server.apply("incident", incident("a", grade="PRIORITY", latitude=52.6, longitude=-1.1))
        server.apply("hr", staff("1", skills=("TASER",)))
        yield server
