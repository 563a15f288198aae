"""Models: one protocol (`base`), one module each, one table (`registry`)."""
