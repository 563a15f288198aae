"""Views of source code for models: one protocol (`base`), one table per language, one registry."""
