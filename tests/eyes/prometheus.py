"""A real Prometheus on a free port of this machine, with the rules that a test gives it."""

import contextlib
import json
import shutil
import socket
import subprocess

import httpx
import yaml

from tests.needs import missing
from tests.waiting import wait_until

TRIES = 3


class Prometheus:
    """Scrapes what `watch` names, every second. `rules` is the text of a file of rules."""

    def __init__(self, folder, rules):
        self._program = shutil.which("prometheus") or missing("install Prometheus (Debian: prometheus)")
        self._folder = folder
        (folder / "targets").mkdir(parents=True)
        (folder / "rules.yml").write_text(rules)
        jobs = [
            {
                "job_name": job,
                "file_sd_configs": [{"files": [f"targets/{job}.json"], "refresh_interval": "1s"}],
            }
            for job in ("alliance-hub", "others")
        ]
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": jobs,
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._process, self._url = self._start()

    def watch(self, *addresses, job="alliance-hub"):
        """Scrape these addresses, and no others, from now on."""
        file = self._folder / "targets" / f"{job}.json"
        new = file.with_suffix(".new")
        new.write_text(json.dumps([{"targets": [each.removeprefix("http://") for each in addresses]}]))
        new.rename(file)

    def ask(self, query):
        """The samples that a query finds now: labels and value of each."""
        found = self._get("query", query=query)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def held(self, query, window):
        """Every sample that was kept of the series of a query: labels, and (time, value) of each."""
        found = self._get("query", query=f"{query}[{window}]")["result"]
        return [(each["metric"], [(at, float(value)) for at, value in each["values"]]) for each in found]

    def values_of(self, label, series):
        """What a variable of a dashboard offers: the values of a label in these series."""
        answer = httpx.get(f"{self._url}/api/v1/label/{label}/values", params={"match[]": series}, timeout=60)
        return answer.json()["data"]

    def firing(self, alert, **labels):
        return any(
            labels.items() <= found.items()
            for found, _ in self.ask(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')
        )

    def end(self):
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _get(self, what, **params):
        answer = httpx.get(f"{self._url}/api/v1/{what}", params=params, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def _start(self):
        """Another program may take the free port first: then try another."""
        log = self._folder / "log"
        for _ in range(TRIES):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                address = f"127.0.0.1:{free.getsockname()[1]}"
            words = ["--config.file=prometheus.yml", "--storage.tsdb.path=data"]
            with log.open("ab") as sink:
                process = subprocess.Popen(
                    [self._program, *words, f"--web.listen-address={address}"],
                    cwd=self._folder,
                    stdout=sink,
                    stderr=sink,
                )
            wait_until(lambda p=process, a=address: p.poll() is not None or _ready(a), log.read_text)
            if process.poll() is None:
                return process, f"http://{address}"
        raise AssertionError(log.read_text())


def _ready(address):
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://{address}/-/ready", timeout=5).status_code == 200
    return False
