"""Apache Avro's own compatibility checker, in one Java process that is asked pair by pair."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.jars import jars

PROJECT = Path(__file__).parent / "real" / "avro"


class JavaChecker:
    def __init__(self) -> None:
        classpath = jars(PROJECT, "Comparing with Apache Avro's checker")
        self._process = subprocess.Popen(
            ["java", "-XX:TieredStopAtLevel=1", "-cp", classpath, str(PROJECT / "Compare.java")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def compare(self, reader: Any, writer: Any) -> str:
        """`compatible`, `incompatible`, or `invalid` where Avro refuses one of the schemas."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(reader)}\t{json.dumps(writer)}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer, "the Java process ended"
        return answer

    def close(self) -> None:
        self._process.communicate()
