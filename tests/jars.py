"""The jars of the Java programs that tests run, fetched once by Maven."""

import shutil
from pathlib import Path

from deploy.kafka.broker import BrokerError, classpath, java
from tests.needs import missing


def jars(project: Path, what: str) -> str:
    """The class path of the `pom.xml` in `project`, for `what` the test needs."""
    remedy = f"{what} needs a Java Development Kit, 17 or newer, and Maven"
    if shutil.which("javac") is None:
        missing(remedy)
    try:
        java()
        return classpath(project / "pom.xml")
    except BrokerError as error:
        missing(f"{remedy}: {error}")
