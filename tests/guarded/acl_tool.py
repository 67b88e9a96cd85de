"""Kafka's own tool for access lists, as `kafka-acls.sh` starts it: one Java process for many commands."""

import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path

from deploy.kafka.broker import classpath
from tests.jars import jars

PROJECT = Path(__file__).parent / "tool"
TOOL = "Kafka's own tool for access lists"


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
            f"{jars(PROJECT, TOOL)}:{classpath()}",
            PROJECT / "AclCommands.java",
        ],
        input="".join("\t".join(words[1:]) + "\n" for words in given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
