"""What a feed published before, read back from the bus."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connectors.messages import id_of_dead_letter, id_prefix
from connectors.state import Known, State
from hub.bus.contract import Bus
from hub.dead_letters import dead_letter_topic
from hub.errors import BadRecordError, FatalError, HubError, NewerSchemaError
from hub.forces import Feed
from hub.schema.codec import Codec

_TELL_EVERY = 10_000


def read_state(feed: Feed, bus: Bus, codec: Codec, moves: Callable[[], None]) -> State:
    """The newest version of each key, and the dead letters that were written.

    Millions take minutes, so `moves` is called now and then, to tell that from standing still.
    """
    state = State()
    try:
        state.load(_events(feed, bus, codec, moves), _dead_letters(feed, bus))
    except HubError:
        state.close()
        raise
    return state


@contextmanager
def readable(feed: Feed) -> Iterator[None]:
    """A connector does not begin where what it published cannot be read: versions would begin anew."""
    try:
        yield
    except NewerSchemaError as error:
        raise FatalError(f"{feed}: what it published before {error}.") from error
    except BadRecordError as error:
        raise FatalError(
            f"{feed}: what it published before cannot be read back, and without it versions would "
            f"begin anew: {error}. Find who else writes to {feed.force}'s topics."
        ) from error


def _events(
    feed: Feed, bus: Bus, codec: Codec, moves: Callable[[], None]
) -> Iterator[tuple[str, Known | None]]:
    """Each version of each key; the key alone stands for one that was erased."""
    decode = codec.decoder(feed.topic)
    prefix = len(id_prefix(feed))
    for number, received in enumerate(bus.read_all(feed.topic)):
        if number % _TELL_EVERY == 0:
            moves()
        if received.value is not None:
            event = decode(received.value)
            yield event["key"], Known(event["source_version"], event["content_hash"], event["deleted"])
        elif received.key is not None:
            yield received.key.decode()[prefix:], None


def _dead_letters(feed: Feed, bus: Bus) -> Iterator[bytes]:
    for received in bus.read_all(dead_letter_topic(feed.topic)):
        name = id_of_dead_letter(received.key)
        if name is not None:
            yield name
