"""Names by which plugins are found in package metadata."""

GROUP = "jwcal.plugins"
"""Entry-point group of all plugins, ours included."""

FIRST_PARTY = frozenset({"jwcal", "jwcal-nircam", "jwcal-miri", "jwcal-nirspec", "jwcal-niriss", "jwcal-fgs"})
"""Distributions whose plugins act as soon as they are installed."""
