"""Tier 4: failing output becomes a hint of at most 20 words.

`base` has the records, `analyser.analyse` reads an output without a model, `inspector.Inspector` asks the cheap model
first. `output` is the text as the readers see it, and each of the other modules reads one family of tools.
"""
