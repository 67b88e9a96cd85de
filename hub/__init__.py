"""Alliance Hub: events in, shared alliance records out. Never imports `connectors`."""
