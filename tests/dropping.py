"""Drops and extracts in the forces' own forms, and a bus with the topics of all of them."""

from connectors.sources import open_source
from hub.bus import open_bus
from hub.bus.topics import apply, specs
from hub.metrics import Metrics
from hub.schema.codec import Codec
from hub.schema.registry import load_registry
from tests.connecting import Bench
from tests.legacy import builtin_forces

PERSON = (
    "ORG_CODE", "EMPLOYEE_NUMBER", "WORKER_TYPE", "GRADE_NAME", "GRADE_BASIS", "GRADE_END", "LAST_NAME",
    "FIRST_NAME", "NINO", "ORGANISATION", "LOCATION_CODE", "LOCATION_NAME", "LOCATION_POSTCODE",
    "LOCATION_LAT", "LOCATION_LON", "COMPETENCIES", "DUTY_STATUS", "DUTY_FROM", "DUTY_TO",
    "ASSIGNMENT_STATUS",
)  # fmt: skip
LOG = (
    "Log No", "Log Date", "Action", "Date Created", "Time Despatched", "Time Arrived", "Time Closed",
    "State", "Response", "Type In", "Type Out", "Flags", "Description", "Informant", "Address", "Post Code",
    "Grid Ref", "Sector", "Resources", "Occurrence", "GSC", "Sensitive",
)  # fmt: skip


class Forces(Bench):
    """An embedded bus with the topics of all built-in forces."""

    def __init__(self, folder):
        self.folder = folder
        self.forces = builtin_forces()
        self.codec = Codec(load_registry(self.forces))
        self.bus = open_bus(f"embedded://{folder}/bus.db")
        self.metrics = Metrics()
        apply(self.bus, specs(self.forces, partitions=2))
        self.drops = folder / "drops"
        self.drops.mkdir(exist_ok=True)

    def of_force(self, name):
        force, _, domain = name.partition("/")
        return self.forces[force].feeds[domain]

    def read(self, feed, location=None, actions=()):
        source = open_source(feed, location or str(self.drops), None)
        self.connect(feed, source, *actions)
        return source


def drop(forces, name, *logs):
    lines = [LOG, *([log.get(column, "") for column in LOG] for log in logs)]
    text = "".join(",".join(line) + "\r\n" for line in lines)
    (forces.drops / name).write_bytes(text.encode("cp1252", "surrogateescape"))
    (forces.drops / f"{name}.done").touch()


def log(number, action="N", text="", **more):
    return {"Log No": str(number), "Log Date": "01/11/2016", "Action": action, "Description": text} | more


def extract(forces, name, *people, count=None):
    lines = [PERSON, *([person.get(column, "") for column in PERSON] for person in people)]
    lines.append(["TRAILER", str(len(people) if count is None else count)])
    (forces.drops / name).write_text("".join("|".join(line) + "\n" for line in lines), "utf-8")


def person(number, org="34", name="Shah"):
    return {"ORG_CODE": org, "EMPLOYEE_NUMBER": str(number), "LAST_NAME": name, "NINO": "QQ123456C"}
