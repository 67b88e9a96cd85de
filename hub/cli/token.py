"""`alliance-hub token`: make an access token, and the entry of the tokens file that knows it by its hash."""

import datetime as dt
import hashlib
import json
import secrets
from typing import Annotated

import typer

from hub.access import ALL_FORCES, ROLES


def token(
    name: str,
    role: Annotated[list[str], typer.Option(help="ROLE for every force, or FORCE=ROLE; repeat for several.")],
    force: Annotated[str, typer.Option(help="Force of the person or system.")] = "",
    expires: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day it is valid.")
    ] = None,
) -> None:
    """Make a token for NAME: shown this once, with the entry to add to the tokens file."""
    roles: dict[str, list[str]] = {}
    for each in role:
        owner, _, held = each.rpartition("=")
        if held not in ROLES:
            raise typer.BadParameter(
                f"'{held}' is no role; these are: {', '.join(ROLES)}.", param_hint="--role"
            )
        roles.setdefault(owner or ALL_FORCES, []).append(held)
    made = secrets.token_urlsafe(32)
    typer.echo(f"# the token, shown this once: {made}", err=True)
    held_by = ", ".join(f"{json.dumps(owner)} = {json.dumps(of)}" for owner, of in roles.items())
    lines = [
        "[[tokens]]",
        f"name = {json.dumps(name)}",
        f"force = {json.dumps(force)}",
        f'sha256 = "{hashlib.sha256(made.encode()).hexdigest()}"',
        f"roles = {{ {held_by} }}",
    ]
    if expires is not None:
        lines.append(f"expires = {expires.date()}")
    typer.echo("\n".join(lines))
