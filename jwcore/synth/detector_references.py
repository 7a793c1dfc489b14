"""Contents of the detector-level reference files that match a simulated detector.

Every reference is made from the same `DetectorMaps` as the exposures, so that a correction that is done right recovers
the truth. `jwcore.synth.reference_files` writes them in the official formats; tests may use the arrays as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from jwcore.algorithms import dq
from jwcore.synth import irs2, transients
from jwcore.synth.instruments import Instrument, Readout
from jwcore.synth.interference import active_waves, reference_wave
from jwcore.synth.maps import LINEARITY_COEFFICIENTS, DetectorMaps
from jwcore.synth.side_kernels import transfer_functions

__all__ = ["DetectorReferences", "ReferenceContent", "flag", "inverse_kernel", "reverse_series"]

DARK_PIXELS = 100_000_000
"""Size limit of a dark ramp, pixels (400 MB); longer exposures rely on its linear extension."""
RESET_GROUPS = 24
"""Groups after which nothing is left of the decay after a reset."""
SKIPPED_GROUPS = (2, 4)
"""Groups to be left out because of the reset switch, in the first and in later integrations."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceContent:
    """What one reference file holds.

    ``arrays`` and ``tables`` by extension name; ``flags`` uint32 standard DQ bits; ``tree`` for ASDF references;
    ``keywords`` beyond the common ones. ``by_subarray`` and ``by_readpatt`` tell that the rules select by sub-array name
    or read pattern (otherwise the file serves all of them).
    """

    type: str
    model: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    flags: np.ndarray | None = None
    tables: dict[str, np.ndarray] = field(default_factory=dict)
    tree: dict | None = None
    keywords: dict = field(default_factory=dict)
    by_subarray: bool = False
    by_readpatt: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectorReferences:
    """Makes the detector-level references; ``maps`` covers the full frame or one sub-array. One method per type.

    The types that depend on how an exposure is read need the ``readout``. With ``inverse_linearity`` the linearity
    reference has INV_COEFFS too.
    """

    instrument: Instrument
    maps: DetectorMaps
    readout: Readout | None = None
    inverse_linearity: bool = False

    @property
    def _readout(self) -> Readout:
        if self.readout is None:
            raise ValueError("this reference depends on how an exposure is read: pass a readout")
        return self.readout

    @property
    def _interleaved(self) -> bool:
        """Whether reference samples lie between the pixels of a frame."""
        return self.readout is not None and self.readout.pattern.references

    def mask(self) -> ReferenceContent:
        """Bad-pixel mask."""
        flags = self.maps.pixel_flags
        if self._interleaved:
            samples = np.full((flags.shape[1], irs2.ROWS), dq.REFERENCE_PIXEL, np.uint32)
            flags = irs2.interleave(flags, samples, self.maps.spec)
        return ReferenceContent(type="mask", model="MaskModel", flags=flags, by_readpatt=self._interleaved)

    def saturation(self) -> ReferenceContent:
        """Saturation level in raw DN, slightly below the full well; not checked in reference pixels."""
        maps = self.maps
        level = np.minimum(maps.split_bias(maps.bias)[0] + 0.985 * maps.well, 65535.0)
        return ReferenceContent(
            type="saturation",
            model="SaturationModel",
            arrays={"SCI": np.where(maps.reference_pixel, 100000.0, level).astype(np.float32)},
            flags=flag(maps.reference_pixel, dq.NO_SAT_CHECK),
        )

    def superbias(self) -> ReferenceContent:
        """Bias of every pixel."""
        bias, spec = self.maps.bias, self.maps.spec
        if self._interleaved:
            bias = irs2.interleave(bias, irs2.reference_bias(self.maps), spec)
        return ReferenceContent(
            type="superbias",
            model="SuperBiasModel",
            arrays={"SCI": bias, "ERR": np.full_like(bias, 0.5)},
            flags=np.zeros(bias.shape, np.uint32),
            keywords={"READPATT": self._pattern_keyword},
            by_subarray=True,
            by_readpatt=self._interleaved,
        )

    @property
    def _pattern_keyword(self) -> str:
        return self._readout.pattern.name if self._interleaved else "ANY"

    def refpix(self) -> ReferenceContent:
        """Transfer functions of the correction with interleaved reference samples; no bad samples."""
        table = np.zeros(
            2 * irs2.LINE * 2048, [(f"{name}_{output}", "f4") for name in ("alpha", "beta") for output in range(4)]
        )
        for name, function in zip(("alpha", "beta"), irs2.transfer_functions(), strict=True):
            for output in range(4):
                table[f"{name}_{output}"][0::2], table[f"{name}_{output}"][1::2] = function.real, function.imag
        good = np.zeros(8, [("OUTPUT", "u2"), ("ODD_EVEN", "u2"), ("MASK", "u4")])
        good["OUTPUT"], good["ODD_EVEN"] = np.repeat([1, 2, 3, 4], 2), np.tile([1, 2], 4)
        return ReferenceContent(
            type="refpix",
            model="IRS2Model",
            tables={"IRS2": table, "DQ": good},
            keywords={"READPATT": self._readout.pattern.name},
            by_readpatt=True,
        )

    def sirskernel(self) -> ReferenceContent:
        """Transfer functions from the side reference pixels to the drift of every amplifier, of all detectors."""
        functions = {
            name.lower(): transfer_functions(spec, self.maps.effects)
            for name, spec in self.instrument.detectors.items()
        }
        tree = {name: {"gamma": gamma, "zeta": zeta} for name, (gamma, zeta) in functions.items()}
        return ReferenceContent(type="sirskernel", model="SIRSKernelModel", tree=tree)

    def ipc(self) -> ReferenceContent:
        """Deconvolution kernel of the inter-pixel capacitance."""
        kernel = inverse_kernel(self.maps.ipc_kernel).astype(np.float32)
        return ReferenceContent(type="ipc", model="IPCModel", arrays={"SCI": kernel})

    def linearity(self) -> ReferenceContent:
        """Polynomial from measured to linear DN, and, with `inverse_linearity`, that of the opposite direction."""
        maps = self.maps
        arrays = {"COEFFS": maps.linearity_coefficients}
        if self.inverse_linearity:
            arrays["INV_COEFFS"] = maps.scale_coefficients(reverse_series(LINEARITY_COEFFICIENTS))
        return ReferenceContent(
            type="linearity",
            model="LinearityModel",
            arrays=arrays,
            flags=flag(maps.reference_pixel, dq.NO_LIN_CORR),
        )

    def reset(self) -> ReferenceContent:
        """Decay after a reset, DN: one ramp for the first integration and one for the others."""
        maps, readout = self.maps, self._readout
        groups = range(min(readout.ngroups, RESET_GROUPS))
        ramps = [
            np.stack([transients.reset_decay(maps, integration=i, frames=self._frames(g)) for g in groups])
            for i in (0, 1)
        ]
        data = np.stack(ramps) if maps.effects.reset_decay else np.zeros_like(np.stack(ramps))
        return ReferenceContent(
            type="reset",
            model="ResetModel",
            arrays={"SCI": data, "ERR": np.zeros_like(data)},
            flags=np.zeros(data.shape[2:], np.uint32),
            keywords={"READPATT": readout.pattern.name, "NINTS": 2, "NGROUPS": len(groups)},
            by_subarray=True,
            by_readpatt=True,
        )

    def _frames(self, group: int) -> range:
        first = self._readout.first_frame(group)
        return range(first, first + self._readout.nframes)

    def rscd(self) -> ReferenceContent:
        """Groups to be left out at the start of integrations."""
        names = dict.fromkeys(("FULL", self.maps.aperture.subarray.name))
        rows = [(subarray, pattern, *SKIPPED_GROUPS) for subarray in names for pattern in self.instrument.read_patterns]
        dtype = [("subarray", "S17"), ("readpatt", "S12"), ("group_skip1", "i4"), ("group_skip", "i4")]
        return ReferenceContent(type="rscd", model="RSCDModel", tables={"RSCD_GROUP_SKIP": np.array(rows, dtype)})

    def emicorr(self) -> ReferenceContent:
        """Lines of electromagnetic interference with their waves, and the clocks of the sub-array."""
        spec, readout, name = self.maps.spec, self._readout, self.maps.aperture.subarray.name
        lines = list(active_waves(spec, readout))
        slow = readout.pattern.samples > 1
        key = f"FULL_{'SLOW' if slow else 'FAST'}" if name == "FULL" else name
        case = {
            "rowclocks": readout.row_clocks,
            "frameclocks": readout.frame_clocks,
            "freqs": {"FAST": lines, "SLOW": dict.fromkeys(self.instrument.detectors, lines)},
        }
        waves = {line: {"frequency": spec.waves[line], "phase_amplitudes": reference_wave()} for line in spec.waves}
        return ReferenceContent(
            type="emicorr", model="EmiModel", tree={"frequencies": waves, "subarray_cases": {key: case}}
        )

    def dark(self) -> ReferenceContent:
        """Dark ramp in linear DN, one frame per group; AVDRKCUR holds the rate in e-/s."""
        maps, readout = self.maps, self._readout
        subarray, flags = maps.aperture.subarray, flag(maps.hot, dq.HOT)
        two = not maps.spec.superbias  # detectors without a superbias have a dark that differs in the first integration
        by_readpatt = two or self._interleaved  # elsewhere groups of any pattern are made from single frames
        frames = min(readout.frames, DARK_PIXELS // (subarray.xsize * subarray.ysize * (1 + two)))
        per_frame = maps.dark / maps.gain * np.float32(readout.frame_time)
        ramp = np.arange(1, frames + 1, dtype=np.float32)[:, None, None] * per_frame
        if two:
            first = ramp.copy()
            for settling in transients.transients(maps=maps, readout=readout, integration=0)[0]:
                first += np.stack([settling.charge((k + 1) * readout.frame_time) for k in range(frames)]) / maps.gain
            ramp, flags = np.stack([first, ramp]), np.broadcast_to(flags, (2, 1, *flags.shape)).copy()
        return ReferenceContent(
            type="dark",
            model="DarkMIRIModel" if two else "DarkModel",
            arrays={"SCI": ramp, "AVDRKCUR": maps.dark},
            flags=flags,
            keywords={
                "EXP_TYPE": self.instrument.exp_type,
                "NFRAMES": 1,
                "GROUPGAP": 0,
                "NGROUPS": frames,
                "READPATT": readout.pattern.name if by_readpatt else "ANY",
                "TFRAME": readout.frame_time,
                "TGROUP": readout.frame_time,
                "NOUTPUTS": subarray.noutputs,
            },
            by_subarray=True,
            by_readpatt=by_readpatt,
        )

    def gain(self) -> ReferenceContent:
        """Gain, e-/DN."""
        return ReferenceContent(type="gain", model="GainModel", arrays={"SCI": self.maps.gain})

    def readnoise(self) -> ReferenceContent:
        """Noise of the difference of two reads, DN, as seen after the IPC deconvolution."""
        maps = self.maps
        amplified = np.sqrt((inverse_kernel(maps.ipc_kernel) ** 2).sum())
        noise = np.sqrt(2.0) * amplified * maps.read_noise / maps.gain
        noise = np.maximum(noise, 0.5).astype(np.float32)  # rounding noise, and weights that stay finite
        return ReferenceContent(
            type="readnoise",
            model="ReadnoiseModel",
            arrays={"SCI": noise},
            keywords={"READPATT": "ANY"},
            by_subarray=True,
        )

    def pictureframe(self) -> ReferenceContent:
        """Thermal pattern, DN/s."""
        pattern = transients.picture_frame(self.maps)
        return ReferenceContent(type="pictureframe", model="PictureFrameModel", arrays={"SCI": pattern})


def flag(where: np.ndarray, value: int) -> np.ndarray:
    """Make a DQ array with one bit set where a condition holds, uint32."""
    return np.where(where, np.uint32(value), np.uint32(0))


def inverse_kernel(kernel: np.ndarray) -> np.ndarray:
    """Least-squares inverse of a 3 by 3 kernel within 3 by 3 pixels, with unit sum.

    What it cannot undo is of the order of the coupling squared (a few 1e-5 in pixels two steps away).
    """
    from scipy.signal import convolve2d

    columns = [convolve2d(kernel, np.eye(9)[k].reshape(3, 3)).ravel() for k in range(9)]
    target = np.zeros((5, 5))
    target[2, 2] = 1.0
    solution = np.linalg.lstsq(np.stack(columns, axis=1), target.ravel(), rcond=None)[0].reshape(3, 3)
    return solution / solution.sum()


def reverse_series(coefficients: Sequence[float], order: int = 7) -> list[float]:
    """Coefficients of the inverse of a power series that starts with (0, 1), up to an order."""
    inverse = np.zeros(order + 1)
    inverse[1] = 1.0
    for n in range(2, order + 1):
        # P(Q(x)) = x: the coefficient of x^n of P(Q), with Q known below that order, must vanish
        power, residual = inverse.copy(), 0.0
        for k, c in enumerate(coefficients):
            if k >= 2:
                power = np.convolve(power, inverse)[: order + 1]
                residual += c * power[n]
        inverse[n] = -residual
    return inverse.tolist()
