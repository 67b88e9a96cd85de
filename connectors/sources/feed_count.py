"""How many items a feed holds, found by reading all of it."""

import sqlite3
from collections.abc import Callable

from connectors.source import Row
from connectors.sources.feed_page import Page


def count_pages(page_after: Callable[[str | None], Page]) -> int:
    """Count distinct live keys, in a private temporary file so that memory stays flat."""
    live = sqlite3.connect("")
    try:
        live.execute("create table live (key text primary key) without rowid")
        token: str | None = None
        while True:
            page = page_after(token)
            for row in page.rows:
                if row.key is not None:
                    removed = isinstance(row, Row) and row.removed
                    sql = (
                        "delete from live where key = ?"
                        if removed
                        else "insert or ignore into live values (?)"
                    )
                    live.execute(sql, (row.key,))
            if page.complete or page.next in {token, None}:
                return int(live.execute("select count(*) from live").fetchone()[0])
            token = page.next
    finally:
        live.close()
