"""How long a terminal takes to turn, to search and to lock. Nothing here draws numbers.

Draws come from a standard normal number that the caller passes in, so that a run repeats whatever
the order in which its links are looked at. Everything broadcasts; scalars give scalars.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

_Z95 = float(ndtri(0.95))


def slew_s(
    angle_rad: ArrayLike, rate_rad_s: ArrayLike, accel_rad_s2: ArrayLike | None = None
) -> np.ndarray:
    """Return the time to turn by an angle: max(angle/rate, 2 √(angle/acceleration)).

    Either limit alone, whichever is longer: without an acceleration the rate only. Exact until the
    rate is reached; beyond, a motor with both limits takes at most rate/acceleration longer.
    """
    angle = np.abs(angle_rad)
    at_rate_s = angle / rate_rad_s
    if accel_rad_s2 is None:
        return at_rate_s
    return np.maximum(at_rate_s, 2 * np.sqrt(angle / accel_rad_s2))


def _spiral_s(
    radius_rad: ArrayLike, beam_rad: ArrayLike, overlap: ArrayLike, dwell_s: ArrayLike
) -> np.ndarray:
    """Time to cover a disc by steps of a beam: areas divided, with both pitches overlapping."""
    pitch_rad = np.asarray(beam_rad) * (1 - np.asarray(overlap))
    return np.asarray(dwell_s) * np.square(np.asarray(radius_rad) / pitch_rad)


def spiral_mean_s(
    sigma_rad: ArrayLike, beam_rad: ArrayLike, overlap: ArrayLike, dwell_s: ArrayLike
) -> np.ndarray:
    """Return the mean time until a spiral scan finds its target.

    The uncertainty is Gaussian with ``sigma_rad`` an axis; ``beam_rad`` is the half-angle that one
    dwell covers, ``overlap`` in [0, 1) of neighbouring dwells and turns. The squared radius of the
    target has the mean 2σ² and an exponential distribution, and so has this time.
    """
    return _spiral_s(np.sqrt(2) * np.asarray(sigma_rad), beam_rad, overlap, dwell_s)


def spiral_max_s(
    sigma_rad: ArrayLike,
    beam_rad: ArrayLike,
    overlap: ArrayLike,
    dwell_s: ArrayLike,
    sigmas: ArrayLike = 3.0,
) -> np.ndarray:
    """Return the time of a whole scan, out to a radius of ``sigmas`` × ``sigma_rad``.

    Arguments as in :func:`spiral_mean_s`; :func:`spiral_coverage` says how often that is enough.
    """
    return _spiral_s(np.asarray(sigmas) * sigma_rad, beam_rad, overlap, dwell_s)


def spiral_coverage(sigmas: ArrayLike) -> np.ndarray:
    """Return how likely the target lies within so many sigmas: 1 − exp(−n²/2) (Rayleigh)."""
    return -np.expm1(-np.square(sigmas) / 2)


def lognormal_parameters(median_s: ArrayLike, p95_s: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the logarithm of a time in seconds.

    By its median and its 95th percentile, 0 < median ≤ p95; numpy's ``lognormal`` takes them so.
    """
    mu = np.log(median_s)
    return mu, (np.log(p95_s) - mu) / _Z95


def lognormal_s(median_s: ArrayLike, p95_s: ArrayLike, normal: ArrayLike) -> np.ndarray:
    """Return the lognormal time that a standard ``normal`` number stands for.

    0 gives the median, 1.645 the 95th percentile. A quantile u is ``scipy.special.ndtri(u)``.
    """
    mu, sigma = lognormal_parameters(median_s, p95_s)
    return np.exp(mu + sigma * np.asarray(normal))
