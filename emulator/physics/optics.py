"""The link budget of a laser: from power and aperture to photons, errors and lost packets.

Everything broadcasts; scalars give scalars. Gains and losses are decibels, losses positive; powers
are watts at the laser and dBm at the receiver; angles are radians; a rate counts bits a second.
Where a function has no source its formula is its definition.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfc, log_ndtr, ndtr

from emulator.units import C_KM_S

PLANCK_J_S = 6.62607015e-34
"""Planck's constant (SI definition)."""

DB_PER_NEPER = 10 / math.log(10)
"""Decibels of a power ratio of e."""

_C_M_S = C_KM_S * 1e3


def decibels(ratio: ArrayLike) -> np.ndarray:
    """Return 10 log10 of a power ``ratio`` > 0."""
    return 10 * np.log10(ratio)


def aperture_gain_db(diameter_m: ArrayLike, wavelength_m: ArrayLike) -> np.ndarray:
    """Return the gain of a uniformly lit aperture, (π D / λ)² (Friis, Proc. IRE 34, 1946).

    A real telescope has less: at best 0.9 dB less for a truncated Gaussian beam, more with an
    obscuration (Klein and Degnan, Applied Optics 13, 1974). That belongs into the efficiencies.
    """
    return 2 * decibels(np.pi * np.asarray(diameter_m) / wavelength_m)


def divergence_gain_db(full_angle_rad: ArrayLike) -> np.ndarray:
    """Return the gain of a beam by its full 1/e² divergence Θ: 16/Θ².

    This is half of a Gaussian beam's peak gain, 32/Θ², and is what published budgets of laser links
    between satellites use.
    """
    return decibels(16 / np.square(full_angle_rad))


def free_space_loss_db(range_km: ArrayLike, wavelength_m: ArrayLike) -> np.ndarray:
    """Return (4 π d / λ)² in decibels, for ranges > 0 (Friis, Proc. IRE 34, 1946)."""
    return 2 * decibels(4e3 * np.pi * np.asarray(range_km) / wavelength_m)


def pointing_loss_db(gain_db: ArrayLike, error_rad: ArrayLike) -> np.ndarray:
    """Return what a steady pointing error θ costs a beam of gain G: exp(−G θ²), as a loss ≥ 0.

    The convention of published budgets of laser links, and careful: a uniformly lit aperture's own
    pattern falls off as exp(−G θ²/4) near its axis, a quarter of these decibels. It is the Gaussian
    beam exp(−2θ²/w²) with w² = 2/G: see ``fading.beam_half_angle_rad``.
    """
    return DB_PER_NEPER * 10 ** (np.asarray(gain_db) / 10) * np.square(error_rad)


def received_dbm(
    power_w: ArrayLike,
    *,
    transmit_gain_db: ArrayLike,
    receive_gain_db: ArrayLike,
    range_km: ArrayLike,
    wavelength_m: ArrayLike,
    transmit_efficiency: ArrayLike = 1.0,
    receive_efficiency: ArrayLike = 1.0,
    loss_db: ArrayLike = 0.0,
) -> np.ndarray:
    """Return the power at the detector: Friis's equation with efficiencies in (0, 1].

    ``loss_db`` is the sum of all else, pointing and atmosphere say.
    """
    efficiency = np.asarray(transmit_efficiency) * receive_efficiency
    return (
        decibels(np.asarray(power_w) * 1e3 * efficiency)
        + transmit_gain_db
        + receive_gain_db
        - free_space_loss_db(range_km, wavelength_m)
        - loss_db
    )


def photon_energy_j(wavelength_m: ArrayLike) -> np.ndarray:
    """Return h c / λ."""
    return PLANCK_J_S * _C_M_S / np.asarray(wavelength_m)


def required_dbm(
    photons_per_bit: ArrayLike, wavelength_m: ArrayLike, rate_bps: ArrayLike
) -> np.ndarray:
    """Return the power of so many photons a bit at this rate. Margin is received − required."""
    return decibels(1e3 * photon_energy_j(wavelength_m) * np.asarray(photons_per_bit) * rate_bps)


def photons_per_bit(
    received_dbm: ArrayLike, wavelength_m: ArrayLike, rate_bps: ArrayLike
) -> np.ndarray:
    """Return how many photons of this power fall on each bit: :func:`required_dbm` inverted."""
    received_w = 1e-3 * 10 ** (np.asarray(received_dbm) / 10)
    return received_w / (photon_energy_j(wavelength_m) * rate_bps)


def bit_error_rate_of_q(q: ArrayLike) -> np.ndarray:
    """Return ½ erfc(Q/√2): two levels in Gaussian noise (Personick, Bell Syst. Tech. J. 52, 1973).

    Q is their distance over the sum of their standard deviations. Exact far into the tail.
    """
    return ndtr(-np.asarray(q, dtype=float))


def _preamplified_ook(photons: np.ndarray) -> np.ndarray:
    """Q = 2N / (√(1 + 4N) + 1), or N = Q² + Q: 42 photons a bit at 1e-9.

    A one carries 2N photons, and an ideal amplifier adds one photon of noise to the one mode that a
    matched filter and a polariser let pass: variances 1 + 4N and 1. The true statistics, which are
    not Gaussian, need 38.4 (Winzer, Electronics Letters 37, 2001, 582): this is 0.4 dB careful.
    """
    return bit_error_rate_of_q(2 * photons / (np.sqrt(1 + 4 * photons) + 1))


_BIT_ERROR_RATES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "homodyne-bpsk": lambda photons: 0.5 * erfc(np.sqrt(2 * photons)),
    "heterodyne-bpsk": lambda photons: 0.5 * erfc(np.sqrt(photons)),
    "preamplified-dpsk": lambda photons: 0.5 * np.exp(-photons),
    "preamplified-ook": _preamplified_ook,
    "photon-counting-ook": lambda photons: 0.5 * np.exp(-2 * photons),
}

MODULATIONS = tuple(_BIT_ERROR_RATES)
"""What :func:`bit_error_rate` knows."""


def bit_error_rate(modulation: str, photons_per_bit: ArrayLike) -> np.ndarray:
    """Return the quantum limit's error rate for N ≥ 0 photons a bit, averaged over ones and zeros.

    ½ erfc √(2N) for homodyne BPSK, ½ erfc √N for heterodyne BPSK, ½ exp(−N) for DPSK behind an
    optical amplifier, ½ exp(−2N) for OOK by counting photons without noise (all in Agrawal,
    Fiber-Optic Communication Systems); OOK behind an amplifier by a Q factor, N = Q² + Q.
    A receiver's implementation loss is to be taken off N beforehand.
    """
    try:
        formula = _BIT_ERROR_RATES[modulation]
    except KeyError:
        raise ValueError(
            f"no bit error rate for modulation {modulation!r}: choose from {', '.join(MODULATIONS)}"
        ) from None
    return formula(np.asarray(photons_per_bit, dtype=float))


def packet_loss_uncoded(bit_error_rate: ArrayLike, packet_bytes: ArrayLike) -> np.ndarray:
    """Return 1 − (1 − BER)^(8L): any wrong bit loses the packet. Exact for the least BER < 1."""
    bits = 8 * np.asarray(packet_bytes)
    return -np.expm1(bits * np.log1p(-np.asarray(bit_error_rate)))


def frame_loss(
    margin_db: ArrayLike, sharpness_db: ArrayLike = 0.3, floor: ArrayLike = 1e-12
) -> np.ndarray:
    """Return the share of code frames lost: ½ erfc(M / (√2 s)), but at least ``floor``.

    A model, not a code's measured curve: a modern code falls off a cliff about its threshold, where
    the margin M is 0 and half of the frames are lost; the sharpness s is how many decibels take it
    from 50 % to 16 %.
    """
    return np.maximum(ndtr(-np.asarray(margin_db) / sharpness_db), floor)


def packet_loss_coded(
    margin_db: ArrayLike,
    packet_bytes: ArrayLike,
    frame_payload_bits: ArrayLike,
    sharpness_db: ArrayLike = 0.3,
    floor: ArrayLike = 1e-12,
) -> np.ndarray:
    """Return 1 − (1 − FER)^k, a packet being lost with any of the k code frames that hold it.

    k = ⌈8L / payload⌉ + 1, as packets do not begin where frames do: the most that may be. SDA's
    optical terminals have 8416 bits a frame (OCT Standard 4.0.0). FER as in :func:`frame_loss`.
    """
    frames = np.ceil(8 * np.asarray(packet_bytes) / frame_payload_bits) + 1
    # log(1 − FER) itself, which log1p could not give where every frame is lost.
    log_kept = log_ndtr(np.asarray(margin_db) / sharpness_db)
    return -np.expm1(frames * np.minimum(log_kept, np.log1p(-np.asarray(floor))))


def doppler_hz(range_rate_km_s: ArrayLike, wavelength_m: ArrayLike) -> np.ndarray:
    """Return received less sent frequency, −v/λ: above 0 where the range shrinks.

    First order: the rest is ½ (v/c)² of the carrier, 0.1 MHz of 6.5 GHz at 10 km/s and 1550 nm.
    """
    return -1e3 * np.asarray(range_rate_km_s) / wavelength_m


def point_ahead_rad(crossing_km_s: ArrayLike) -> np.ndarray:
    """Return 2 v/c: the angle between where light comes from and where to send it.

    ``crossing_km_s`` is the part of the relative velocity across the line of sight.
    """
    return 2 * np.asarray(crossing_km_s) / C_KM_S


def adaptive_rate_bps(
    rate_ref_bps: ArrayLike, range_ref_km: ArrayLike, range_km: ArrayLike
) -> np.ndarray:
    """Return R (d/D)²: the rate that keeps the photons a bit of ``rate_ref_bps`` at a range d.

    Received power goes with 1/D², required power with the rate. Ranges > 0; no ladder, no limit.
    """
    return np.asarray(rate_ref_bps) * np.square(np.asarray(range_ref_km) / range_km)
