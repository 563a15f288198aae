"""Tier 4: failing output becomes a hint of at most 20 words.

`base` has the records, `analyser.analyse` reads the output without a model, `inspector.Inspector` asks the cheap model
first. `output` is the text as the readers see it; `python`, `pytest`, `diagnostics`, `runtimes`, `tools` and `config` each read one family.
"""
