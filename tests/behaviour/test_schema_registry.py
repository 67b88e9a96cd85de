"""The index of schemas: checked whole at the start, and grown by one command."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hub.cli.schemas import schemas_app
from hub.errors import BadRecordError, ConfigurationError, NewerSchemaError
from hub.forces import SCHEMAS, Force, load_forces
from hub.schema.avsc import fingerprint
from hub.schema.codec import Codec
from hub.schema.registry import load_registry

FEED = 'system = "command"\n[source]\n[mapping]\n'


def lincolnshire(folder: Path, *, schema_ids: str = "[10000, 10099]") -> Path:
    """A force outside the package, with a schema of its own and no index yet."""
    folder.mkdir()
    (folder / "force.toml").write_text(
        'name = "lincolnshire"\ntitle = "Lincolnshire Police"\ncode = "32"\narea = "E23000020"\n'
        f"schema_ids = {schema_ids}\n"
    )
    (folder / "incident.toml").write_text(FEED)
    text = (SCHEMAS / "leicestershire" / "incident.avsc").read_text()
    (folder / "incident.avsc").write_text(text.replace('"leicestershire"', '"lincolnshire"'))
    return folder


def forces_of(*folders: Path) -> dict[str, Force]:
    return load_forces(folders)


def app_for(*folders: Path) -> typer.Typer:
    return schemas_app(lambda _: forces_of(*folders))


def run(app: typer.Typer, *arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def force(tmp_path: Path) -> Path:
    """Lincolnshire with its index."""
    folder = lincolnshire(tmp_path / "lincolnshire")
    assert run(app_for(folder), "add", str(folder)).exit_code == 0
    return folder


def edit(file: Path, change) -> None:
    content = json.loads(file.read_text())
    changed = change(content)
    file.write_text(json.dumps(content if changed is None else changed))


def problems_of(*folders: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load_registry(forces_of(*folders))
    return str(refused.value).splitlines()


# --- reading ------------------------------------------------------------------------------------


def test_the_read_side_of_the_registry_tells_subjects_versions_and_texts(force):
    registry = load_registry(forces_of(force))

    assert "lincolnshire.incident.v1-value" in registry.subjects()
    assert "lincolnshire.positions.v1-value" in registry.subjects()
    assert "lincolnshire.incident.v1.dlq-value" in registry.subjects()
    assert "leicestershire.incident.v1-value" not in registry.subjects()  # not configured here
    (version,) = registry.versions("lincolnshire.incident.v1-value")
    assert (version.id, version.version) == (10_000, 1)
    assert json.loads(version.text) == json.loads((force / "incident.avsc").read_text())
    assert registry.by_id(10_000) is version
    assert registry.by_id(10_001) is None
    assert registry.versions("nobody.incident.v1-value") == ()


def test_topics_that_share_a_schema_share_its_id():
    registry = load_registry()
    ids = {registry.newest(f"{force}.positions.v1-value").id for force in ("leicestershire", "lincolnshire")}
    assert ids == {registry.newest("nottinghamshire.positions.v1-value").id}


@pytest.mark.parametrize("number", [9_999, 10_001, 10_099])
def test_an_id_to_come_of_the_package_or_of_the_force_is_of_a_newer_release(force, number):
    decode = Codec(load_registry(forces_of(force))).decoder("lincolnshire.incident.v1")
    with pytest.raises(NewerSchemaError, match=f"schema id {number}, which a newer release has given"):
        decode(b"\0" + number.to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("topic", "number"),
    [
        ("lincolnshire.incident.v1", 0),
        ("lincolnshire.incident.v1", 10_100),
        ("alliance.incident.v1", 10_001),
        ("lincolnshire.positions.v1", 2**32 - 1),
    ],
)
def test_an_id_of_no_range_that_may_stand_there_is_a_bad_record(force, topic, number):
    decode = Codec(load_registry(forces_of(force))).decoder(topic)
    with pytest.raises(BadRecordError, match=f"schema id {number}, which is in no index") as refused:
        decode(b"\0" + number.to_bytes(4, "big"))
    assert not isinstance(refused.value, NewerSchemaError)


def test_a_topic_without_a_schema_is_refused_with_the_remedy():
    with pytest.raises(
        ConfigurationError, match=r"No schema for subject 'alliance.custody.v1-value'; add one"
    ):
        Codec(load_registry()).encoder("alliance.custody.v1")


# --- what is wrong with an index ----------------------------------------------------------------


def test_a_force_outside_without_an_index_is_told_how_to_make_one(tmp_path):
    folder = lincolnshire(tmp_path / "lincolnshire")
    assert any(f"`alliance-hub schemas add {folder}` makes it" in line for line in problems_of(folder))


def test_a_force_outside_must_claim_its_ids(tmp_path):
    folder = lincolnshire(tmp_path / "lincolnshire")
    card = folder / "force.toml"
    card.write_text(card.read_text().replace("schema_ids = [10000, 10099]\n", ""))
    assert any("'schema_ids' is missing; claim a range" in line for line in problems_of(folder))


@pytest.mark.parametrize("claim", ["[100, 199]", "[10099, 10000]"])
def test_ids_of_the_package_cannot_be_claimed(tmp_path, claim):
    folder = lincolnshire(tmp_path / "lincolnshire", schema_ids=claim)
    assert any("must rise and begin at 10000" in line for line in problems_of(folder))


def test_two_forces_cannot_claim_the_same_ids(force, tmp_path):
    other = tmp_path / "derbyshire"
    shutil.copytree(force, other)
    card = other / "force.toml"
    card.write_text(card.read_text().replace('"lincolnshire"', '"derbyshire"'))
    found = problems_of(force, other)
    assert any("schema_ids [10000, 10099] overlap those of 'derbyshire'" in line for line in found)
    assert any("id 10000 is given to" in line for line in found)
    assert any("'lincolnshire.incident.v1-value' is not one of force 'derbyshire'" in line for line in found)


def test_a_published_schema_that_was_changed_is_refused_but_a_better_doc_is_not(force):
    edit(force / "incident.avsc", lambda schema: schema.update(doc="Better said."))
    load_registry(forces_of(force))
    edit(force / "incident.avsc", lambda schema: schema["fields"][-1]["type"]["fields"].pop())
    assert any("changed since id 10000 was given to it" in line for line in problems_of(force))


def test_every_problem_of_an_index_is_told_at_once(force):
    entry = json.loads((force / "index.json").read_text())[0]
    (force / "index.json").write_text(
        json.dumps(
            [
                {**entry, "id": 10_100},
                {**entry, "version": 3, "file": "gone.v3.avsc"},
                {**entry, "id": 10_001, "version": 3},
            ]
        )
    )
    found = problems_of(force)
    assert any("id 10100 is outside 10000 to 10099" in line for line in found)
    assert any("gone.v3.avsc: missing, but id 10000 is given to it" in line for line in found)
    assert any("has versions [1, 3]; they must be 1 to 2" in line for line in found)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "Invalid JSON"),
        ("{}", "valid array"),
        ('[{"id": 0}]', "greater than or equal to 1"),
        ('[{"id": 1, "file": "../../secret.avsc"}]', "0: file: "),
        ('[{"id": 1, "colour": "red"}]', "0: colour: "),
    ],
)
def test_an_index_that_is_none_is_refused_with_the_place(force, content, problem):
    (force / "index.json").write_text(content)
    assert any(problem in line for line in problems_of(force))


@pytest.mark.parametrize(
    ("content", "problem"),
    [("{", "not JSON"), ('"strin"', "not an Avro schema"), ('{"type": "record"}', "not an Avro schema")],
)
def test_a_file_that_is_no_schema_is_refused(force, content, problem):
    (force / "incident.avsc").write_text(content)
    assert any(problem in line for line in problems_of(force))


def test_a_force_schema_that_is_not_the_envelope_is_refused_at_the_start(force):
    edit(force / "incident.avsc", lambda schema: schema["fields"].pop(0))
    sha256 = fingerprint(json.loads((force / "incident.avsc").read_text()))
    edit(force / "index.json", lambda index: index[0].update(sha256=sha256))
    assert any("must have the fields record_id, system" in line for line in problems_of(force))


# --- the commands -------------------------------------------------------------------------------


def test_what_is_published_passes_the_check():
    result = run(app_for(), "check")
    assert result.exit_code == 0, result.output
    assert "schemas are compatible, explained and as published" in result.output


def add_column(schema) -> None:
    schema["fields"][-1]["type"]["fields"].append(
        {"name": "WARD", "type": ["null", "string"], "default": None, "doc": "Ward."}
    )


def test_a_changed_schema_becomes_the_next_version_and_the_old_one_stays(force):
    app = app_for(force)
    old = Codec(load_registry(forces_of(force)))
    datum = {
        "record_id": "r", "system": "s", "key": "k", "source_version": 1, "deleted": True, "read_at": 1,
        "changed_at": None, "source_position": "", "content_hash": bytes(16), "absent": [], "row": {},
    }  # fmt: skip
    value = old.encoder("lincolnshire.incident.v1")(datum)
    shutil.copy(force / "incident.avsc", force / "incident.v1.avsc")
    edit(force / "incident.avsc", add_column)

    added = run(app, "add", str(force))

    assert added.exit_code == 0, added.output
    assert "gave id 10001 to incident.avsc, version 2 of lincolnshire.incident.v1-value" in added.output
    assert run(app, "check").exit_code == 0
    assert run(app, "add", str(force)).output == ""  # nothing is new any more
    new = Codec(load_registry(forces_of(force)))
    assert new.decoder("lincolnshire.incident.v1")(value)["row"]["WARD"] is None


@pytest.mark.parametrize("beside", ["nothing", "the new version again"])
def test_a_changed_schema_without_its_old_version_is_refused_and_nothing_is_written(force, beside):
    before = (force / "index.json").read_bytes()
    edit(force / "incident.avsc", add_column)
    if beside == "the new version again":
        shutil.copy(force / "incident.avsc", force / "incident.v1.avsc")
    result = run(app_for(force), "add", str(force))
    assert result.exit_code == 2
    assert "first put version 1 as it was at" in result.output
    assert (force / "index.json").read_bytes() == before


def test_a_version_that_cannot_read_its_elders_gets_no_id(force):
    shutil.copy(force / "incident.avsc", force / "incident.v1.avsc")
    before = (force / "index.json").read_bytes()
    edit(
        force / "incident.avsc",
        lambda s: s["fields"][-1]["type"]["fields"][1].update(type=["null", "boolean"]),
    )
    result = run(app_for(force), "add", str(force))
    assert result.exit_code == 2
    assert "version 2 cannot read version 1: 'row.INC_DATE' may be string" in result.output
    assert (force / "index.json").read_bytes() == before


def test_an_incompatible_version_that_found_its_way_into_an_index_fails_the_check(force):
    shutil.copy(force / "incident.avsc", force / "incident.v1.avsc")
    edit(
        force / "incident.avsc",
        lambda s: s["fields"][-1]["type"]["fields"][1].update(type=["null", "boolean"], doc=""),
    )
    sha256 = fingerprint(json.loads((force / "incident.avsc").read_text()))
    (entry,) = json.loads((force / "index.json").read_text())
    entries = [{**entry, "file": "incident.v1.avsc"}, {**entry, "id": 10_001, "version": 2, "sha256": sha256}]
    (force / "index.json").write_text(json.dumps(entries))

    result = run(app_for(force), "check")

    assert result.exit_code == 2
    assert "version 2 cannot read version 1: 'row.INC_DATE' may be string" in result.output
    assert "'row.INC_DATE' has no doc" in result.output


def test_a_folder_that_is_no_force_gets_no_ids(tmp_path):
    result = run(app_for(), "add", str(tmp_path))
    assert result.exit_code == 2
    assert "cannot tell whose schemas these are" in result.output


def test_a_range_that_is_used_up_gives_no_id(tmp_path):
    folder = lincolnshire(tmp_path / "lincolnshire", schema_ids="[10000, 10000]")
    (folder / "hr.avsc").write_text((SCHEMAS / "leicestershire" / "hr.avsc").read_text())
    result = run(app_for(folder), "add", str(folder))
    assert result.exit_code == 2
    assert "no id is left for it in 10000 to 10000" in result.output
    assert not (folder / "index.json").exists()
