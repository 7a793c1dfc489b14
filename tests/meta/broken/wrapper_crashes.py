"""A wrapper that fails after its step."""

from jwcore import api


@api.wrapper(stage="photom")
def watch(exposure, context):
    result = yield
    context.count(ratio=1 / 0)
    return result
