"""Toy stages, steps and recipes in the hard shapes that instruments will need."""

import numpy as np

from jwcore import api

# ------------------------------------------------------------------ stages of this plugin


@api.stage(status=None)
def toy_add(exposure, params, context):
    """Add a number to the science array."""


@api.stage()
def toy_subtract(exposure, members, params, context):
    """Subtract the mean of the background members."""


@api.stage(gives=("left", "right"))
def toy_split(exposure):
    """Divide an image into its left and right half."""


@api.stage()
def toy_merge(exposure, members):
    """Join the halves."""


@api.stage()
def toy_extract(exposure):
    """Collapse an image to one row."""


@api.stage()
def toy_photom(exposure):
    """Multiply by ten."""


@api.stage()
def toy_flat(exposure, params):
    """Divide by two, or multiply when inverse."""


@api.stage()
def toy_master(exposure, context):
    """Apply the flat to a copy, subtract its median, and undo the flat."""


@api.stage()
def toy_trap(exposure, state, context):
    """Subtract what the previous exposure of this detector left behind."""


@api.stage()
def toy_sources(exposure):
    """Cut one image for every row."""


@api.stage()
def toy_rows(exposure, context):
    """Work on rows with a halo."""


@api.stage()
def toy_integrations(exposure, context):
    """Work on whole integrations."""


@api.stage(gives=("rate",))
def toy_fit(exposure):
    """Average over groups and integrations."""


# ------------------------------------------------------------------ steps


class AddParams(api.Params):
    """Parameters of toy_add."""

    value: float = api.param(1.0, "What is added", unit="DN", ge=0)


class FlatParams(api.Params):
    """Parameters of toy_flat."""

    inverse: bool = api.param(False, "Multiply instead of divide")


@api.step(stage="toy_add", params=AddParams)
def add(exposure, params):
    exposure.data += np.float32(params.value)
    return exposure


@api.step(stage="toy_add", where={"CHANNEL": "LONG"}, name="add_long", params=AddParams)
def add_long(exposure, params):
    exposure.data += np.float32(100 * params.value)
    return exposure


@api.step(stage="toy_add", name="double", alternative=True, params=AddParams)
def add_double(exposure, params):
    exposure.data += np.float32(2 * params.value)
    return exposure


@api.step(stage="toy_subtract", members=("background",))
def subtract(exposure, members, context):
    backgrounds = [one.data for one in members["background"].each()]
    exposure.data -= np.mean(backgrounds, axis=0)
    context.count(backgrounds=len(backgrounds))
    return exposure


@api.step(stage="toy_split")
def split(exposure):
    half = exposure.data.shape[1] // 2
    parts = {}
    for name, columns in (("left", slice(None, half)), ("right", slice(half, None))):
        parts[name] = api.Image(data=exposure.data[:, columns].copy(), meta=exposure.meta.copy())
    return parts


@api.step(stage="toy_merge")
def merge(exposure, members):
    exposure.data = np.hstack([members["left"].data, members["right"].data])
    return exposure


@api.step(stage="toy_extract")
def extract(exposure):
    return api.Image(data=exposure.data.sum(axis=0, keepdims=True), meta=exposure.meta)


@api.step(stage="toy_photom")
def photom(exposure):
    exposure.data *= 10
    return exposure


@api.step(stage="toy_flat", params=FlatParams)
def flat(exposure, params):
    exposure.data *= np.float32(2 if params.inverse else 0.5)
    return exposure


@api.step(stage="toy_master", calls=("toy_flat",))
def master(exposure, context):
    flattened = context.run("toy_flat", exposure)
    flattened.data -= np.median(flattened.data)
    restored = context.run("toy_flat", flattened, consume=True, inverse=True)
    exposure.data = restored.data
    return exposure


@api.step(stage="toy_trap", state=("filled",))
def trap(exposure, state, context):
    before = state["filled"]
    state["filled"] = exposure.data.copy()
    if before is not None:
        exposure.data -= before
        context.count(relaxed=1)
    return exposure


@api.step(stage="toy_sources")
def sources(exposure):
    return {
        f"s{row}": api.Image(data=exposure.data[row : row + 1].copy(), meta=exposure.meta.copy())
        for row in range(exposure.data.shape[0])
    }


@api.step(stage="toy_rows", chunk="rows", halo=1)
def rows(exposure, context):
    """Mean with the row above and below, edges repeated: wrong at chunk borders unless there is a halo."""
    padded = np.pad(exposure.data, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")
    exposure.data = (padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]) / 3
    exposure.pixeldq |= np.uint32(4)
    context.count(pixels=exposure.data[0, 0].size)
    return exposure


@api.step(stage="toy_integrations", chunk="integrations")
def integrations(exposure, context):
    """Subtract the median of every frame: needs whole frames."""
    exposure.data -= np.median(exposure.data, axis=(2, 3), keepdims=True)
    exposure.pixeldq |= np.uint32(8)
    context.count(frames=exposure.data.shape[0] * exposure.data.shape[1])
    return exposure


@api.step(stage="toy_fit", chunk="rows")
def fit(exposure):
    rate = api.Image(data=exposure.data.mean(axis=(0, 1)), meta=exposure.meta.copy())
    rate.dq = exposure.pixeldq.copy()
    return {"rate": rate}


@api.hookimpl
def jwcal_recipes():
    both = ("science", "background")
    return [
        api.Recipe("toy_add", (api.Step("toy_add"),), {"science": "added"}),
        api.Recipe(
            "toy_twice",
            (api.Step("toy_add", label="first", params={"value": 3}), api.Step("toy_add", label="second")),
            {"science": "twice"},
        ),
        api.Recipe(
            "toy_background",
            (api.Step("toy_add", on=both), api.Step("toy_subtract", when={"members": "background"})),
            {"science": "bsub"},
        ),
        api.Recipe(
            "toy_branches",
            (
                api.Split(
                    "toy_split", {"left": (api.Step("toy_add"),), "right": (api.Step("toy_photom"),)}, "toy_merge"
                ),
            ),
            {"science": "merged"},
        ),
        api.Recipe(
            "toy_soss",
            (api.Step("toy_extract", gives="x1d"), api.Step("toy_photom", on=("x1d",))),
            {"science": "cal", "x1d": "x1d"},
        ),
        api.Recipe("toy_nested", (api.Step("toy_master"),), {"science": "mbsub"}),
        api.Recipe("toy_persistence", (api.Step("toy_trap"),), {"science": "relaxed"}),
        api.Recipe(
            "toy_fan_out", (api.ForEach("toy_sources", (api.Step("toy_photom"),), gives="cal"),), {"cal": "cal"}
        ),
        api.Recipe(
            "toy_stream",
            (
                api.Step("toy_rows"),
                api.Step("toy_integrations"),
                api.Step("toy_rows", label="again"),
                api.Step("toy_fit"),
            ),
            {"rate": "rate"},
        ),
    ]
