"""The execution clutch: one protocol (`base`), one module each, one table (`registry`)."""
