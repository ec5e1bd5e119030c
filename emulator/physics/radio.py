"""Space-ground radio: range, free-space loss, Es/N0, and the rate an adaptive modem would run.

All functions broadcast. A dB figure that is lost is positive, as attenuations are.
"""

import numpy as np

from emulator.physics.modcods import S2X_LADDER, Ladder
from emulator.units import C_KM_S, EARTH_RADIUS_KM

BOLTZMANN_DBW_K_HZ = 10 * np.log10(1.380649e-23)
"""Boltzmann's constant (SI definition), -228.599 dBW/K/Hz."""

_FSPL_1_GHZ_1_KM_DB = 20 * np.log10(4 * np.pi * 1e9 / C_KM_S)


def slant_km(altitude_km: np.ndarray, elevation_deg: np.ndarray) -> np.ndarray:
    """Range from the ground to a satellite seen at ``elevation_deg``, on a spherical Earth.

    The law of cosines for a site at the equatorial radius; an ephemeris knows better.
    """
    rise = EARTH_RADIUS_KM * np.sin(np.radians(elevation_deg))
    swept = altitude_km * (2 * EARTH_RADIUS_KM + altitude_km)
    # Not sqrt(...) - rise: overhead that would be a difference of two almost equal numbers.
    return swept / (np.sqrt(rise * rise + swept) + rise)


def free_space_path_loss_db(frequency_ghz: np.ndarray, range_km: np.ndarray) -> np.ndarray:
    """Loss between isotropic antennas, (4 pi d f / c) squared (ITU-R P.525)."""
    return _FSPL_1_GHZ_1_KM_DB + 20 * np.log10(frequency_ghz) + 20 * np.log10(range_km)


def es_n0_db(
    eirp_dbw: np.ndarray,
    g_over_t_db_k: np.ndarray,
    frequency_ghz: np.ndarray,
    range_km: np.ndarray,
    attenuation_db: np.ndarray,
    symbol_rate_baud: np.ndarray,
) -> np.ndarray:
    """Energy per symbol over noise density at the receiver.

    EIRP + G/T - free-space loss - ``attenuation_db`` of the atmosphere - k - 10 log10 of the symbol
    rate. G/T is the receiver's in clear sky: the noise that rain adds to it is not counted.
    """
    lost_db = free_space_path_loss_db(frequency_ghz, range_km) + attenuation_db
    carrier_db = eirp_dbw + g_over_t_db_k - lost_db - BOLTZMANN_DBW_K_HZ
    return carrier_db - 10 * np.log10(symbol_rate_baud)


def choose_modcod(
    es_n0_db: np.ndarray, margin_db: np.ndarray = 0.0, ladder: Ladder = S2X_LADDER
) -> np.ndarray:
    """Index into ``ladder`` of the fastest row that closes with ``margin_db`` to spare; -1: none.

    A threshold met exactly closes. No number (nan) closes nothing.
    """
    spare_db = np.asarray(es_n0_db, dtype=float) - margin_db
    # Comparing with every row, where a search would take nan for the greatest of all numbers.
    return (spare_db[..., None] >= ladder.threshold_db).sum(axis=-1) - 1


def rate_bps(
    modcod: np.ndarray, symbol_rate_baud: np.ndarray, ladder: Ladder = S2X_LADDER
) -> np.ndarray:
    """Bits per second of rows chosen by :func:`choose_modcod`; where none closes, zero."""
    # The zero at the end is where index -1 points.
    return np.append(ladder.efficiency, 0.0)[modcod] * symbol_rate_baud
