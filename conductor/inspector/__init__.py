"""The inspector: honest odds from what gates, tests and humans said, each recomputable from the journal."""
