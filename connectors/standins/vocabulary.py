"""The words each stand-in speaks, and what they mean in the alliance's words.

The codes are invented here, but for the unit states 0 to 11 and the force codes: the
national list of incident codes is not public. `connectors/<force>/codes/*.csv` say the same
for the hub; a test holds the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

CRIME = "CRIME"
ASB = "ANTI_SOCIAL_BEHAVIOUR"
WELFARE = "PUBLIC_SAFETY_AND_WELFARE"
TRANSPORT = "TRANSPORT"
ADMINISTRATION = "ADMINISTRATION"

GRADES_CHANGED = "2020-10-01"
"""Leicestershire went from three grades to five on this day."""


@dataclass(frozen=True, slots=True)
class Word:
    """A local value and its common one; `since` is its first day, `until` its last, "" is open.

    `category` stands on incident codes only, whose common value is the national number.
    """

    local: str
    common: str
    since: str = ""
    until: str = ""
    category: str = ""


NATIONAL: dict[str, tuple[str, str]] = {
    "001": (CRIME, "Violence"),
    "002": (CRIME, "Sexual offence"),
    "003": (CRIME, "Burglary"),
    "004": (CRIME, "Robbery"),
    "005": (CRIME, "Theft"),
    "006": (CRIME, "Vehicle crime"),
    "007": (CRIME, "Criminal damage"),
    "008": (CRIME, "Shoplifting"),
    "009": (CRIME, "Drugs"),
    "010": (CRIME, "Public order"),
    "011": (CRIME, "Weapons"),
    "012": (CRIME, "Bicycle theft"),
    "013": (CRIME, "Theft from the person"),
    "014": (CRIME, "Other crime"),
    "101": (ASB, "Personal"),
    "102": (ASB, "Nuisance"),
    "103": (ASB, "Environmental"),
    "201": (WELFARE, "Abandoned call"),
    "202": (WELFARE, "Alarm"),
    "203": (WELFARE, "Animals"),
    "204": (WELFARE, "Concern for safety"),
    "205": (WELFARE, "Domestic incident"),
    "206": (WELFARE, "Firearms"),
    "207": (WELFARE, "Hoax call"),
    "208": (WELFARE, "Licensing"),
    "209": (WELFARE, "Missing person"),
    "210": (WELFARE, "Absconder"),
    "211": (WELFARE, "Protest"),
    "212": (WELFARE, "Sudden death"),
    "213": (WELFARE, "Suspicious circumstances"),
    "214": (WELFARE, "Civil dispute"),
    "215": (WELFARE, "Immigration"),
    "301": (TRANSPORT, "Road related offence"),
    "302": (TRANSPORT, "Collision with injury"),
    "303": (TRANSPORT, "Collision, damage only"),
    "304": (TRANSPORT, "Highway disruption"),
    "305": (TRANSPORT, "Rail, air or marine"),
    "401": (ADMINISTRATION, "Message"),
    "402": (ADMINISTRATION, "Contact record"),
    "403": (ADMINISTRATION, "Lost or found property"),
    "404": (ADMINISTRATION, "Planned event"),
}
"""National code to category and title."""


def _words(text: str) -> tuple[Word, ...]:
    """Read "LOCAL=COMMON; ..."; a local value may hold spaces."""
    pairs = (part.split("=") for part in text.split(";"))
    return tuple(Word(local.strip(), common.strip()) for local, common in pairs)


def _codes(locals_: Sequence[str]) -> tuple[Word, ...]:
    """Give each national code, in order, its local one."""
    return tuple(
        Word(local, national, category=NATIONAL[national][0])
        for local, national in zip(locals_, NATIONAL, strict=True)
    )


_STATE_NAMES = (
    "EMERGENCY_ASSISTANCE", "ON_DUTY", "ON_PATROL", "AT_STATION", "REFRESHMENTS", "EN_ROUTE", "AT_SCENE",
    "COMMITTED_DEPLOYABLE", "COMMITTED", "PRISONER_ESCORT", "AT_COURT", "OFF_DUTY",
)  # fmt: skip
_NUMBERED_STATES = tuple(Word(str(number), name) for number, name in enumerate(_STATE_NAMES))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One force's local words, a tuple for each field they stand in."""

    status: tuple[Word, ...]
    grade: tuple[Word, ...]
    code: tuple[Word, ...]
    qualifier: tuple[Word, ...]
    unit_state: tuple[Word, ...]
    marking: tuple[Word, ...]
    kind: tuple[Word, ...]
    rank: tuple[Word, ...]
    standing: tuple[Word, ...]
    skill: tuple[Word, ...]
    duty: tuple[Word, ...]
    employment: tuple[Word, ...]
    _local: dict[tuple[str, str], tuple[Word, ...]] = field(init=False, default_factory=dict)

    def local(self, field_name: str, common: str, day: str = "9999") -> str:
        """Return the local word for a common one on a day (YYYY-MM-DD); "" for ""."""
        if not common:
            return ""
        found = self._local.get((field_name, common))
        if found is None:
            words: tuple[Word, ...] = getattr(self, field_name)
            found = self._local[field_name, common] = tuple(word for word in words if word.common == common)
        for word in found:
            if word.since <= day and (not word.until or day <= word.until):
                return word.local
        message = f"{field_name} has no local word for '{common}' on {day}"
        raise KeyError(message)


_SHARED_HR = {
    "kind": _words(
        "Police Officer=POLICE_OFFICER; Police Staff=POLICE_STAFF; PCSO=PCSO;"
        "Designated Officer=DESIGNATED_OFFICER; Special Constable=SPECIAL_CONSTABLE;"
        "Police Support Volunteer=POLICE_SUPPORT_VOLUNTEER"
    ),
    "rank": _words(
        "Constable=CONSTABLE; Sergeant=SERGEANT; Inspector=INSPECTOR; Chief Inspector=CHIEF_INSPECTOR;"
        "Superintendent=SUPERINTENDENT; Chief Superintendent=CHIEF_SUPERINTENDENT;"
        "Assistant Chief Constable=ASSISTANT_CHIEF_CONSTABLE;"
        "Deputy Chief Constable=DEPUTY_CHIEF_CONSTABLE; Chief Constable=CHIEF_CONSTABLE;"
        "Non-Ranked=NOT_RANKED"
    ),
    "standing": _words("Substantive=SUBSTANTIVE; Temporary=TEMPORARY; Acting=ACTING"),
    "skill": _words(
        "Authorised Firearms Officer=AUTHORISED_FIREARMS_OFFICER; Armed Response=ARMED_RESPONSE_VEHICLE;"
        "Taser=TASER; Public Order Level 1=PUBLIC_ORDER_1; Public Order Level 2=PUBLIC_ORDER_2;"
        "Public Order Level 3=PUBLIC_ORDER_3; Advanced Driver=ADVANCED_DRIVER; TPAC=PURSUIT;"
        "Response Driver=RESPONSE_DRIVER; PIP 1=PIP_1; PIP 2=PIP_2; PIP 3=PIP_3; PIP 4=PIP_4;"
        "POLSA=SEARCH; Dog Handler GP=DOG_GENERAL_PURPOSE; Dog Handler Drugs=DOG_DRUGS;"
        "Dog Handler Explosives=DOG_EXPLOSIVES; Negotiator=NEGOTIATOR; Method of Entry=METHOD_OF_ENTRY;"
        "CBRN=CBRN; Detective=DETECTIVE"
    ),
    "duty": _words("On Duty=ON_DUTY; Off Duty=OFF_DUTY; On Call=ON_CALL; Absent=ABSENT"),
    "employment": _words("Active=EMPLOYED; Ended=LEFT"),
}

LEICESTERSHIRE = Vocabulary(
    status=_words("O=OPEN; D=DISPATCHED; A=AT_SCENE; C=CLOSED; X=CANCELLED"),
    grade=(
        Word("1", "EMERGENCY"),
        Word("2", "PRIORITY"),
        Word("3", "SCHEDULED", until="2020-09-30"),
        Word("3", "PRIORITY", since=GRADES_CHANGED),
        Word("4", "SCHEDULED", since=GRADES_CHANGED),
        Word("5", "NO_ATTENDANCE", since=GRADES_CHANGED),
    ),
    code=_codes([f"L{number}" for number in range(101, 101 + len(NATIONAL))]),
    qualifier=_words(
        "AL=ALCOHOL; DR=DRUGS; DV=DOMESTIC_ABUSE; HR=HATE_RACE; HF=HATE_RELIGION;"
        "HS=HATE_SEXUAL_ORIENTATION; HD=HATE_DISABILITY; HT=HATE_TRANSGENDER; MH=MENTAL_HEALTH; YO=YOUTH;"
        "VA=VULNERABLE_ADULT; VC=VULNERABLE_CHILD; FA=FIREARMS; KN=KNIFE; RV=REPEAT_VICTIM"
    ),
    unit_state=_NUMBERED_STATES,
    marking=_words(
        "OFFICIAL=OFFICIAL; OFFICIAL-SENSITIVE=OFFICIAL_SENSITIVE; SECRET=SECRET;"
        "NPM=OFFICIAL; PROTECT=OFFICIAL_SENSITIVE; RESTRICTED=OFFICIAL_SENSITIVE"
    ),
    kind=_words(
        "PO=POLICE_OFFICER; PS=POLICE_STAFF; PCSO=PCSO; DO=DESIGNATED_OFFICER; SC=SPECIAL_CONSTABLE;"
        "PSV=POLICE_SUPPORT_VOLUNTEER"
    ),
    rank=_words(
        "CON=CONSTABLE; SGT=SERGEANT; INSP=INSPECTOR; CINSP=CHIEF_INSPECTOR; SUPT=SUPERINTENDENT;"
        "CSUPT=CHIEF_SUPERINTENDENT; ACC=ASSISTANT_CHIEF_CONSTABLE; DCC=DEPUTY_CHIEF_CONSTABLE;"
        "CC=CHIEF_CONSTABLE; NR=NOT_RANKED"
    ),
    standing=_words("S=SUBSTANTIVE; T=TEMPORARY; A=ACTING"),
    skill=_words(
        "AFO=AUTHORISED_FIREARMS_OFFICER; ARV=ARMED_RESPONSE_VEHICLE; TASER=TASER; PO1=PUBLIC_ORDER_1;"
        "PO2=PUBLIC_ORDER_2; PO3=PUBLIC_ORDER_3; ADV=ADVANCED_DRIVER; TPAC=PURSUIT; RESP=RESPONSE_DRIVER;"
        "PIP1=PIP_1; PIP2=PIP_2; PIP3=PIP_3; PIP4=PIP_4; POLSA=SEARCH; DOGGP=DOG_GENERAL_PURPOSE;"
        "DOGDR=DOG_DRUGS; DOGEX=DOG_EXPLOSIVES; NEG=NEGOTIATOR; MOE=METHOD_OF_ENTRY; CBRN=CBRN;"
        "DET=DETECTIVE"
    ),
    duty=_words("ON=ON_DUTY; OFF=OFF_DUTY; CALL=ON_CALL; ABS=ABSENT"),
    employment=_words("A=EMPLOYED; L=LEFT"),
)

NORTHAMPTONSHIRE = Vocabulary(
    # A cancelled log is an X line, so no state says it.
    status=_words("OPEN=OPEN; ASSIGNED=DISPATCHED; ON SCENE=AT_SCENE; CLOSED=CLOSED"),
    grade=_words("Immediate=EMERGENCY; Prompt=PRIORITY; Planned=SCHEDULED; Telephone=NO_ATTENDANCE"),
    code=_codes([f"N-{number:03}" for number in range(10, 10 + 10 * len(NATIONAL), 10)]),
    qualifier=_words(
        "Alcohol=ALCOHOL; Drugs=DRUGS; Domestic=DOMESTIC_ABUSE; Hate (race)=HATE_RACE;"
        "Hate (faith)=HATE_RELIGION; Hate (orientation)=HATE_SEXUAL_ORIENTATION;"
        "Hate (disability)=HATE_DISABILITY; Hate (transgender)=HATE_TRANSGENDER;"
        "Mental Health=MENTAL_HEALTH; Youth=YOUTH; Vulnerable Adult=VULNERABLE_ADULT;"
        "Vulnerable Child=VULNERABLE_CHILD; Firearm=FIREARMS; Knife=KNIFE; Repeat=REPEAT_VICTIM"
    ),
    unit_state=_words(
        "Emergency=EMERGENCY_ASSISTANCE; On Duty=ON_DUTY; Patrol=ON_PATROL; Station=AT_STATION;"
        "Refs=REFRESHMENTS; En Route=EN_ROUTE; At Scene=AT_SCENE; Committed Deployable=COMMITTED_DEPLOYABLE;"
        "Committed=COMMITTED; Escort=PRISONER_ESCORT; Court=AT_COURT; Off Duty=OFF_DUTY"
    ),
    marking=_words(
        "OFFICIAL=OFFICIAL; OFFICIAL SENSITIVE=OFFICIAL_SENSITIVE; SECRET=SECRET;"
        "NOT PROTECTIVELY MARKED=OFFICIAL; PROTECT=OFFICIAL_SENSITIVE; RESTRICTED=OFFICIAL_SENSITIVE"
    ),
    **_SHARED_HR,
)

NOTTINGHAMSHIRE = Vocabulary(
    status=_words("open=OPEN; assigned=DISPATCHED; attending=AT_SCENE; resolved=CLOSED; void=CANCELLED"),
    grade=_words("E=EMERGENCY; P=PRIORITY; S=SCHEDULED; N=NO_ATTENDANCE"),
    code=_codes(list(NATIONAL)),
    qualifier=_words(
        "alcohol=ALCOHOL; drugs=DRUGS; domestic-abuse=DOMESTIC_ABUSE; hate-race=HATE_RACE;"
        "hate-religion=HATE_RELIGION; hate-orientation=HATE_SEXUAL_ORIENTATION;"
        "hate-disability=HATE_DISABILITY; hate-transgender=HATE_TRANSGENDER; mental-health=MENTAL_HEALTH;"
        "youth=YOUTH; vulnerable-adult=VULNERABLE_ADULT; vulnerable-child=VULNERABLE_CHILD;"
        "firearms=FIREARMS; knife=KNIFE; repeat-victim=REPEAT_VICTIM"
    ),
    unit_state=_NUMBERED_STATES,
    marking=_words(
        "official=OFFICIAL; official-sensitive=OFFICIAL_SENSITIVE; secret=SECRET;"
        "npm=OFFICIAL; protect=OFFICIAL_SENSITIVE; restricted=OFFICIAL_SENSITIVE"
    ),
    **_SHARED_HR,
)

VOCABULARIES: dict[str, Vocabulary] = {
    "leicestershire": LEICESTERSHIRE,
    "northamptonshire": NORTHAMPTONSHIRE,
    "nottinghamshire": NOTTINGHAMSHIRE,
}
