"""Kafka's own tool for access lists, as `kafka-acls.sh` starts it: one Java process for many commands."""

import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from deploy.kafka.broker import classpath
from tests.needs import missing

PROJECT = Path(__file__).parent / "tool"
REMEDY = "Kafka's own tool for access lists needs a Java Development Kit, 17 or newer, and Maven."


def run_acl_commands(commands: Iterable[str]) -> str:
    """Run `kafka-acls.sh …` lines as a person would paste them; what the tool printed."""
    lines = [line for line in commands if not line.startswith("#")]
    given = [shlex.split(line) for line in lines]
    assert {words[0] for words in given} == {"kafka-acls.sh"}
    ran = subprocess.run(
        [
            "java",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            f"{_jars()}/*:{classpath()}",
            PROJECT / "AclCommands.java",
        ],
        input="".join("\t".join(words[1:]) + "\n" for words in given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def _jars() -> Path:
    """The tool's jar, fetched once; a fetch that was cut short leaves none behind."""
    if shutil.which("javac") is None or shutil.which("mvn") is None:
        missing(REMEDY)
    jars, draft = PROJECT / "target" / "jars", PROJECT / "target" / "draft"
    if not jars.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
        fetch = ["mvn", "-q", "-B", "-f", str(PROJECT / "pom.xml"), "dependency:copy-dependencies"]
        fetched = subprocess.run(
            [*fetch, f"-DoutputDirectory={draft}"], capture_output=True, text=True, check=False
        )
        if fetched.returncode:
            missing(f"{REMEDY} Maven could not fetch it:\n{fetched.stdout}{fetched.stderr}")
        draft.rename(jars)
    return jars
