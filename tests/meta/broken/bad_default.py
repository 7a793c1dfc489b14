"""Has a default outside its own limits."""

from jwcore import api


class PhotomParams(api.Params):
    scale: float = api.param(-1.0, "Factor", ge=0)


@api.step(stage="photom", params=PhotomParams)
def photom(exposure, params):
    return exposure
