"""Conductor: run a track of tickets through cheap language-model workers, with a human on the clutch."""
