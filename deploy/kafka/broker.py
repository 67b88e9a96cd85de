"""One Kafka broker on this machine, for trials and tests: `python deploy/kafka/broker.py`.

A single KRaft node on 127.0.0.1, started with plain `java` from the jars that Maven fetches
once for `pom.xml`. It dies with the process that started it. Not for real use: one node
keeps one copy, and Kafka does not force it to the disk before it answers.
"""

import argparse
import atexit
import ctypes
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
START_SECONDS = 150
STOP_SECONDS = 15
OLDEST_JAVA = 17
JVM = [
    *("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(10 * 1024 * 1024),
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    # A transaction left open by a killed process is dropped this soon after its own timeout.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill, the node waits until its own old session has ended.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    "log.cleaner.backoff.ms": "1000",
    "log.retention.check.interval.ms": "1000",
}


class BrokerError(Exception):
    """The broker cannot be had here; the message says what would help."""


class Broker:
    """One node that keeps its data in `folder` and listens on `port`, a free one if 0.

    `settings` are added to Kafka's own, and win.
    """

    def __init__(self, folder: Path, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._settings = dict(settings or {})
        self._controller_port = free_port()
        self._java: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        assert self._java is not None
        return self._java.pid

    def start(self) -> None:
        """Return once it listens. After a stop or a kill it goes on with the data it had."""
        jars = classpath()
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self._write_settings()
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(jars, config)
        self._launch([java(), *JVM, "-cp", jars, "kafka.Kafka", str(config)])
        atexit.register(self.kill)
        self._wait_until_it_listens()

    def stop(self) -> None:
        """Let it finish its work, and kill it if that takes too long."""
        if self._java is not None:
            self._java.terminate()
            try:
                self._java.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self._forget()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._java is not None:
            self._java.kill()
            self._java.wait()
        self._forget()

    def wait(self) -> int:
        """Wait for it to end by itself; its exit code."""
        return 0 if self._java is None else self._java.wait()

    def _forget(self) -> None:
        self._java = None
        atexit.unregister(self.kill)

    def _launch(self, command: list[str]) -> None:
        """Start it from a thread that lives as long as it does: Linux takes the thread for the parent."""
        started = threading.Event()

        def run() -> None:
            with (self.folder / "broker.log").open("ab") as log:
                self._java = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one call
                )
            java_process = self._java
            started.set()
            java_process.wait()

        threading.Thread(target=run, daemon=True).start()
        started.wait(START_SECONDS)

    def _write_settings(self) -> Path:
        settings = SETTINGS | {
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "log.dirs": str(self.folder / "data"),
        }
        settings |= self._settings
        config = self.folder / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), "utf-8")
        return config

    def _format(self, jars: str, config: Path) -> None:
        cluster = uuid.uuid4().hex[:22]
        command = [java(), *JVM, "-cp", jars, "kafka.tools.StorageTool"]
        command += ["format", "--cluster-id", cluster, "--config", str(config)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise BrokerError(f"Kafka cannot use {self.folder}: {run.stdout[-2000:]}{run.stderr[-2000:]}")

    def _wait_until_it_listens(self) -> None:
        assert self._java is not None
        patience = time.monotonic() + START_SECONDS
        while not listens(self.port):
            if self._java.poll() is not None or time.monotonic() > patience:
                self.kill()
                log = self.folder / "broker.log"
                tail = log.read_text("utf-8", "replace")[-2000:]
                raise BrokerError(f"Kafka did not start on {self.address}; {log} ends with:\n{tail}")
            time.sleep(0.05)


def classpath(pom: Path = HERE / "pom.xml") -> str:
    """The jars of a `pom.xml`, fetched by Maven the first time only."""
    jars = pom.parent / "target" / f"jars-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if not jars.exists():
        with _one_at_a_time():
            if not jars.exists():  # another process may have been first
                _fetch(pom, jars)
    return str(jars / "*")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two Mavens at once may spoil what they keep of all that they fetch."""
    lock = os.open(HERE, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _fetch(pom: Path, jars: Path) -> None:
    """Fetch beside `jars` and give the whole folder its name in one step."""
    mvn = shutil.which("mvn")
    if mvn is None:
        raise BrokerError(f"Maven (`mvn`) is not installed; it fetches the jars of {pom}.")
    fetched = jars.with_name(f"{jars.name}.new")
    shutil.rmtree(fetched, ignore_errors=True)  # of a fetch that was cut short
    command = [mvn, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    run = subprocess.run(
        [*command, f"-DoutputDirectory={fetched}"], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise BrokerError(f"Maven cannot fetch the jars of {pom}: {run.stdout[-2000:]}{run.stderr[-2000:]}")
    fetched.rename(jars)


def java() -> str:
    """The path of a Java that is new enough."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if found is None:
        raise BrokerError(f"Java is not installed; Kafka needs version {OLDEST_JAVA} or newer.")
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise BrokerError(f"{found} is too old; Kafka needs Java {OLDEST_JAVA} or newer.")
    return found


def die_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it is gone, however it went."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def free_port() -> int:
    """A port to listen on soon, from below those that the system hands out to others meanwhile."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> int:
    """Run a broker until Ctrl-C."""
    options = argparse.ArgumentParser(description="One Kafka broker on 127.0.0.1, until Ctrl-C.")
    options.add_argument("--port", type=int, default=9092)
    options.add_argument("--data", type=Path, default=Path("state/kafka"))
    options.add_argument(
        "--forget", type=Path, action="append", default=[], help="Remove this folder first; may be repeated."
    )
    chosen = options.parse_args()
    if listens(chosen.port):
        print(
            f"Something listens on 127.0.0.1:{chosen.port} already; choose another --port.", file=sys.stderr
        )
        return 1
    for folder in chosen.forget:  # once nothing listens: it is nobody's who still runs
        shutil.rmtree(folder, ignore_errors=True)
    broker = Broker(chosen.data.resolve(), chosen.port)
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell may have started it deaf to Ctrl-C
        signal.signal(ending, signal.default_int_handler)
    try:
        broker.start()
        print(f"Kafka listens on {broker.address} (data in {broker.folder}); Ctrl-C ends it.", flush=True)
        return broker.wait()
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 0
    finally:
        broker.stop()


if __name__ == "__main__":
    sys.exit(main())
