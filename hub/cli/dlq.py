"""`alliance-hub dlq …`: browse dead letters, mend them, replay or discard them, take them out."""

import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.access import Principal
from hub.cli.acting import Reason, Token, who
from hub.cli.options import takes_settings
from hub.cli.parts import Parts
from hub.cli.search_options import takes_search
from hub.cli.signals import set_by
from hub.config import Settings
from hub.dead_letters.findings import Finding, Verdict
from hub.dead_letters.search import Search
from hub.errors import BadQueryError

if TYPE_CHECKING:
    from hub.dead_letters.office import Office

dlq_app = typer.Typer(
    help="Browse dead letters; mend, replay, discard and export them.", no_args_is_help=True
)

Unmasked = Annotated[bool, typer.Option("--unmasked", help="With personal fields; needs restricted_reader.")]
All = Annotated[bool, typer.Option("--all", help="Every letter that waits, where nothing else says which.")]


@dlq_app.command("list")
@takes_settings
@takes_search
def list_(
    settings: Settings,
    search: Search,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    cursor: Annotated[str, typer.Option(help="`next` of the page before.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    reason: Reason = "",
    token: Token = None,
) -> None:
    """List letters, newest first: what each is and where it stands."""
    with _office(settings, token) as (office, principal):
        page = office.reading.page(principal, search, limit=limit, cursor=cursor, why=reason)
    if as_json:
        typer.echo(json.dumps({"letters": page.letters, "next": page.next}, indent=2))
        return
    for letter in page.letters:
        typer.echo(f"{letter['at']}  {letter['state']:<9} {letter['id']}  {letter['record_id'] or '-'}")
        typer.echo(f"    {letter['reason']}")
    if page.next:
        typer.echo(f"more with --cursor '{page.next}'")


@dlq_app.command("show")
@takes_settings
def show(
    settings: Settings, letter: str, unmasked: Unmasked = False, reason: Reason = "", token: Token = None
) -> None:
    """Show a letter as JSON: the original beside what could be decoded, and all that was done."""
    with _office(settings, token) as (office, principal):
        _print(office.reading.show(principal, letter, unmasked=unmasked, why=reason))


@dlq_app.command("edit")
@takes_settings
def edit(
    settings: Settings,
    letter: str,
    set_: Annotated[list[str], typer.Option("--set", help="PATH=TEXT, such as GRADE=2; repeat.")] = [],  # noqa: B006 typer's way
    blank: Annotated[list[str], typer.Option(help="PATH to set to null; repeat.")] = [],  # noqa: B006
    file: Annotated[Path | None, typer.Option(help="The whole record, as `dlq show` shows it, JSON.")] = None,
    reason: Reason = "",
    token: Token = None,
) -> None:
    """Keep an edited record, to be replayed in the original's place once another person approved it."""
    fields: dict[str, Any] = dict.fromkeys(blank)
    for each in set_:
        path, equals, text = each.partition("=")
        if not equals:
            raise BadQueryError(f"--set {each}: write PATH=TEXT.")
        fields[path] = text
    with _office(settings, token) as (office, principal):
        _print(office.edit(principal, letter, fields=fields, value=_read(file), why=reason))


@dlq_app.command("approve")
@takes_settings
def approve(settings: Settings, letter: str, reason: Reason = "", token: Token = None) -> None:
    """Approve what another person edited; needs a token of your own."""
    with _office(settings, token) as (office, principal):
        _print(office.approve(principal, letter, why=reason))


@dlq_app.command("replay")
@takes_settings
@takes_search
def replay(
    settings: Settings,
    search: Search,
    every: All = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of each; do nothing.")
    ] = False,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Records a second.")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for connectors to answer.")] = 30,
    reason: Reason = "",
    token: Token = None,
) -> None:
    """Replay letters in order, never over a newer version. Ctrl-C ends it after the batch under way."""
    _refuse_boundless(search, every=every)
    stop, found = threading.Event(), dict[str, Finding]()

    def tell(findings: Sequence[Finding]) -> None:
        found.update((finding.letter, finding) for finding in findings)
        if not dry_run and len(found) > len(findings):
            typer.echo(_numbers(found.values()), err=True)

    with _office(settings, token) as (office, principal), set_by(stop, signal.SIGINT):
        if dry_run:
            tell(office.dry_run(principal, search))
        else:
            letters = office.reading.find(principal, search)
            per_second = rate or settings.dead_letters.replay_per_second
            office.replay(principal, letters, why=reason, per_second=per_second, stop=stop, tell=tell)
            tell(office.answers([*found.values()], wait, stop))
            _tend(office, settings)
    _tell(found.values(), stopped=stop.is_set(), dry_run=dry_run)


@dlq_app.command("discard")
@takes_settings
@takes_search
def discard(
    settings: Settings, search: Search, every: All = False, reason: Reason = "", token: Token = None
) -> None:
    """Resolve letters without their records. Needs a reason."""
    _refuse_boundless(search, every=every)
    with _office(settings, token) as (office, principal):
        letters = office.reading.find(principal, search)
        refused = office.discard(principal, letters, reason)
        _tend(office, settings)
    for finding in refused:
        typer.echo(f"{finding.letter}: {finding.why}", err=True)
    typer.echo(f"discarded {len(letters) - len(refused)} of {len(letters)}")
    raise typer.Exit(1 if refused else 0)


@dlq_app.command("export")
@takes_settings
@takes_search
def export(
    settings: Settings,
    search: Search,
    to: Annotated[Path | None, typer.Option(help="File to write; standard output unless given.")] = None,
    unmasked: Unmasked = False,
    recipient: Annotated[str, typer.Option(help="Who is given it; kept in the audit log.")] = "",
    reason: Reason = "",
    token: Token = None,
) -> None:
    """Write letters as JSON lines, oldest first; no personal field in them unless --unmasked."""
    with _office(settings, token) as (office, principal):
        letters = office.reading.export(principal, search, unmasked=unmasked, why=reason, recipient=recipient)
        lines = (json.dumps(letter) for letter in letters)
        if to is None:
            for line in lines:
                typer.echo(line)
            return
        to.touch(0o600)  # a new one is for who asked alone: it may hold personal data
        with to.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


@contextmanager
def _office(settings: Settings, token: str | None) -> Iterator[tuple["Office", Principal]]:
    from hub.cli.office import make_office

    with closing(Parts(settings)) as parts:
        principal = who(parts, token)
        office = make_office(parts)
        try:
            yield office, principal
        finally:
            office.writer.book.close()


def _tend(office: "Office", settings: Settings) -> None:
    from hub.dead_letters.tending import tend

    tend(office, retention_days=settings.dead_letters.retention_days)


def _refuse_boundless(search: Search, *, every: bool) -> None:
    if search == Search() and not every:
        raise BadQueryError("Say which letters are meant: ids, options such as --force, or --all.")


def _numbers(found: Any) -> str:
    verdicts = Counter(str(finding.verdict) for finding in found)
    return ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in map(str, Verdict) if verdicts[verdict])


def _tell(found: Any, *, stopped: bool, dry_run: bool) -> None:
    findings = list(found)
    for finding in findings:
        if finding.verdict is not Verdict.PASSES:
            typer.echo(f"{finding.letter}: {finding.verdict}: {finding.why}")
    said = _numbers(findings) or "nothing to replay"
    typer.echo(f"{'would be: ' if dry_run else ''}{said}{'; stopped' if stopped else ''}")
    bad = {Verdict.FAILS, Verdict.UNAPPROVED, Verdict.HELD}
    raise typer.Exit(1 if not dry_run and any(finding.verdict in bad for finding in findings) else 0)


def _print(letter: Any) -> None:
    typer.echo(json.dumps(letter, indent=2))


def _read(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        value = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadQueryError(f"--file {file}: {error}") from error
    if not isinstance(value, dict):
        raise BadQueryError(f"--file {file} is no JSON object.")
    return value
