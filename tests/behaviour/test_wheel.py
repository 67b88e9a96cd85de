"""A built wheel, installed in an empty environment and run from another folder."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The command of a wheel installed where nothing of the checkout can be seen.

    Only the dependencies are borrowed from this environment, by path and without its editable install.
    """
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    borrowed = Path(sysconfig.get_path("purelib"))
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    lines = [f"import sys; sys.path.append({str(borrowed)!r})"]
    (site / "borrowed.pth").write_text("\n".join(lines) + "\n")
    return folder / "venv" / "bin" / "alliance-hub"


def run(command, folder, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HUB_", "PYTHON"))}
    return subprocess.run(
        [str(command), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_an_installed_wheel_runs_the_demo_from_another_folder(installed, tmp_path):
    answer = run(installed, tmp_path, "demo", "--for", "3s", "--port", "0", "--report", "report.json")
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "report.json").exists()


def test_an_installed_wheel_does_not_see_the_checkout(installed, tmp_path):
    python = installed.parent / "python"
    code = "import hub, connectors, schemas; print(hub.__file__, connectors.__file__, schemas.__file__)"
    answer = run(python, tmp_path, "-c", code)
    assert str(ROOT / "hub") not in answer.stdout
    assert answer.stdout.count(str(installed.parents[1])) == 3


def test_an_installed_wheel_brings_the_scripts_of_the_stores_migrations(installed, tmp_path):
    python = installed.parent / "python"
    code = (
        "from hub.view.making import locked, revision_of\n"
        "from hub.view.migrating import make_at\n"
        "from hub.view.migrations import HEAD\n"
        "from hub.view.store import open_database\n"
        "with locked(open_database('sqlite:///made.db').engine) as connection:\n"
        "    make_at(connection, HEAD)\n"
        "    print(revision_of(connection) == HEAD)\n"
    )
    answer = run(python, tmp_path, "-c", code)
    assert answer.stdout == "True\n", answer.stderr
