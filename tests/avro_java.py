"""Apache Avro's own compatibility checker, in one Java process that is asked pair by pair."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.needs import missing

PROJECT = Path(__file__).parent / "real" / "avro"
REMEDY = "Comparing with Apache Avro's checker needs a Java Development Kit, 11 or newer, and Maven."


class JavaChecker:
    def __init__(self) -> None:
        if shutil.which("javac") is None or shutil.which("mvn") is None:
            missing(REMEDY)
        self._process = subprocess.Popen(
            ["java", "-XX:TieredStopAtLevel=1", "-cp", _classpath(), str(PROJECT / "Compare.java")],
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


def _classpath() -> str:
    """The jars, fetched once; a fetch that was cut short leaves none behind."""
    jars, draft = PROJECT / "target" / "jars", PROJECT / "target" / "draft"
    if not jars.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
        fetch = ["mvn", "-q", "-B", "-f", str(PROJECT / "pom.xml"), "dependency:copy-dependencies"]
        fetched = subprocess.run(
            [*fetch, f"-DoutputDirectory={draft}"], capture_output=True, text=True, timeout=240, check=False
        )
        if fetched.returncode:
            missing(f"{REMEDY} Maven could not fetch Apache Avro:\n{fetched.stdout}{fetched.stderr}")
        draft.rename(jars)
    return str(jars / "*")
