"""One record's step: decode the force's event, map it, encode the alliance's record with its headers."""

from hub.bus.contract import RECORD_LIMIT_BYTES, Headers, Received
from hub.bus.headers import header
from hub.domains import DOMAINS
from hub.errors import BadRecordError
from hub.events import CALENDAR, Heading, event_id
from hub.normalise.flags import Flags
from hub.normalise.mapping import Envelope, Mapper, Record
from hub.schema.codec import Codec
from hub.tracing import HEADER

_ROOM_FOR_KEY_AND_HEADERS = 64 * 1024

Made = tuple[bytes | None, Headers, Flags]
"""What a step made: the value and headers to send, and the doubts to count."""


class Step:
    """The step for the events of one feed."""

    def __init__(self, mapper: Mapper, codec: Codec) -> None:
        feed = mapper.feed
        domain = DOMAINS[feed.domain]
        self.topic = domain.topic
        self._decode = codec.decoder(feed.topic)
        self._map = mapper.make
        self.ahead = mapper.ahead
        self._encode = codec.encoder(domain.topic)
        self._mapping_version = mapper.version
        self._heading = Heading(f"/alliance/{feed.force}/{feed.domain}", domain.topic)

    def read(self, received: Received) -> Envelope | None:
        """Decode an event; None for an erasure. `BadRecordError` where it has no key or cannot be read."""
        if received.key is None:
            raise BadRecordError("The event has no key on the bus, so its order is unknown.")
        return None if received.value is None else self._decode(received.value)

    def make(self, received: Received, envelope: Envelope | None) -> Made:
        """Make what is sent on, an erasure as it came. `BadRecordError` without an owner or a time."""
        if envelope is None:
            return None, (), []
        record = self.map(received, envelope)
        return self.encode(record), self._headers(received, record), record["flags"]

    def map(self, received: Received, envelope: Envelope) -> Record:
        """A mapping that fails on a row is a defect; the row is kept, the others go on."""
        try:
            return self._map(envelope, received.topic, received.partition, received.offset)
        except BadRecordError:
            raise
        except Exception as error:
            raise BadRecordError(
                f"The mapping failed ({type(error).__name__}): a defect of the hub; please report it."
            ) from error

    def encode(self, record: Record) -> bytes:
        """Check against the alliance's schema and write."""
        value = self._encode(record)
        if len(value) > RECORD_LIMIT_BYTES - _ROOM_FOR_KEY_AND_HEADERS:
            raise BadRecordError(f"The alliance record is {len(value)} bytes long, more than the bus takes.")
        return value

    def _headers(self, received: Received, record: Record) -> Headers:
        provenance = record["provenance"]
        read_at, changed_at = provenance["read_at"], provenance["changed_at"]
        time = read_at if changed_at is None else changed_at
        if read_at not in CALENDAR or time not in CALENDAR:
            raise BadRecordError("The event's time lies outside the calendar; find who wrote it.")
        return self._heading.of(
            event_id(record["id"], record["source_version"], self._mapping_version),
            time,
            received.key or b"",
            header(received.headers, HEADER),
        )
