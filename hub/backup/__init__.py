"""Backup of store and embedded bus while they are used, and their restoring.

A backup is a folder: `manifest.json`, written last, and the files that it names with their lengths
and SHA-256. **The store is copied before the bus**, so that no offset kept in the store lies beyond
the end of its topic in the backup (invariant 2): what came between is read again by the view, and
applying it twice changes nothing (invariant 3). Topics on Kafka are Kafka's to keep.

    sqlite_file.py      one SQLite file: copied at one moment, put back
    postgres_tables.py  the store's tables on PostgreSQL: copied from one snapshot, put back
    contents.py         what an SQLite copy holds
    manifest.py         what a backup says of itself
    taking.py           `backup`      restoring.py   `restore`
"""
