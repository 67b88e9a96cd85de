"""What becomes of each bad input, and which test shows it: one row a case, checked by `test_outcomes.py`."""

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    BLANK = "blank and flagged: the record goes on, the bad field is empty with its local text and a flag"
    BOTH = "kept and told: both instants that the text can mean are in the record"
    DEAD = "dead-lettered: the original bytes and the reason are kept, the good ones behind go on"
    WAITS = "waits: nothing is taken until it is whole, and the force is not fresh meanwhile"
    NOTHING = "brings nothing new: told once, harmless"
    IGNORED = "left out and told once: what was not asked for is never read further"
    RETRIED = "retried: with growing pauses, counted, until it mends"
    STOPPED = "source stopped: nothing of it is published, the message says what to do"


@dataclass(frozen=True)
class Case:
    """A bad input, its outcome, and the test as pytest names it: `folder/file.py::name`, under `tests/`."""

    what: str
    outcome: Outcome
    test: str


_LINES = "bad_input/test_csv_lines.py::test_"
_FILES = "bad_input/test_csv_files.py::test_"
_XML = "bad_input/test_xml_pages.py::test_"
_ANSWERS = "bad_input/test_feed_answers.py::test_"
_FIELDS = "bad_input/test_mapping_values.py::test_"
_EVENTS = "bad_input/test_mapping_events.py::test_"
_DATABASE = "bad_input/test_database_sqlite.py::test_"
_POSTGRES = "bad_input/test_database_postgres.py::test_"
_VIEW = "bad_input/test_view_records.py::test_"
_SNAPSHOTS = "behaviour/test_files_snapshot.py::test_"

CASES = (
    # files
    Case("a CSV with a wrong column count", Outcome.DEAD, f"{_LINES}a_wrong_column_count_is_refused"),
    Case(
        "a CSV of another encoding in places", Outcome.DEAD, f"{_LINES}a_byte_of_another_encoding_is_refused"
    ),
    Case(
        "a CSV of another encoding throughout", Outcome.STOPPED, f"{_FILES}a_file_of_another_encoding_stops"
    ),
    Case("a CSV with a NUL byte", Outcome.DEAD, f"{_LINES}a_nul_byte_is_refused"),
    Case("a CSV with a 10 MB field", Outcome.DEAD, f"{_LINES}a_field_of_ten_megabytes_is_refused"),
    Case("a CSV with a line of 40 MB", Outcome.DEAD, f"{_LINES}a_line_too_long_to_hold_is_refused_unread"),
    Case(
        "a CSV with a quote that is not closed",
        Outcome.DEAD,
        f"{_LINES}a_quote_not_closed_costs_its_line_alone",
    ),
    Case("a CSV whose header changed", Outcome.STOPPED, f"{_FILES}a_header_that_changed_stops"),
    Case("a CSV with a column twice", Outcome.STOPPED, f"{_FILES}a_column_that_stands_twice_stops"),
    Case("a CSV with a column more", Outcome.IGNORED, f"{_FILES}a_column_more_is_not_read"),
    Case("a file still being written", Outcome.WAITS, f"{_FILES}a_file_still_being_written_waits"),
    Case("a file that changes as it is read", Outcome.RETRIED, f"{_FILES}a_file_that_changes_as_it_is_read"),
    Case(
        "a file that goes before it is read", Outcome.RETRIED, f"{_FILES}a_file_that_goes_before_it_is_read"
    ),
    Case("the same file under another name", Outcome.NOTHING, f"{_FILES}the_same_file_under_another_name"),
    Case(
        "a copy that sorts before other files",
        Outcome.NOTHING,
        "behaviour/test_files_repeated.py::test_a_copy_that_sorts_before_others",
    ),
    Case("a half-written last line", Outcome.WAITS, f"{_FILES}a_half_written_last_line_waits"),
    Case(
        "a drop that comes late",
        Outcome.WAITS,
        "behaviour/test_files_repeated.py::test_a_drop_that_comes_late",
    ),
    Case(
        "an extract without its trailer", Outcome.WAITS, f"{_SNAPSHOTS}an_extract_without_its_trailer_waits"
    ),
    Case("an extract cut short", Outcome.STOPPED, f"{_SNAPSHOTS}a_trailer_that_counts_otherwise_stops"),
    Case(
        "a key twice in an extract",
        Outcome.DEAD,
        "behaviour/test_connector_removals.py::test_of_a_key_twice_in_a_snapshot",
    ),
    Case("a row of no known force", Outcome.DEAD, f"{_SNAPSHOTS}the_feed_that_claims_them_refuses_rows"),
    # feeds
    Case(
        "XML with an external entity", Outcome.STOPPED, f"{_XML}an_external_entity_is_refused_and_not_fetched"
    ),
    Case("XML with a billion laughs", Outcome.STOPPED, f"{_XML}a_billion_laughs_are_refused_at_once"),
    Case("XML not well formed", Outcome.RETRIED, f"{_XML}xml_that_is_not_well_formed_is_asked_for_again"),
    Case("XML with an unknown element", Outcome.IGNORED, f"{_XML}an_unknown_element_is_left_out"),
    Case(
        "an XML item that cannot be decoded", Outcome.DEAD, f"{_XML}an_item_that_cannot_be_decoded_is_refused"
    ),
    Case("an XML item without a reference", Outcome.DEAD, f"{_XML}an_item_without_a_reference_has_no_key"),
    Case("JSON that is none", Outcome.RETRIED, f"{_ANSWERS}what_is_no_json_is_asked_for_again"),
    Case("a feed that is down", Outcome.RETRIED, f"{_ANSWERS}a_feed_that_is_down_is_asked_again"),
    Case("a feed that answers 500", Outcome.RETRIED, f"{_ANSWERS}a_server_error_is_asked_again"),
    Case("a feed that answers 429 with Retry-After", Outcome.RETRIED, f"{_ANSWERS}retry_after_is_honoured"),
    Case("a feed that refuses the secret", Outcome.STOPPED, f"{_ANSWERS}a_refused_secret_stops"),
    Case("a feed that gives a page twice", Outcome.NOTHING, f"{_ANSWERS}a_page_twice_gives_the_same_rows"),
    Case("a feed that leads in a circle", Outcome.RETRIED, f"{_ANSWERS}a_feed_that_leads_in_a_circle"),
    Case("a feed whose token expired", Outcome.NOTHING, f"{_ANSWERS}an_expired_token_begins_a_listing_anew"),
    Case("a feed with a page too large", Outcome.STOPPED, f"{_ANSWERS}a_page_too_large_stops"),
    Case(
        "a feed that answers another page",
        Outcome.RETRIED,
        f"{_ANSWERS}a_page_of_something_else_is_asked_again",
    ),
    # fields
    Case("a date that does not exist", Outcome.BLANK, f"{_FIELDS}a_date_that_does_not_exist_is_blank"),
    Case("the hour repeated in October", Outcome.BOTH, f"{_FIELDS}the_repeated_hour_is_two_instants"),
    Case("the hour missing in March", Outcome.BLANK, f"{_FIELDS}the_missing_hour_is_blank_and_flagged"),
    Case("an unknown code", Outcome.BLANK, f"{_FIELDS}an_unknown_code_is_unknown_and_flagged"),
    Case("a coordinate at sea", Outcome.BLANK, f"{_FIELDS}a_coordinate_at_sea_is_blank_and_flagged"),
    Case("a field of 10 MB on the bus", Outcome.BLANK, f"{_FIELDS}a_field_of_ten_megabytes_is_kept_once"),
    # events
    Case("a person without a number", Outcome.DEAD, f"{_FIELDS}a_person_without_a_number_is_refused"),
    Case("an event without a key", Outcome.DEAD, f"{_EVENTS}an_event_without_a_key_in_its_envelope"),
    Case("an event of a time outside the calendar", Outcome.DEAD, f"{_EVENTS}an_event_of_a_time_outside_the"),
    Case("an event of another force", Outcome.DEAD, f"{_EVENTS}an_event_of_another_force_is_dead_lettered"),
    Case("an Avro value of an unknown id", Outcome.DEAD, f"{_EVENTS}an_unknown_schema_id_is_dead_lettered"),
    Case("an Avro value of a newer release", Outcome.STOPPED, f"{_EVENTS}an_event_of_a_newer_release_stops"),
    Case("an Avro value cut short", Outcome.DEAD, f"{_EVENTS}a_value_cut_short_is_dead_lettered"),
    Case("an Avro value of another schema", Outcome.DEAD, f"{_EVENTS}a_value_of_another_topics_schema"),
    Case("an event of 600 KB that is no Avro", Outcome.DEAD, f"{_EVENTS}of_a_large_event_the_head_is_kept"),
    Case("most of a window of events bad", Outcome.STOPPED, f"{_EVENTS}most_of_a_window_bad_leaves_the_feed"),
    # databases
    Case(
        "a database that is down at start",
        Outcome.RETRIED,
        f"{_DATABASE}a_database_that_is_down_at_the_start",
    ),
    Case("a database that goes away midway", Outcome.RETRIED, f"{_DATABASE}a_database_that_goes_away_midway"),
    Case("a connection that breaks", Outcome.RETRIED, f"{_POSTGRES}a_connection_that_breaks_is_made_again"),
    Case("a column renamed before the start", Outcome.STOPPED, f"{_DATABASE}a_column_that_was_renamed_stops"),
    Case("a column renamed midway", Outcome.STOPPED, f"{_DATABASE}a_column_renamed_while_reading_stops"),
    Case("a table that is gone", Outcome.STOPPED, f"{_DATABASE}a_table_that_is_gone_stops_the_source"),
    Case("a right that is missing", Outcome.STOPPED, f"{_POSTGRES}a_right_that_is_missing_is_named"),
    Case(
        "a database text that is no text", Outcome.DEAD, f"{_DATABASE}text_that_is_no_text_is_a_dead_letter"
    ),
    Case(
        "a database row without a key", Outcome.DEAD, f"{_DATABASE}rows_without_a_key_are_dead_letters_once"
    ),
    # the view and the bus
    Case("an alliance value that cannot be read", Outcome.DEAD, f"{_VIEW}a_value_is_set_aside"),
    Case("an alliance value of a newer release", Outcome.STOPPED, f"{_VIEW}a_value_of_a_newer_release_stops"),
    Case("most of a window of alliance values bad", Outcome.STOPPED, f"{_VIEW}most_of_a_window_bad_stops"),
    Case(
        "a full disk on the embedded bus",
        Outcome.RETRIED,
        "behaviour/test_embedded_file.py::test_a_full_disk_is_said_and_writes_nothing_by_half",
    ),
)
