"""A hub that breaks invariant 2: it keeps a consumed offset before what was made from it."""

from hub.bus.embedded_producer import EmbeddedProducer
from hub.cli.app import main

if __name__ == "__main__":
    setattr(EmbeddedProducer, "keep_offsets", lambda _, consumer, offsets: consumer.commit(offsets))  # noqa: B010
    main()
