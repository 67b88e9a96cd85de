"""Connectors read the forces' legacy systems and publish what changed. May import `hub`."""
