"""Link budgets of a scenario: which rate each kind of terminal offers another, at which loss.

All of a link's constants are tables over (sending kind, receiving kind), so that a whole sky is

    level_db = base_db[sender, receiver] - 20 log10(range_km) - attenuation_db

For light the level is the rate, in decibels over 1 bit/s, that just meets the receiver's threshold;
for radio it is Es/N0. Each pair of kinds has its rungs: rates with the level that each needs.

Pointing is counted by two conventions. A steady error costs exp(-G θ²), as published budgets have
it, which is careful. Jitter is counted by the beam itself, exp(-2θ²/w²), since its fades would be
far too many otherwise: w is half of ``divergence_urad`` where that is given, and for an evenly lit
aperture of gain G, whose pattern falls as exp(-G θ²/4) near its axis, w² = 8/G.
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

Setting = Literal["min_margin_db", "hysteresis_db", "dwell_s", "relock_s"]

_S2X_FRAME_BITS = 64_800
"""Of a normal FECFRAME (EN 302 307-1, clause 5.3)."""
_QEF_DB = 1.28
"""Where the cliff of 0.3 dB has a frame error rate of 1e-5, as the thresholds of EN 302 307 do."""


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
        levels = [_base_db(tx, rx) for tx in self.kinds for rx in self.kinds]
        return np.array(levels, dtype=np.float64).reshape(len(self.kinds), len(self.kinds))

    @cached_property
    def rungs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (level that each rung of each pair needs, its scaled rate_bps), ``(K, K, J)``.

        Rising, and none above the slower end's line rate; pairs with fewer rungs end with the same
        rate at an infinite level.
        """
        ladders = [_ladder(tx, rx, self.rate_scale) for tx in self.kinds for rx in self.kinds]
        longest = max((len(needs) for needs, _ in ladders), default=0)
        need_db = np.full((len(ladders), longest), np.inf)
        rate_bps = np.zeros((len(ladders), longest), dtype=np.int64)
        for row, (needs, rates) in enumerate(ladders):
            need_db[row, : len(needs)] = needs
            rate_bps[row, : len(rates)] = rates
            rate_bps[row, len(rates) :] = rates[-1]
        shape = len(self.kinds), len(self.kinds), longest
        return need_db.reshape(shape), rate_bps.reshape(shape)

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

    def highest_rung(
        self, sender: np.ndarray, receiver: np.ndarray, level_db: np.ndarray
    ) -> np.ndarray:
        """Return the highest rung that each level is enough for, -1 where none is, ``(n,)``."""
        need_db = self.rungs[0]
        rung = np.full(np.shape(level_db), -1, dtype=np.int64)
        for tx, rx, mine in self._by_pair(sender, receiver):
            rung[mine] = np.searchsorted(need_db[tx, rx], level_db[mine], side="right") - 1
        return rung

    def setting(self, name: Setting) -> np.ndarray:
        """Return one figure of every kind's modem, ``(K,)``; 0 for the ideal ones."""
        modems = [kind.optical or kind.radio for kind in self.kinds]
        return np.array([getattr(modem, name) if modem else 0.0 for modem in modems])

    def loss(self, receiver: np.ndarray, margin_db: np.ndarray) -> np.ndarray:
        """Return the share of full packets lost at a margin, apart from fades. Source: optics."""
        found = np.zeros(np.shape(margin_db))
        for kind, terminal in enumerate(self.kinds):
            mine = (receiver == kind) & np.isfinite(margin_db)
            modem = terminal.optical or terminal.radio
            if modem and mine.any():
                found[mine] = _loss(modem, margin_db[mine])
        return found

    def fading(
        self, sender: np.ndarray, receiver: np.ndarray, margin_db: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (share of time in fades, mean duration of one in s) by both ends' jitter.

        Both are 0 where neither end has any, whatever the margin; (1, ∞) where there is jitter and
        no margin. The duration is read from a table, good to 1e-3 of it. Source: fading.
        """
        share, mean_s = np.zeros(np.shape(margin_db)), np.zeros(np.shape(margin_db))
        if not self._wanders.any():
            return share, mean_s
        for tx, rx, mine in self._by_pair(sender, receiver):
            if self._wanders[tx, rx]:
                beta_a, beta_b, *_ = _jitter(self.kinds[tx], self.kinds[rx])
                share[mine] = fading.combined_fade_probability(beta_a, beta_b, margin_db[mine])
                mean_s[mine] = self._mean_fade_s(tx, rx, margin_db[mine])
        return share, np.where(share > 0, mean_s, 0.0)

    @cached_property
    def _wanders(self) -> np.ndarray:
        """Whether the ends of each pair understand each other and one has jitter, ``(K, K)``."""
        jitter = np.array([bool(k.optical and k.optical.jitter_urad) for k in self.kinds])
        both = np.array([[bool(a.optical and b.optical) for b in self.kinds] for a in self.kinds])
        return both & (jitter[:, None] | jitter) & np.isfinite(self.base_db)

    @cached_property
    def _mean_fades(self) -> dict[tuple[int, int], tuple[float, np.ndarray]]:
        """Of each pair that wanders, its lesser β and ln of its mean fades over ``_DEPTHS``."""
        found = {}
        for tx, rx in np.argwhere(self._wanders).tolist():
            beta_a, beta_b, *jitter_hz = _jitter(self.kinds[tx], self.kinds[rx])
            least = min(beta_a, beta_b, _STEADY_BETA)
            margin_db = np.exp(_DEPTHS) / least * optics.DB_PER_NEPER
            share = fading.combined_fade_probability(beta_a, beta_b, margin_db)
            rate_hz = fading.combined_fade_rate_hz(beta_a, beta_b, margin_db, *jitter_hz)
            found[tx, rx] = least, np.log(share / rate_hz)
        return found

    def _mean_fade_s(self, tx: int, rx: int, margin_db: np.ndarray) -> np.ndarray:
        least_beta, log_mean_s = self._mean_fades[tx, rx]
        some = margin_db > 0
        depth = np.where(some, margin_db, 1.0) / optics.DB_PER_NEPER * least_beta
        return np.where(some, np.exp(np.interp(np.log(depth), _DEPTHS, log_mean_s)), np.inf)

    def _by_pair(
        self, sender: np.ndarray, receiver: np.ndarray
    ) -> list[tuple[int, int, np.ndarray]]:
        """Each pair of kinds that there is, with the indices of those that are of it."""
        pair = np.asarray(sender, dtype=np.int64) * len(self.kinds) + receiver
        present = np.flatnonzero(np.bincount(pair)).tolist()
        return [(*divmod(each, len(self.kinds)), np.flatnonzero(pair == each)) for each in present]


_STEADY_BETA = 1e12
"""What fading counts as no jitter."""


def fade_chances(
    share: np.ndarray, mean_s: np.ndarray, rate_bps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the chances a packet that a fade begins and that it ends, p and r of fading's chain.

    ``share`` and ``mean_s`` as :meth:`Budgets.fading` has them. The kernel counts packets, not
    time: p and r are for a line that is full of full packets at ``rate_bps``.
    """
    some = (share > 0) & np.isfinite(mean_s)
    mean_s = np.where(some, mean_s, 1.0)
    rate_hz = np.where(some, share / mean_s, 0.0)
    return fading.gilbert_elliott(rate_hz, mean_s, share, rate_bps / (8 * FRAME_BYTES))


_DEPTHS = np.linspace(np.log(1e-12), np.log(700.0), 1024)
"""Where mean fades are tabulated: ln of the lesser β times the margin in nepers. Beyond 700 the
chance of a fade is less than a float can hold; in between ln of the mean is nearly straight."""


def _base_db(tx: Terminal, rx: Terminal) -> float:
    if not rx.understands(tx):
        return -np.inf
    if tx.optical and rx.optical:
        return _optical_base_db(tx.optical, rx.optical)
    if tx.radio and rx.radio:
        return _radio_base_db(tx.radio, rx.radio)
    return IDEAL_DB


def _optical_base_db(tx: Optical, rx: Optical) -> float:
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


def _jitter(tx: Terminal, rx: Terminal) -> tuple[float, float, float, float]:
    """β of the sending and the receiving end, ∞ for one without jitter, and their frequencies."""
    wavelength_m = tx.optical.wavelength_nm * 1e-9
    send_rad, receive_rad = (
        2 * fading.beam_half_angle_rad(optics.aperture_gain_db(each.aperture_m, wavelength_m))
        for each in (tx.optical, rx.optical)
    )
    if tx.optical.divergence_urad is not None:
        send_rad = tx.optical.divergence_urad * 1e-6 / 2
    return (
        float(fading.pointing_beta(send_rad, tx.optical.jitter_urad * 1e-6)),
        float(fading.pointing_beta(receive_rad, rx.optical.jitter_urad * 1e-6)),
        tx.optical.jitter_hz,
        rx.optical.jitter_hz,
    )


def _radio_base_db(tx: Radio, rx: Radio) -> float:
    return float(
        radio.es_n0_db(
            tx.eirp_dbw, rx.g_over_t_db_k, tx.frequency_ghz, 1.0, 0.0, tx.symbol_rate_mbaud * 1e6
        )
    )


def _ladder(tx: Terminal, rx: Terminal, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(level needed, scaled rate) of every rung from one kind to another, rising."""
    top_bps = min(tx.rate_gbps, rx.rate_gbps) * 1e9
    needs, rates = np.array([0.0]), np.array([top_bps])
    if tx.radio and rx.radio:
        rates = S2X_LADDER.efficiency * tx.radio.symbol_rate_mbaud * 1e6
        # The first mode that carries the line rate is the last one worth having.
        rungs = min(int(np.searchsorted(rates, top_bps)) + 1, len(rates))
        needs, rates = S2X_LADDER.threshold_db[:rungs], np.minimum(rates[:rungs], top_bps)
    elif tx.optical and rx.optical:
        lower_bps = {gbps * 1e9 for gbps in tx.optical.ladder_gbps if gbps * 1e9 < top_bps}
        rates = np.array(sorted({top_bps, *lower_bps}))
        needs = 10 * np.log10(rates)
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
