"""A dithered field of stars, simulated and reduced once for all tests of mosaics."""

from dataclasses import dataclass

import numpy as np
import pytest

from jwcore import planner
from jwcore.synth import Simulation, simulate
from jwcore.synth.instruments import Subarray
from jwcore.synth.simulate import TARGET
from jwcore.synth.sky import CATALOG_DTYPE

FIELD = Subarray(name="FIELD", xstart=1, ystart=1, xsize=320, ysize=320)
"""A corner of the detector, 10 arcsec wide, with reference pixels on two sides."""
PITCH = 1.25
"""Distance of bright stars, arcsec."""
DETECTION = {"source_catalog": {"npixels": 5}}
"""Fewer pixels than by default, for point sources near the detection limit."""


@dataclass(frozen=True)
class Field:
    """A simulated programme and what the whole chain made of it."""

    made: Simulation
    products: object

    @property
    def mosaic(self):
        """The mosaic; the other i2d products are quick looks at single exposures."""
        return self.products["i2d"][-1]

    def paths(self, suffix):
        """Files that the chain wrote."""
        return sorted(path for path in self.products.paths() if path.stem.endswith(suffix))


def star_field(*, half_width, bright=(19.0, 21.5), faint=(23.0, 25.5), seed=1):
    """Bright stars on a jittered lattice around the target, and a faint one between each four of them."""
    rng = np.random.default_rng(seed)
    steps = np.arange(-int(half_width / PITCH), int(half_width / PITCH) + 1) * PITCH
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    stars = np.zeros(2 * x.size, CATALOG_DTYPE)
    stars["abmag"] = np.concatenate([rng.uniform(*bright, x.size), rng.uniform(*faint, x.size)])
    east, north = np.concatenate([[x, y], [x + PITCH / 2, y + PITCH / 2]], axis=1) + rng.uniform(
        -0.1, 0.1, (2, 2 * x.size)
    )
    stars["dec"] = TARGET[1] + north / 3600
    stars["ra"] = TARGET[0] + east / 3600 / np.cos(np.deg2rad(stars["dec"]))
    stars["type"], stars["flux_ujy"] = "star", 10 ** (0.4 * (23.9 - stars["abmag"]))
    stars = stars[np.argsort(stars["abmag"])]
    stars["id"] = np.arange(1, stars.size + 1)
    return stars


@pytest.fixture(scope="session")
def field(tmp_path_factory):
    """Four dithers of 53 s with pointing errors of 15 mas, from raw files to mosaic and catalogue."""
    folder = tmp_path_factory.mktemp("field")
    made = simulate(
        folder / "raw", n_dithers=4, readpatt="SHALLOW4", ngroups=10, subarray=FIELD, seed=3, pointing_error_mas=15.0,
        catalog=star_field(half_width=6.5),
    )  # fmt: skip
    plan = planner.plan(made.uncals, "auto", output_dir=folder / "products", params=DETECTION)
    return Field(made, plan.run())
