"""What a change does to the shape of Python code, to those who call it, to its tests and to frozen files."""
