"""What must never be shared, planted in the stand-ins under every column that must never be read.

A test looks for these values in every topic, dead letter, store and log.
"""

PLANTED: dict[str, str] = {
    "CALLER_NAME": "Plantagenet Callerwood",
    "CALLER_PHONE": "07700900461",
    "NI_NUMBER": "QQ465461C",
    "BANK_ACCOUNT": "40046146",
    "SALARY": "46146.46",
    "ABSENCE_REASON": "Planted absence sciatica",
    "Informant": "Plantagenet Informantson",
    "NINO": "QQ465462C",
    "PAY_POINT": "PAYPOINT-46",
    "SORT_CODE": "46-14-64",
    "ABSENCE_CATEGORY": "Planted category bereavement",
    "Caller": "Plantagenet Callaghan",
}
"""Column or element, and the value that stands there."""
