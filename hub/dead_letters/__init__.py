"""Dead letters: what could not be used, set aside, and what people do about it (invariant 6).

letter, headers       what every stage sets aside, and how
cases, book           what has become of each; all of them, followed on the bus
contents, search      what a letter holds, masked; which letters are meant
writer, office        every act in a transaction with its audit entry; who may do what
newest, replay        a record sent again, never over a newer one
holds                 strict order: what waits behind a letter, and goes on after it
"""

from hub.dead_letters.headers import letter_headers
from hub.dead_letters.letter import dead_letter, dead_letter_key, dead_letter_topic, kept

__all__ = ["dead_letter", "dead_letter_key", "dead_letter_topic", "kept", "letter_headers"]
