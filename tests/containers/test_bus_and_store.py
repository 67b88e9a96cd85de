"""testcontainers starts the images made here, and the suites of bus and store run on them once."""

import datetime as dt
import re
import sys

import pytest

from tests.containers.engine import run
from tests.containers.figures import say
from tests.postgres_container import IMAGE_VARIABLE as POSTGRES_IMAGE

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

BUS = ("-k", "bus and not embedded", "tests/contract")
STORE = (
    "-k",
    "postgres and not is_for_a_person_to_mend",  # which needs a server that asks for no password
    *(
        f"tests/behaviour/test_{name}.py"
        for name in ("store_transactions", "store_versions", "query_listing")
    ),
)


@pytest.mark.parametrize(
    ("image", "variable", "suite"),
    [("alliance-hub/kafka", "HUB_TEST_KAFKA_IMAGE", BUS), ("alliance-hub/postgres", POSTGRES_IMAGE, STORE)],
    ids=["bus", "store"],
)
def test_the_suite_holds_on_the_image(images, image, variable, suite):
    since = dt.datetime.now(dt.UTC).isoformat()
    told = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *suite, env={variable: image})
    assert started(image, since), f"no container was started of {image}, so the suite ran elsewhere\n{told}"
    assert re.search(r"\d+ passed", told), told
    assert "skipped" not in told, told
    say(f"{image}: {told.strip().splitlines()[-1]}")


def started(image, since):
    until = dt.datetime.now(dt.UTC).isoformat()
    chosen = ["--filter", "event=start", "--filter", f"image={image}"]
    return run("docker", "events", "--since", since, "--until", until, *chosen, quiet=True)
