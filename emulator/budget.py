"""Link budgets of a scenario: which rate each kind of terminal offers another, at which loss.

All of a link's constants are one table over (sending kind, receiving kind), so that a whole sky is

    level_db = base_db[sender, receiver] - 20 log10(range_km) - attenuation_db

For light the level is the rate, in decibels over 1 bit/s, that just meets the receiver's threshold;
for radio it is Es/N0. Each kind has its rungs: rates with the level that each needs.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.special import ndtri

from emulator.network import Network, line_rate_bps
from emulator.physics import fading, optics, radio
from emulator.physics.modcods import S2X_LADDER
from emulator.terminals import Optical, Radio, Terminal
from emulator.units import FRAME_BYTES

IDEAL_DB = 1e9
"""The level between terminals of which one has no budget: always enough."""


@dataclass(frozen=True)
class Budgets:
    """The link budgets among the kinds of terminals of a network, shapes by their number K."""

    kinds: tuple[Terminal, ...]
    rate_scale: float

    @classmethod
    def of(cls, network: Network) -> "Budgets":
        """Return the budgets among the terminals of ``network``."""
        return cls(network.kinds, network.rate_scale)

    @cached_property
    def base_db(self) -> np.ndarray:
        """Level at 1 km, ``(K, K)``, sender first; -inf where they do not understand each other."""
        return np.array([[_base_db(tx, rx) for rx in self.kinds] for tx in self.kinds]).reshape(
            len(self.kinds), len(self.kinds)
        )

    @cached_property
    def rungs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (level that each rung of each kind needs, its scaled rate_bps), both ``(K, J)``.

        Rising; kinds with fewer rungs end with the same rate at an infinite level.
        """
        ladders = [_ladder(kind, self.rate_scale) for kind in self.kinds]
        longest = max((len(needs) for needs, _ in ladders), default=0)
        need_db = np.full((len(ladders), longest), np.inf)
        rate_bps = np.zeros((len(ladders), longest), dtype=np.int64)
        for row, (needs, rates) in enumerate(ladders):
            need_db[row, : len(needs)] = needs
            rate_bps[row, : len(rates)] = rates
            rate_bps[row, len(rates) :] = rates[-1]
        return need_db, rate_bps

    @cached_property
    def adaptive(self) -> np.ndarray:
        """Whether each kind has a budget at all, bool ``(K,)``."""
        return np.array([bool(kind.optical or kind.radio) for kind in self.kinds], dtype=bool)

    def level_db(
        self,
        sender: np.ndarray,
        receiver: np.ndarray,
        range_km: np.ndarray,
        attenuation_db: np.ndarray | float = 0.0,
    ) -> np.ndarray:
        """Return what arrives, for kinds of terminals; shapes broadcast."""
        spread_db = 20 * np.log10(np.maximum(range_km, 1e-3))
        return self.base_db[sender, receiver] - spread_db - attenuation_db

    def margin_db(self, sender: np.ndarray, level_db: np.ndarray, rung: np.ndarray) -> np.ndarray:
        """Return how far a level is above what a rung of the sender needs."""
        return level_db - self.rungs[0][sender, rung]

    def highest_rung(self, sender: np.ndarray, level_db: np.ndarray) -> np.ndarray:
        """Return the highest rung that a level is enough for, -1 where none is."""
        need_db = self.rungs[0]
        rung = np.full(np.shape(level_db), -1, dtype=np.int64)
        for kind in range(len(self.kinds)):
            mine = sender == kind
            rung[mine] = np.searchsorted(need_db[kind], level_db[mine], side="right") - 1
        return rung

    def setting(
        self, name: Literal["min_margin_db", "hysteresis_db", "dwell_s", "relock_s"]
    ) -> np.ndarray:
        """Return one figure of every kind's modem, ``(K,)``; 0 for the ideal ones."""
        modems = [kind.optical or kind.radio for kind in self.kinds]
        return np.array([getattr(modem, name) if modem else 0.0 for modem in modems])

    @cached_property
    def frequency_ghz(self) -> np.ndarray:
        """What each kind sends at, ``(K,)``; 0 where it is not a radio."""
        return np.array([kind.radio.frequency_ghz if kind.radio else 0.0 for kind in self.kinds])

    def loss(self, sender: np.ndarray, receiver: np.ndarray, margin_db: np.ndarray) -> np.ndarray:
        """Return the share of full packets lost at a margin, apart from fades. Source: optics."""
        found = np.zeros(np.shape(margin_db))
        for kind, terminal in enumerate(self.kinds):
            mine = (receiver == kind) & np.isfinite(margin_db) & (margin_db < IDEAL_DB / 2)
            modem = terminal.optical or terminal.radio
            if modem and mine.any():
                found[mine] = _loss(modem, margin_db[mine])
        return found

    def fades(
        self, sender: np.ndarray, receiver: np.ndarray, margin_db: np.ndarray, rate_bps: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (p, r, mean duration in s) of the fades that both ends' jitter makes at a margin.

        p and r a packet, at the packet rate of a full line. Where there is no jitter all are 0.
        """
        share, rate_hz = self._fading(sender, receiver, margin_db)
        mean_s = fading.mean_fade_s(share, rate_hz)
        packets_s = rate_bps / (8 * FRAME_BYTES)
        p, r = fading.gilbert_elliott(rate_hz, mean_s, share, packets_s)
        still = share <= 0
        return np.where(still, 0.0, p), np.where(still, 0.0, r), np.where(still, 0.0, mean_s)

    def _fading(
        self, sender: np.ndarray, receiver: np.ndarray, margin_db: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Share of time in fades, and fades a second."""
        beta, jitter_hz = self._jitter
        share, rate_hz = np.zeros(np.shape(margin_db)), np.zeros(np.shape(margin_db))
        moving = np.isfinite(beta[sender]) | np.isfinite(beta[receiver])
        moving &= margin_db < IDEAL_DB / 2
        if moving.any():
            ends = beta[sender[moving]], beta[receiver[moving]]
            margin = np.maximum(margin_db[moving], 0.0)
            share[moving] = fading.combined_fade_probability(*ends, margin)
            rate_hz[moving] = fading.combined_fade_rate_hz(
                *ends, margin, jitter_hz[sender[moving]], jitter_hz[receiver[moving]]
            )
        return share, rate_hz

    @cached_property
    def _jitter(self) -> tuple[np.ndarray, np.ndarray]:
        """Each kind's β (infinite without jitter) and its frequency."""
        beta, frequency = np.full(len(self.kinds), np.inf), np.ones(len(self.kinds))
        for index, kind in enumerate(self.kinds):
            if kind.optical and kind.optical.jitter_urad:
                width = fading.beam_half_angle_rad(_transmit_gain_db(kind.optical))
                beta[index] = fading.pointing_beta(width, kind.optical.jitter_urad * 1e-6)
                frequency[index] = kind.optical.jitter_hz
        return beta, frequency


def _base_db(tx: Terminal, rx: Terminal) -> float:
    if tx.optical and rx.optical:
        return _optical_base_db(tx.optical, rx.optical)
    if tx.radio and rx.radio:
        return _radio_base_db(tx.radio, rx.radio)
    mixed = (tx.optical or tx.radio) and (rx.optical or rx.radio)
    return -np.inf if mixed else IDEAL_DB


def _optical_base_db(tx: Optical, rx: Optical) -> float:
    if abs(tx.wavelength_nm - rx.wavelength_nm) > 100:
        return -np.inf
    wavelength_m = tx.wavelength_nm * 1e-9
    send_db = _transmit_gain_db(tx)
    receive_db = float(optics.aperture_gain_db(rx.aperture_m, wavelength_m))
    received_dbm = optics.received_dbm(
        tx.tx_power_w,
        transmit_gain_db=send_db,
        receive_gain_db=receive_db,
        range_km=1.0,
        wavelength_m=wavelength_m,
        transmit_efficiency=tx.tx_efficiency,
        receive_efficiency=rx.rx_efficiency,
        loss_db=optics.pointing_loss_db(send_db, tx.pointing_error_urad * 1e-6)
        + optics.pointing_loss_db(receive_db, rx.pointing_error_urad * 1e-6)
        + rx.implementation_loss_db,
    )
    return float(received_dbm - optics.required_dbm(rx.photons_per_bit, wavelength_m, 1.0))


def _transmit_gain_db(optical: Optical) -> float:
    if optical.divergence_urad is not None:
        return float(optics.divergence_gain_db(optical.divergence_urad * 1e-6))
    return float(optics.aperture_gain_db(optical.aperture_m, optical.wavelength_nm * 1e-9))


def _radio_base_db(tx: Radio, rx: Radio) -> float:
    return float(
        radio.es_n0_db(
            tx.eirp_dbw, rx.g_over_t_db_k, tx.frequency_ghz, 1.0, 0.0, tx.symbol_rate_mbaud * 1e6
        )
    )


def _ladder(kind: Terminal, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(level needed, scaled rate) of every rung of one kind, rising."""
    top_bps = kind.rate_gbps * 1e9
    if kind.radio:
        rates = S2X_LADDER.efficiency * kind.radio.symbol_rate_mbaud * 1e6
        # The first mode that carries the line rate is the last one worth having.
        rungs = min(int(np.searchsorted(rates, top_bps)) + 1, len(rates))
        needs, rates = S2X_LADDER.threshold_db[:rungs], np.minimum(rates[:rungs], top_bps)
    elif kind.optical:
        rates = np.array(sorted({top_bps, *(gbps * 1e9 for gbps in kind.optical.ladder_gbps)}))
        needs = 10 * np.log10(rates)
    else:
        needs, rates = np.array([0.0]), np.array([top_bps])
    return needs, np.array([line_rate_bps(rate, scale) for rate in rates], dtype=np.int64)


def _loss(modem: Optical | Radio, margin_db: np.ndarray) -> np.ndarray:
    if isinstance(modem, Radio):
        # A DVB-S2X threshold is that of quasi error-free frames: below it they break off.
        return optics.packet_loss_coded(margin_db + _QEF_DB, FRAME_BYTES, _S2X_FRAME_BITS)
    if modem.coding == "cliff":
        return optics.packet_loss_coded(margin_db, FRAME_BYTES, modem.frame_bits, modem.cliff_db)
    photons = _quantum_photons(modem.modulation) * 10 ** (margin_db / 10)
    return optics.packet_loss_uncoded(optics.bit_error_rate(modem.modulation, photons), FRAME_BYTES)


def _quantum_photons(modulation: str) -> float:
    """Photons a bit that an ideal receiver needs for a BER of 1e-9: ``optics.bit_error_rate``'s."""
    q = -float(ndtri(1e-9))
    exponent = -np.log(2e-9)
    return {
        "homodyne-bpsk": q * q / 4,
        "heterodyne-bpsk": q * q / 2,
        "preamplified-dpsk": exponent,
        "preamplified-ook": q * q + q,
        "photon-counting-ook": exponent / 2,
    }[modulation]


_S2X_FRAME_BITS = 64_800
"""Of a normal FECFRAME (EN 302 307-1, clause 5.3)."""
_QEF_DB = 1.28
"""Where the cliff of 0.3 dB has a frame error rate of 1e-5, as the thresholds of EN 302 307 do."""
