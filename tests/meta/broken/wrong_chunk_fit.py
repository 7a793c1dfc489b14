"""Declares rows for a fit that looks at all of them."""

from jwcore import api


@api.step(stage="ramp_fit", chunk="rows")
def ramp_fit(exposure):
    rate = exposure.data.mean(axis=(0, 1)) - exposure.data.mean()
    return {"rate": api.Image(data=rate, meta=exposure.meta.copy())}
