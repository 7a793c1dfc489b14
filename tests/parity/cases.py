"""The exposures on which both pipelines are compared, and the tolerances of each step."""

from dataclasses import dataclass
from pathlib import Path

from jwcore.synth.instruments import Subarray
from jwcore.synth.simulate import Simulation, simulate

WINDOW = Subarray(name="SUB160P", xstart=1, ystart=1, xsize=160, ysize=160)
"""A corner of the detector, with reference pixels on two sides."""


@dataclass(frozen=True)
class Case:
    """One simulated programme.

    Attributes
    ----------
    name : str
        Shown in the table.
    recipes : tuple of str
        ``detector1``, ``image2``, ``image3``: what is run and compared.
    nints, ngroups, dithers : int
        Size of the programme.
    full_frame : bool
        2048x2048 pixels instead of a small corner.
    quick : bool
        Part of ``make parity-quick``.
    """

    name: str
    recipes: tuple[str, ...] = ("detector1",)
    nints: int = 1
    ngroups: int = 10
    dithers: int = 1
    full_frame: bool = False
    quick: bool = False

    def simulate(self, folder: Path) -> Simulation:
        """Write exposures and references; a folder that has them already is used again."""
        return simulate(
            folder,
            n_dithers=self.dithers,
            readpatt="BRIGHT1" if self.ngroups > 5 else "RAPID",
            ngroups=self.ngroups,
            nints=self.nints,
            subarray="FULL" if self.full_frame else WINDOW,
            seed=self.nints * 100 + self.ngroups,
            zeroframe=self.nints > 1,
        )


CASES = (
    Case("corner 1x5", nints=1, ngroups=5, quick=True),
    Case("corner 1x10", nints=1, ngroups=10, quick=True),
    Case("corner 2x5", nints=2, ngroups=5, quick=True),
    Case("corner 2x10", nints=2, ngroups=10, quick=True),
    Case("full 1x5", nints=1, ngroups=5, full_frame=True, quick=True),
    Case("full 1x10", nints=1, ngroups=10, full_frame=True),
    Case("full 2x5", nints=2, ngroups=5, full_frame=True),
    Case("full 2x10", nints=2, ngroups=10, full_frame=True),
    Case("imaging", recipes=("detector1", "image2", "image3"), ngroups=5, dithers=4, full_frame=True),
)

RAMP_STEPS = (
    "group_scale", "dq_init", "saturation", "ipc", "superbias", "refpix", "linearity", "dark_current", "jump",
)  # fmt: skip
RATE_STEPS = ("ramp_fit", "ramp_fitints", "gain_scale", "gain_scaleints")
IMAGE2_STEPS = ("assign_wcs", "flat_field", "photom", "resample2")

RTOL = {**dict.fromkeys(RAMP_STEPS, 1e-6), **dict.fromkeys(RATE_STEPS, 1e-5), "resample2": 1e-4, "resample": 1e-4}
DEFAULT_RTOL = 1e-5
"""Relative tolerance of floats; the other half of the tolerance is a thousandth of the error of the pixel."""
