"""Where commands run: what holds them to the project, and what they may see and use."""
