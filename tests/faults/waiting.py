"""Waiting, as all tests do it."""

from tests.waiting import PATIENCE_SECONDS, wait_until

__all__ = ["PATIENCE_SECONDS", "wait_until"]
