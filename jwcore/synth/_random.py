"""Random numbers that belong to a place: counter-based, the same whatever the order, the threads or the sub-array.

Every draw is a hash of (key, counter) with the finaliser of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA), after the
idea of Salmon et al. (2011, SC11). A detector property is a function of the pixel's position on the full detector, so
that a sub-array is exactly a slice of the full frame.
"""

import hashlib
import math

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange

__all__ = ["derive_key", "generator", "hash64", "normal_field", "normal_pair", "poisson", "uniform", "uniform_field"]

_POISSON_SWITCH = 12.0


def derive_key(*labels: object) -> np.uint64:
    """Derive a 64-bit key from any labels (seed, detector, name of the quantity...)."""
    digest = hashlib.blake2b("/".join(map(str, labels)).encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def generator(*labels: object) -> np.random.Generator:
    """Make a numpy generator seeded by labels, for work where the order of draws is fixed."""
    return np.random.default_rng(int(derive_key(*labels)))


@kernel
def hash64(key, counter):
    """Hash to 64 random bits a key and a counter (both uint64)."""
    z = key + np.uint64(0x9E3779B97F4A7C15) * (counter + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def uniform(bits):
    """Uniform deviate in (0, 1) from 64 random bits."""
    return (np.float64(bits >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@kernel
def normal_pair(bits):
    """Two independent standard normal deviates from 64 random bits (Box & Muller 1958)."""
    u = (np.float64(bits >> np.uint64(32)) + 0.5) * (1.0 / 4294967296.0)
    v = np.float64(bits & np.uint64(0xFFFFFFFF)) * (2.0 * math.pi / 4294967296.0)
    radius = math.sqrt(-2.0 * math.log(u))
    return radius * math.cos(v), radius * math.sin(v)


@kernel
def poisson(mean, normal, bits):
    """Poisson deviate: by inversion for small means, else from a normal deviate with the right skewness.

    For means above 12 the count is ``m + sqrt(m - 1/18) z + (z^2 - 1)/6`` (Cornish & Fisher 1938), which has the exact
    mean and variance and the skewness of the Poisson law; it is not rounded, since the converter rounds anyway.
    """
    if mean <= 0.0:
        return 0.0
    if mean > _POISSON_SWITCH:
        return mean + math.sqrt(mean - 1.0 / 18.0) * normal + (normal * normal - 1.0) / 6.0
    left = uniform(bits)
    probability = math.exp(-mean)
    count = 0.0
    while left > probability and count < 100.0:
        left -= probability
        count += 1.0
        probability *= mean / count
    return count


@parallel_kernel
def _fill_uniform(out, row0, column0, key):
    for y in prange(out.shape[0]):
        for x in range(out.shape[1]):
            place = np.uint64(row0 + y) << np.uint64(32) | np.uint64(column0 + x)
            out[y, x] = uniform(hash64(key, place))


@parallel_kernel
def _fill_normal(out, row0, column0, key):
    for y in prange(out.shape[0]):
        for x in range(out.shape[1]):
            place = np.uint64(row0 + y) << np.uint64(32) | np.uint64(column0 + x)
            out[y, x] = normal_pair(hash64(key, place))[0]


def uniform_field(*, shape: tuple[int, int], origin: tuple[int, int], key: np.uint64) -> np.ndarray:
    """Draw uniform deviates in (0, 1) per pixel, float32 [ny, nx], fixed by the absolute position of the pixel."""
    out = np.empty(shape, np.float32)
    _fill_uniform(out, origin[0], origin[1], key)
    return out


def normal_field(*, shape: tuple[int, int], origin: tuple[int, int], key: np.uint64) -> np.ndarray:
    """Draw standard normal deviates per pixel, float32 [ny, nx], fixed by the absolute position of the pixel."""
    out = np.empty(shape, np.float32)
    _fill_normal(out, origin[0], origin[1], key)
    return out
