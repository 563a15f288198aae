"""What calls did to the project's files, and how it is taken back: contents kept, steps folded, files restored."""
