"""A letter as people and programs see it: as JSON, masked unless they may see more and ask for it."""

from collections.abc import Mapping
from typing import Any

from hub.dead_letters.book import Letter
from hub.dead_letters.cases import Act, Case
from hub.dead_letters.contents import ALL_CLASSES, Contents, Decoded, as_text
from hub.dead_letters.edit import changed
from hub.events import iso_micros

_TOLD = (
    "stage", "force", "domain", "system", "record_id", "error", "reason", "topic", "partition", "offset",
    "source_position", "length", "sha256",
)  # fmt: skip
MASKED: frozenset[str] = frozenset()


def summary(letter: Letter, case: Case) -> dict[str, Any]:
    """What a letter is and where it stands; nothing of what it holds."""
    told = {name: letter.about[name] for name in _TOLD}
    return {"id": letter.id, "state": str(case.state), "at": iso_micros(letter.about["at"]), **told}


def whole(
    letter: Letter, case: Case, original: bytes | None, contents: Contents | None, *, unmasked: bool
) -> dict[str, Any]:
    """The summary, the original beside what could be decoded of it, and all that was done."""
    classes = ALL_CLASSES if unmasked else MASKED
    decoded = None if contents is None else contents.read_or_none(letter, original)
    shown: dict[str, Any] = summary(letter, case) | {
        "kept_whole": letter.kept,
        "original": as_text(original) if unmasked else None,
        "original_withheld": not unmasked and original is not None,
    }
    shown |= _part("decoded", letter, decoded, contents, classes)
    if case.edited is not None:
        edited = None if contents is None else contents.read_or_none(letter, case.edited, edited=True)
        shown |= _part("edited", letter, edited, contents, classes)
        shown["changed"] = changed(decoded or {}, edited or {})
    shown["approved"] = case.approved
    shown["acts"] = [_act(act) for act in case.acts]
    return shown


def _part(
    name: str, letter: Letter, decoded: Decoded | None, contents: Contents | None, classes: frozenset[str]
) -> Mapping[str, Any]:
    if decoded is None or contents is None:
        return {name: None, f"{name}_withheld": []}
    value, withheld = contents.show(letter, decoded, classes)
    return {name: value, f"{name}_withheld": withheld}


def _act(act: Act) -> dict[str, str]:
    return {"what": act.what, "by": act.by, "at": iso_micros(act.at), "why": act.why}
