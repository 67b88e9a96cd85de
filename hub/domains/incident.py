"""Incidents."""

from hub.domains.domain import Column, Domain, Record


def _sort(record: Record) -> int:
    """The earliest instant of creation; when it was read, where the source gave no usable time."""
    earliest = record["created"]["earliest"]
    return int(record["provenance"]["read_at"] if earliest is None else earliest)


INCIDENT = Domain(
    name="incident",
    noun="incident",
    path="incidents",
    title="Incidents",
    noun_has_system=True,
    sort=_sort,
    latest="created_latest",
    columns=(
        Column(
            "created_latest",
            "integer",
            lambda r: r["created"]["latest"],
            "Latest instant of creation.",
            filter=False,
        ),
        Column("status", "text", lambda r: r["status"]["common"], "Alliance status.", enum="IncidentStatus"),
        Column(
            "grade", "text", lambda r: r["grade"]["common"], "Alliance response grade.", enum="ResponseGrade"
        ),
        Column(
            "category",
            "text",
            lambda r: r["opening"]["category"],
            "Category of the opening code.",
            enum="Category",
        ),
        Column(
            "geographic_force",
            "text",
            lambda r: r["location"]["geographic_force"] or None,
            "Force of the area.",
        ),
        Column(
            "latitude", "real", lambda r: r["location"]["latitude"], "WGS84 latitude, degrees.", filter=False
        ),
        Column(
            "longitude",
            "real",
            lambda r: r["location"]["longitude"],
            "WGS84 longitude, degrees.",
            filter=False,
        ),
    ),
)
