"""People: officers, staff, specials and volunteers."""

from hub.domains.domain import Column, Domain, Record


def _skills(record: Record) -> str:
    return " ".join(["", *(skill["common"] for skill in record["skills"]), ""])


HR = Domain(
    name="hr",
    noun="staff",
    path="staff",
    title="Staff",
    noun_has_system=False,
    sort=lambda r: int(r["provenance"]["read_at"]),
    dated=False,
    columns=(
        Column("kind", "text", lambda r: r["kind"]["common"], "Alliance worker type.", enum="WorkerKind"),
        Column("rank", "text", lambda r: r["rank"]["common"], "Alliance rank.", enum="RankName"),
        Column("skill", "text", _skills, "Alliance skill held.", several=True, enum="SkillKind"),
        Column("duty", "text", lambda r: r["duty"]["common"], "Alliance duty state.", enum="DutyState"),
    ),
)
