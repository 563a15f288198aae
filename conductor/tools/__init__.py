"""Tools of the workers: one protocol (`base`), one module each, one table (`registry`)."""
