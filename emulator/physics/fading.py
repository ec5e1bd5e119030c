"""Fades by pointing jitter: how deep, how often, how long, and what that is to packets.

A terminal's error has two Gaussian axes of σ each; its beam falls off as exp(−2θ²/w²). Then the
gain h in (0, 1] has the density β h^(β−1) with β = w²/4σ² (Toyoshima et al., J. Opt. Soc. Am. A 19,
2002, 567), that is, −ln h is exponential with the rate β. β = ∞ is no jitter: nothing ever fades.

A margin is how many decibels a link has to spare for pointing; a fade is a time during which
pointing costs more. Without margin (≤ 0) all time is one fade. Everything broadcasts but
:func:`slow_fades`; scalars give scalars.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import exprel

from emulator.physics.optics import DB_PER_NEPER

# Beyond these no fade has a probability that a float could hold; within, nothing overflows.
_STEADY_BETA, _AMPLE_NEPER = 1e12, 1e6
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def beam_half_angle_rad(gain_db: ArrayLike) -> np.ndarray:
    """Return the 1/e² half-angle w of a beam of gain G by w² = 2/G.

    The same convention as ``optics.pointing_loss_db``, and as careful: an aperture's own pattern is
    twice as wide near its axis. Where a divergence is known, w is half of the full angle instead.
    """
    return np.sqrt(2 * 10 ** (-np.asarray(gain_db) / 10))


def pointing_beta(half_angle_rad: ArrayLike, jitter_rad: ArrayLike) -> np.ndarray:
    """Return β = w²/4σ² for a jitter of σ an axis; ∞ where there is none."""
    half_angle, jitter = np.broadcast_arrays(
        np.asarray(half_angle_rad, dtype=float), np.asarray(jitter_rad, dtype=float)
    )
    spread = 4 * jitter**2
    out = np.full(spread.shape, np.inf)
    return np.divide(half_angle**2, spread, out=out, where=spread > 0)[()]


def mean_loss_db(beta: ArrayLike) -> np.ndarray:
    """Return what jitter costs on average: E[h] = β/(β + 1), as a loss ≥ 0."""
    return DB_PER_NEPER * np.log1p(1 / np.asarray(beta))


def combined_mean_loss_db(beta_a: ArrayLike, beta_b: ArrayLike) -> np.ndarray:
    """Return what jitter costs on average where both ends have their own: E[h] multiplies."""
    return mean_loss_db(beta_a) + mean_loss_db(beta_b)


def fade_probability(beta: ArrayLike, margin_db: ArrayLike) -> np.ndarray:
    """Return the share of time in fades with one end jittering: P(h < h0) = h0^β."""
    spare = _spare_neper(margin_db)
    return np.exp(-_finite(beta) * spare)


def combined_fade_probability(
    beta_a: ArrayLike, beta_b: ArrayLike, margin_db: ArrayLike
) -> np.ndarray:
    """Return the share of time in fades with both ends jittering independently.

    −ln h is then the sum of two exponentials: (b e^(−ax) − a e^(−bx)) / (b − a) at x = M ln 10/10
    (hypoexponential), and (1 + ax) e^(−ax) for equal ends. Both are one formula without
    cancellation: e^(−ax) (1 + ax (1 − e^(−dx))/dx), with d = b − a ≥ 0.
    """
    low, high = _sorted(beta_a, beta_b)
    spare = _spare_neper(margin_db)
    return np.exp(-low * spare) * (1 + low * spare * exprel(-(high - low) * spare))


def fade_margin_db(beta: ArrayLike, probability: ArrayLike) -> np.ndarray:
    """Return the margin for a share of time in (0, 1] in fades, one end jittering: −(10/β) lg P."""
    return -10 / np.asarray(beta) * np.log10(probability)


def fade_radius_rad(half_angle_rad: ArrayLike, margin_db: ArrayLike) -> np.ndarray:
    """Return the pointing error that uses up a margin ≥ 0: w √(M ln 10 / 20)."""
    return np.asarray(half_angle_rad) * np.sqrt(np.asarray(margin_db) / (2 * DB_PER_NEPER))


def fade_rate_hz(beta: ArrayLike, margin_db: ArrayLike, jitter_hz: ArrayLike) -> np.ndarray:
    """Return how many fades a second there are with one end jittering.

    √(2π) f (R/σ) exp(−R²/2σ²), the rate at which a Rayleigh process crosses R upwards (Rice, Bell
    Syst. Tech. J. 27, 1948); here R²/2σ² = βM ln 10/10. ``jitter_hz`` is the rms frequency f of an
    axis, the root of the mean of f² over its power spectrum.
    """
    half_square = _finite(beta) * _spare_neper(margin_db)
    return 2 * np.sqrt(np.pi * half_square) * np.asarray(jitter_hz) * np.exp(-half_square)


def combined_fade_rate_hz(
    beta_a: ArrayLike,
    beta_b: ArrayLike,
    margin_db: ArrayLike,
    jitter_a_hz: ArrayLike,
    jitter_b_hz: ArrayLike,
) -> np.ndarray:
    """Return how many fades a second there are with both ends jittering independently.

    Rice's formula for the sum x = x_a + x_b of both ends' −ln h: the density of x_a and x_b, times
    the mean rate of rise there, √(4π (f_a² x_a/β_a + f_b² x_b/β_b)), integrated over all x_a + x_b
    that use up the margin. By quadrature; good to 1e-4. For equal ends it is the closed form
    √(2π) f r³ exp(−r²/2) / 2 with r² = 2βx. R. R. Hayes treats the same case (Fading statistics for
    intersatellite optical communication, Applied Optics).
    """
    low, high = _sorted(beta_a, beta_b)
    a_is_low = np.asarray(beta_a) <= beta_b
    low_hz = np.where(a_is_low, jitter_a_hz, jitter_b_hz)
    high_hz = np.where(a_is_low, jitter_b_hz, jitter_a_hz)
    spare = _spare_neper(margin_db)
    gap = (high - low) * spare
    # The steadier end's part of x is nearly always small: as a quantile it is evenly spread.
    quantile = (_NODES + 1) / 2
    drawn = np.maximum(quantile * -np.expm1(-gap)[..., None], 1e-300)
    part = quantile * exprel(-gap)[..., None] * -np.log1p(-drawn) / drawn
    rise = (low_hz**2 / low)[..., None] * (1 - part) + (high_hz**2 / high)[..., None] * part
    # Not @, whose last bit depends on the machine.
    mean_rise = (np.sqrt(np.maximum(rise, 0.0)) * (_WEIGHTS / 2)).sum(axis=-1)
    density = low * np.exp(-low * spare) * high * spare * exprel(-gap)
    return density * np.sqrt(4 * np.pi * spare) * mean_rise


def mean_fade_s(probability: ArrayLike, fade_rate_hz: ArrayLike) -> np.ndarray:
    """Return how long fades last: their share of time over their rate.

    ∞ where there is one fade without an end, 0 where there is none.
    """
    share, rate = np.broadcast_arrays(
        np.asarray(probability, dtype=float), np.asarray(fade_rate_hz, dtype=float)
    )
    return np.divide(share, rate, out=np.where(share > 0, np.inf, 0.0), where=rate > 0)[()]


def gilbert_elliott(
    fade_rate_hz: ArrayLike, mean_fade_s: ArrayLike, probability: ArrayLike, packets_s: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Return the chances p (good to bad) and r (bad to good) a packet, as netem's gemodel has them.

    p = N/((1 − P) λ) and r = 1/(τ λ) with N fades a second of τ seconds, their share P = N τ and λ
    packets a second: fades last τ λ packets, and p/(p + r) = P are bad (Gilbert, Bell Syst. Tech.
    J. 39, 1960; Elliott, 42, 1963). Where packets are so sparse that p + r would exceed 1, each has
    a state of its own: p = P, r = 1 − P. P is kept everywhere; 0 gives (0, 1) and 1 gives (1, 0).
    """
    rate, fade, share, packets = np.broadcast_arrays(
        *(np.asarray(each, float) for each in (fade_rate_hz, mean_fade_s, probability, packets_s))
    )
    chain = (share > 0) & (share < 1) & (packets > 0)
    packets, fade = np.where(chain, packets, 1.0), np.where(chain, fade, 1.0)
    p = np.where(chain, rate / ((1 - np.where(chain, share, 0.0)) * packets), share)
    r = np.where(chain, 1 / (fade * packets), 1 - share)
    both = np.maximum(p + r, 1.0)
    return p / both, r / both


def slow_fades(
    rng: np.random.Generator, fade_rate_hz: float, mean_fade_s: float, duration_s: float
) -> np.ndarray:
    """Return fades as rows ``(start_s, end_s)``, shape ``(n, 2)``, within [0, duration].

    Fades and the times between them are exponential, as in :func:`gilbert_elliott`, and time 0 lies
    within a fade as often as any other. With an ``rng`` of the same seed a longer duration begins
    as a shorter one does. Meant for fades longer than a step of the plan.
    """
    if math.isinf(mean_fade_s) or fade_rate_hz * mean_fade_s >= 1:
        return np.array([[0.0, duration_s]])
    if fade_rate_hz * mean_fade_s <= 0:
        return np.empty((0, 2))
    clear_s = 1 / fade_rate_hz - mean_fade_s
    starts_faded, wait = rng.random() < fade_rate_hz * mean_fade_s, rng.standard_exponential()
    start_s = 0.0 if starts_faded else clear_s * wait
    rows = [np.empty((0, 2))]
    while start_s < duration_s:
        drawn = rng.standard_exponential((math.ceil(fade_rate_hz * duration_s) + 16, 2))
        ends_s = start_s + np.cumsum(drawn * (mean_fade_s, clear_s)).reshape(-1, 2)
        rows.append(np.stack((np.append(start_s, ends_s[:-1, 1]), ends_s[:, 0]), axis=-1))
        start_s = float(ends_s[-1, 1])
    fades = np.concatenate(rows)
    return np.minimum(fades[fades[:, 0] < duration_s], duration_s)


def _spare_neper(margin_db: ArrayLike) -> np.ndarray:
    return np.clip(np.asarray(margin_db) / DB_PER_NEPER, 0.0, _AMPLE_NEPER)


def _finite(beta: ArrayLike) -> np.ndarray:
    return np.minimum(np.asarray(beta, dtype=float), _STEADY_BETA)


def _sorted(beta_a: ArrayLike, beta_b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the two ends' β, the less steady end's first."""
    a, b = _finite(beta_a), _finite(beta_b)
    return np.minimum(a, b), np.maximum(a, b)
