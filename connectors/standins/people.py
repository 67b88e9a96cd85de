"""Made-up people, in the numbers and kinds that the forces had on 30 September 2016."""

import datetime as dt
import random

from connectors.standins.places import TOWNS
from connectors.standins.truth import Place, Skill, TruthPerson

HEADS: dict[str, dict[str, int]] = {
    "leicestershire": {
        "POLICE_OFFICER": 1794, "POLICE_STAFF": 1181, "PCSO": 221, "SPECIAL_CONSTABLE": 295,
        "DESIGNATED_OFFICER": 40, "POLICE_SUPPORT_VOLUNTEER": 60,
    },
    "northamptonshire": {
        "POLICE_OFFICER": 1209, "POLICE_STAFF": 753, "PCSO": 92, "SPECIAL_CONSTABLE": 595,
        "DESIGNATED_OFFICER": 30, "POLICE_SUPPORT_VOLUNTEER": 50,
    },
    "nottinghamshire": {
        "POLICE_OFFICER": 1893, "POLICE_STAFF": 989, "PCSO": 196, "SPECIAL_CONSTABLE": 247,
        "DESIGNATED_OFFICER": 40, "POLICE_SUPPORT_VOLUNTEER": 60,
    },
}  # fmt: skip
"""Head counts: full time equivalents rounded; the last two kinds are guesses."""

FAMILY_NAMES = (
    "Abbott", "Ahmed", "Bailey", "Barker", "Begum", "Brown", "Chambers", "Clarke", "Cooper", "Dhillon",
    "Dixon", "Edwards", "Fernández", "Fisher", "Gill", "Green", "Hussain", "Jackson", "Kaur", "Khan", "King",
    "Lewis", "Marshall", "Müller", "Nowak", "O'Connor", "Osborne", "Patel", "Pickering", "Powell", "Reid",
    "Rowe", "Sharma", "Singh", "Smith-Jones", "Taylor", "Thompson", "Turner", "Walker", "Wright",
)  # fmt: skip
GIVEN_NAMES = (
    "Aisha", "Alan", "Amelia", "Anjali", "Benjamin", "Callum", "Charlotte", "Chloé", "Daniel", "David",
    "Emily", "Fatima", "George", "Grace", "Harpreet", "Imran", "Isla", "Jacob", "James", "Jasmine", "Joseph",
    "Karen", "Liam", "Lucy", "Mohammed", "Natalie", "Oliver", "Priya", "Rachel", "Rajesh", "Robert", "Ruby",
    "Samuel", "Sarah", "Simran", "Sophie", "Thomas", "Tomasz", "William", "Zoë",
)  # fmt: skip
_RANKS = (
    *["CONSTABLE"] * 76, *["SERGEANT"] * 15, *["INSPECTOR"] * 5, *["CHIEF_INSPECTOR"] * 2, "SUPERINTENDENT",
    "CHIEF_SUPERINTENDENT",
)  # fmt: skip
_CHIEFS = ("CHIEF_CONSTABLE", "DEPUTY_CHIEF_CONSTABLE", "ASSISTANT_CHIEF_CONSTABLE")
_SKILLS = (
    "RESPONSE_DRIVER", "TASER", "PUBLIC_ORDER_2", "PUBLIC_ORDER_3", "PIP_1", "PIP_2", "DETECTIVE",
    "ADVANCED_DRIVER", "PURSUIT", "AUTHORISED_FIREARMS_OFFICER", "ARMED_RESPONSE_VEHICLE", "SEARCH",
    "METHOD_OF_ENTRY", "NEGOTIATOR", "CBRN", "DOG_GENERAL_PURPOSE", "DOG_DRUGS", "DOG_EXPLOSIVES",
    "PUBLIC_ORDER_1", "PIP_3", "PIP_4",
)  # fmt: skip
_POSTINGS = (
    "Response", "Neighbourhood", "Investigations", "Contact Management", "Roads Policing", "Custody",
    "Intelligence", "Major Crime (EMSOU)", "Dogs", "Armed Response",
)  # fmt: skip


def recruit(force: str, *, scale: float, today: dt.date, rng: random.Random) -> list[TruthPerson]:
    """Make a force's people; `scale` 1.0 is everyone. Numbers start at 1001 in every force alike."""
    kinds = [
        kind for kind, heads in HEADS.get(force, {}).items() for _ in range(max(2, round(heads * scale)))
    ]
    return [person(force, number, kind, today, rng) for number, kind in enumerate(kinds, 1001)]


def person(force: str, number: int, kind: str, today: dt.date, rng: random.Random) -> TruthPerson:
    """Make one person; the first three officers of a force are its chiefs."""
    ranked = kind in {"POLICE_OFFICER", "SPECIAL_CONSTABLE"}
    rank = rng.choice(_RANKS) if ranked else "NOT_RANKED"
    if kind == "POLICE_OFFICER" and number - 1001 < len(_CHIEFS):
        rank = _CHIEFS[number - 1001]
    held = "SUBSTANTIVE"
    if rank in {"SERGEANT", "INSPECTOR", "CHIEF_INSPECTOR"}:
        held = rng.choices(("SUBSTANTIVE", "TEMPORARY", "ACTING"), (8, 1, 1))[0]
    town = rng.choice(TOWNS[force])
    return TruthPerson(
        force=force,
        number=str(number),
        kind=kind,
        rank=rank,
        standing=held,
        rank_until=None if held == "SUBSTANTIVE" else today + dt.timedelta(rng.randint(10, 300)),
        family_name=rng.choice(FAMILY_NAMES),
        given_names=rng.choice(GIVEN_NAMES),
        posting=rng.choice(_POSTINGS),
        base=Place(
            f"{town.name} Police Station",
            f"{town.district} 1PS",
            latitude=town.latitude,
            longitude=town.longitude,
            beat=town.beat,
        ),
        skills=_skills(kind, today, rng),
    )


def _skills(kind: str, today: dt.date, rng: random.Random) -> tuple[Skill, ...]:
    if kind not in {"POLICE_OFFICER", "SPECIAL_CONSTABLE"}:
        return ()
    names = sorted(set(rng.choices(_SKILLS, range(len(_SKILLS), 0, -1), k=rng.randint(0, 4))))
    return tuple(
        Skill(name, today + dt.timedelta(rng.randint(30, 900)) if rng.random() < 0.9 else None)
        for name in names
    )
