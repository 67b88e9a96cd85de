"""Dead letters: what could not be used, set aside, and what people do about it (invariant 6).

letter, headers             what every stage sets aside, and how
cases, book                 what has become of each; all of them, followed on the bus
contents, mask, shown       what a letter holds, and how much of it may be seen
search, reading             which letters are meant, and who may see them
writer, edit, office        every act in a transaction with its audit entry; who may do what
examine, newest, lookout    whether a letter would pass now, and never over a newer version
replay, rows, wishes        sent again; a row through its connector, which answers
holds                       strict order: what waits behind a letter, and goes on after it
erasures                    let go with the record that they are of
tending, jobs               what the office does by itself, and what it is asked over HTTP
"""

from hub.dead_letters.headers import letter_headers
from hub.dead_letters.letter import dead_letter, dead_letter_key, dead_letter_topic, kept

__all__ = ["dead_letter", "dead_letter_key", "dead_letter_topic", "kept", "letter_headers"]
