"""`alliance-hub demo`: the whole hub on stand-ins for the legacy systems, watched or alone."""

from pathlib import Path
from typing import Annotated

import typer

from hub.access import is_loopback
from hub.cli.durations import read_duration
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.config import Settings
from hub.errors import ConfigurationError
from hub.serve.settings import ServerSettings


@takes_settings
def demo(
    settings: Settings,
    for_: Annotated[str | None, typer.Option("--for", help="Run so long (30s, 5m, 1h), then end.")] = None,
    street: Annotated[
        Path | None, typer.Option(help="Folder of data.police.uk street files to fill the systems with.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the reconciliation to this file.")] = None,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out files of forces not configured.")
    ] = False,
    rate: Annotated[float, typer.Option(min=0.01, help="Changes a second in the legacy systems.")] = 5.0,
) -> None:
    """Run the whole hub on stand-ins for the legacy systems of every force.

    With --for or --street it ends by itself, prints the reconciliation, and exits with 1 where
    that does not balance; else it runs until stopped.
    """
    from connectors.standins.street import find_street_files
    from hub.cli.trial import Trial

    _check(settings, for_, street, report)
    duration = read_duration(for_) if for_ else None
    files, skipped = (
        find_street_files(street, Parts(settings).forces, skip_unknown=skip_unknown) if street else ([], [])
    )
    ends = street is not None or duration is not None
    with Trial(settings, files, rate=None if street else rate) as trial:
        whole = trial.announce() and (street is not None or trial.watch(duration))
        balanced = whole and trial.reconcile(skipped, report) if ends else True
    raise typer.Exit(0 if balanced and not trial.failed else 1)


def _check(settings: Settings, for_: str | None, street: Path | None, report: Path | None) -> None:
    problems = []
    if for_ and street:
        problems.append("Give --for or --street: street files are loaded once, and then all is still.")
    if report and not (for_ or street):
        problems.append("--report needs --for or --street: there is no report before the end.")
    if report and not report.parent.is_dir():
        problems.append(f"--report {report}: there is no folder '{report.parent}'.")
    guarded = settings.server.model_copy(update={"metrics_port": None}) != ServerSettings()
    if settings.tokens_file or guarded or not is_loopback(settings.host):
        problems.append(
            "The demo serves made-up people to this machine alone, unguarded: leave out host, tokens_file "
            "and, but for metrics_port, [server]."
        )
    if problems:
        raise ConfigurationError("\n".join(problems))
