"""The properties of every pixel of a simulated detector.

The maps are the truth from which both the exposures and the reference files are made. They depend on the detector and
on the absolute position of the pixel only, so that a sub-array is a slice of the full frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jwcore.algorithms import dq
from jwcore.synth._random import derive_key, normal_field, uniform_field
from jwcore.synth.effects import Effects
from jwcore.synth.instruments import DetectorSpec
from jwcore.synth.siaf import Aperture
from jwcore.synth.wcs import pixel_area

__all__ = ["LINEARITY_COEFFICIENTS", "DetectorMaps"]

LINEARITY_COEFFICIENTS = (0.0, 1.0, 6.5e-7, 2.0e-12, 3.0e-17)
"""Polynomial from measured to linear signal (DN above the bias): about 4 % at 50000 DN."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectorMaps:
    """Pixel properties of a detector, cut to a sub-array; all arrays are [ny, nx].

    ``serial`` distinguishes detectors with the same name, and is not the noise seed of an exposure.
    """

    spec: DetectorSpec
    aperture: Aperture
    effects: Effects
    serial: int = 0

    def _key(self, quantity: str) -> np.uint64:
        return derive_key(self.spec.name, self.serial, quantity)

    def _normal(self, quantity: str) -> np.ndarray:
        subarray = self.aperture.subarray
        return normal_field(shape=subarray.shape, origin=subarray.origin, key=self._key(quantity))

    def _uniform(self, quantity: str) -> np.ndarray:
        subarray = self.aperture.subarray
        return uniform_field(shape=subarray.shape, origin=subarray.origin, key=self._key(quantity))

    @cached_property
    def position(self) -> tuple[np.ndarray, np.ndarray]:
        """Row [ny, 1] and column [1, nx] on the full detector as fractions of its size."""
        (row, column), (ny, nx) = self.aperture.subarray.origin, self.aperture.subarray.shape
        rows, columns = self.spec.shape
        y, x = (row + np.arange(ny)) / rows, (column + np.arange(nx)) / columns
        return y[:, None].astype(np.float32), x[None, :].astype(np.float32)

    @cached_property
    def _amplifier(self) -> np.ndarray:
        """Amplifier (0 to 3) that reads each pixel in full-frame mode: stripes along the fast axis, or every fourth column."""
        y, x = self.position
        stripe = np.floor(4 * (x if abs(self.spec.fastaxis) == 1 else y)).astype(int)
        if self.spec.interleaved:
            (_, column), (_, nx) = self.aperture.subarray.origin, self.aperture.subarray.shape
            stripe = (column + np.arange(nx)[None, :]) % 4
        return np.broadcast_to(stripe, self.aperture.subarray.shape)

    @cached_property
    def science_limits(self) -> tuple[int, int, int, int]:
        """First and past-the-last row, first and past-the-last column of the light-sensitive pixels."""
        (row, column), (ny, nx) = self.aperture.subarray.origin, self.aperture.subarray.shape
        rows, columns = self.spec.shape
        below, above, left, right = self.spec.border if self.effects.reference_pixels else (0, 0, 0, 0)
        top, end = min(ny, rows - above - row), min(nx, columns - right - column)
        return max(0, below - row), top, max(0, left - column), end

    @cached_property
    def reference_pixel(self) -> np.ndarray:
        """True for the border pixels that see no light, bool."""
        mask = np.ones(self.aperture.subarray.shape, bool)
        bottom, top, left, right = self.science_limits
        mask[bottom:top, left:right] = False
        return mask

    @cached_property
    def bias(self) -> np.ndarray:
        """Bias, DN, float32."""
        if not self.effects.bias:
            return np.full(self.aperture.subarray.shape, self.spec.bias, np.float32)
        y, x = self.position
        level = self.spec.bias + 250.0 * np.array([0.0, 0.6, -0.8, 0.3], np.float32)[self._amplifier]
        smooth = 80.0 * np.sin(3.1 * x + 1.0) * np.cos(2.3 * y) + 60.0 * np.exp(-y / 0.03)
        return (level + smooth + 60.0 * self._normal("bias")).astype(np.float32)

    def split_bias(self, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Split a bias (DN) into what is added to the measured signal (DN) and what the non-linearity acts on (e-)."""
        if self.spec.superbias:
            return bias, np.zeros_like(bias)
        # reference pixels have no photodiode, and no non-linearity
        return np.where(self.reference_pixel, bias, np.float32(0)), np.where(
            self.reference_pixel, np.float32(0), bias * self.gain
        )

    @cached_property
    def gain(self) -> np.ndarray:
        """Gain, e-/DN, float32; slightly different in the four amplifiers."""
        factor = 1.0 + 0.01 * np.array([0.4, -0.7, 0.9, -0.2], np.float32)
        return (self.spec.gain * factor[self._amplifier]).astype(np.float32)

    @cached_property
    def read_noise(self) -> np.ndarray:
        """Noise of a single read, e-, float32."""
        if not self.effects.read_noise:
            return np.zeros(self.aperture.subarray.shape, np.float32)
        return (self.spec.read_noise * np.exp(0.12 * self._normal("read noise"))).astype(np.float32)

    @cached_property
    def hot(self) -> np.ndarray:
        """True for pixels with a high dark current, bool."""
        return (self._uniform("hot") < (0.001 if self.effects.dark else 0.0)) & ~self.reference_pixel

    @cached_property
    def dark(self) -> np.ndarray:
        """Dark current, e-/s, float32: a mean level, amplifier glow in two corners and hot pixels."""
        if not self.effects.dark:
            return np.zeros(self.aperture.subarray.shape, np.float32)
        y, x = self.position
        glow = 4.0 * np.exp(-np.hypot(x, y) / 0.08) + 2.0 * np.exp(-np.hypot(1 - x, 1 - y) / 0.12)
        rate = self.spec.dark * (1.0 + glow) * np.exp(0.2 * self._normal("dark"))
        hot_rate = np.exp(np.log(2.0) + 1.2 * self._normal("hot rate"))
        rate = np.where(self.hot, hot_rate, rate)
        return np.where(self.reference_pixel, 0.0, rate).astype(np.float32)

    @cached_property
    def dead(self) -> np.ndarray:
        """True for pixels without response, bool."""
        return (self._uniform("dead") < (0.0005 if self.effects.bad_pixels else 0.0)) & ~self.reference_pixel

    @cached_property
    def low_response(self) -> np.ndarray:
        """True for pixels with a low response, bool."""
        low = self._uniform("low response") < (0.0005 if self.effects.bad_pixels else 0.0)
        return low & ~self.reference_pixel & ~self.dead

    @cached_property
    def area(self) -> np.ndarray:
        """Pixel area relative to the nominal pixel, float32."""
        return pixel_area(self.aperture).astype(np.float32)

    @cached_property
    def response(self) -> np.ndarray:
        """Response of the pixel to light, relative, float32; zero in dead and reference pixels."""
        shape = self.aperture.subarray.shape
        response = np.ones(shape, np.float32)
        if self.effects.flat:
            y, x = self.position
            response *= 1.0 + 0.03 * np.cos(2.5 * x + 0.4) * np.sin(3.0 * y + 0.2) + 0.008 * self._normal("flat")
        response[self.low_response] *= 0.4
        response[self.dead | self.reference_pixel] = 0.0
        return response

    @cached_property
    def flat(self) -> np.ndarray:
        """What a flat-field exposure shows, float32: response times pixel area, in DN of the nominal gain."""
        return (self.response * self.area * (self.spec.gain / self.gain)).astype(np.float32)

    @cached_property
    def nonlinearity(self) -> np.ndarray:
        """Scale s of the non-linearity of each pixel, float32: linear = P(s D) / s with the common polynomial P."""
        if not self.effects.nonlinearity:
            return np.zeros(self.aperture.subarray.shape, np.float32)
        return (1.0 + 0.05 * self._normal("nonlinearity")).clip(0.7, 1.3).astype(np.float32)

    @cached_property
    def linearity_coefficients(self) -> np.ndarray:
        """Coefficients of the correction of each pixel, float32 [5, ny, nx]."""
        return self.scale_coefficients(LINEARITY_COEFFICIENTS)

    def scale_coefficients(self, coefficients: Sequence[float]) -> np.ndarray:
        """Coefficients of the common polynomial for each pixel's scale, float32 [n, ny, nx]."""
        s = self.nonlinearity
        return np.stack([c * s ** max(k - 1, 0) for k, c in enumerate(coefficients)]).astype(np.float32)

    @cached_property
    def well(self) -> np.ndarray:
        """Signal at which a pixel saturates, measured DN above what `split_bias` adds, float32."""
        level = self.spec.well if self.effects.saturation else 1e6
        return (level * (1.0 + 0.015 * self._normal("well").clip(-3, 3))).astype(np.float32)

    @cached_property
    def ipc_kernel(self) -> np.ndarray:
        """Forward coupling of neighbouring pixels, float64 [3, 3], unit sum (Moore et al. 2004, Proc. SPIE 5167)."""
        side = self.effects.ipc_coupling if self.effects.ipc else 0.0
        diagonal = 0.06 * side
        kernel = np.array([[diagonal, side, diagonal], [side, 0.0, side], [diagonal, side, diagonal]])
        kernel[1, 1] = 1.0 - kernel.sum()
        return kernel

    @cached_property
    def pixel_flags(self) -> np.ndarray:
        """DQ bits of the permanently bad and the reference pixels (what the bad-pixel mask holds), uint32."""
        flags = np.zeros(self.aperture.subarray.shape, np.uint32)
        flags[self.dead] |= dq.DEAD | dq.DO_NOT_USE
        flags[self.low_response] |= dq.LOW_QE
        flags[self.hot] |= dq.HOT
        flags[self.reference_pixel] |= dq.REFERENCE_PIXEL
        return flags
