"""A wrapper that asks for the result twice."""

from jwcore import api


@api.wrapper(stage="photom")
def watch(exposure):
    yield
    result = yield
    return result
