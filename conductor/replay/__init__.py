"""A finished run once more, from the journal alone: no model, no network, in a scratch folder."""
