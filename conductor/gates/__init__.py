"""Gates: what says whether work is good, and readers of what they print."""
