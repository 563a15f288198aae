"""Where the journal is kept: one protocol (`base`), one module each, one table (`registry`)."""
