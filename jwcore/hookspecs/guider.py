"""Stages of calwebb_guider: from the raw reads of a fine guidance sensor to count rates.

Between a `GuiderRaw` (reads [nints, ngroups, ny, nx], DN; ``dq`` [ny, nx]) and a `GuiderCal` (rates [nints, ny, nx],
DN/s). The recipe shares dq_init and flat_field with the science exposures.
"""

# ruff: noqa: F821  (types are documentation: hook specs import nothing)
from __future__ import annotations

from jwcore.declare import stage


@stage(status="guider_cds")
def guider_cds(exposure: GuiderRaw, references: References, params: Params, context: Context) -> GuiderCal:
    """Make count rates from the difference of reads, with their errors; the tables of stars and pointing are kept.

    ``data`` in DN, TGROUP seconds from read to read; ``gain`` (e-/DN) and ``readnoise`` (DN, the scatter of the
    difference of two reads) give the errors. Returns a `GuiderCal` with ``data`` and ``err`` in DN/s and the ``dq`` of
    the reads, with BUNIT written.

    How reads are combined depends on the mode: the second minus the first (acquisition, tracking), the mean of the last
    four minus that of the first four (fine guiding), the smaller one of two differences (identification).
    """
