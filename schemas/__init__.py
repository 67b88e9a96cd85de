"""Avro schemas (`.avsc`), the source of truth of every value on the bus; no code."""
