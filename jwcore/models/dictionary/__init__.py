"""The keyword dictionary as data: one text table per subject, and the enumerations they name."""

from jwcore.models.dictionary import instrument, observation, pointing, processing

TABLE = "\n".join([observation.TABLE, instrument.TABLE, pointing.TABLE, processing.TABLE])
"""All keywords, in the order in which they are written to a header."""
