"""DVB-S2 and DVB-S2X: what each modulation and code carries, and the Es/N0 it needs.

Thresholds are the standards' own for normal frames (64,800 bits) in white noise, quasi error free:
a packet error ratio of 1e-7 for DVB-S2, a frame error ratio of 1e-5 for DVB-S2X. They hold no loss
of a real modem; that is what ``margin_db`` of :func:`emulator.physics.radio.choose_modcod` is for.
Efficiencies are bits per symbol without pilots, the baseband header taken off.

Sources: EN 302 307-1 table 13 (DVB-S2), as two independent public transcriptions give it;
EN 302 307-2 table 20a (DVB-S2X), as the public repository harrison-caudill/pylink gives it; a
second transcription, of the rungs alone, agrees. The efficiencies follow from the frame's
arithmetic, which a test does. The modes for very low signals (QPSK 2/9 and below) are left out:
their frames carry another header.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Modcod:
    """One modulation and code: its name, threshold, and bits per symbol."""

    name: str
    threshold_db: float
    efficiency: float


DVB_S2 = (
    Modcod("QPSK 1/4", -2.35, 0.490243),
    Modcod("QPSK 1/3", -1.24, 0.656448),
    Modcod("QPSK 2/5", -0.30, 0.789412),
    Modcod("QPSK 1/2", 1.00, 0.988858),
    Modcod("QPSK 3/5", 2.23, 1.188304),
    Modcod("QPSK 2/3", 3.10, 1.322253),
    Modcod("QPSK 3/4", 4.03, 1.487473),
    Modcod("QPSK 4/5", 4.68, 1.587196),
    Modcod("QPSK 5/6", 5.18, 1.654663),
    Modcod("QPSK 8/9", 6.20, 1.766451),
    Modcod("QPSK 9/10", 6.42, 1.788612),
    Modcod("8PSK 3/5", 5.50, 1.779991),
    Modcod("8PSK 2/3", 6.62, 1.980636),
    Modcod("8PSK 3/4", 7.91, 2.228124),
    Modcod("8PSK 5/6", 9.35, 2.478562),
    Modcod("8PSK 8/9", 10.69, 2.646012),
    Modcod("8PSK 9/10", 10.98, 2.679207),
    Modcod("16APSK 2/3", 8.97, 2.637201),
    Modcod("16APSK 3/4", 10.21, 2.966728),
    Modcod("16APSK 4/5", 11.03, 3.165623),
    Modcod("16APSK 5/6", 11.61, 3.300184),
    Modcod("16APSK 8/9", 12.89, 3.523143),
    Modcod("16APSK 9/10", 13.13, 3.567342),
    Modcod("32APSK 3/4", 12.73, 3.703295),
    Modcod("32APSK 4/5", 13.64, 3.951571),
    Modcod("32APSK 5/6", 14.28, 4.119540),
    Modcod("32APSK 8/9", 15.69, 4.397854),
    Modcod("32APSK 9/10", 16.05, 4.453027),
)
"""EN 302 307-1 table 13, all 28 rows."""

DVB_S2X = (
    Modcod("QPSK 13/45", -2.03, 0.567805),
    Modcod("QPSK 9/20", 0.22, 0.889135),
    Modcod("QPSK 11/20", 1.45, 1.088581),
    Modcod("8APSK 5/9-L", 4.73, 1.647211),
    Modcod("8APSK 26/45-L", 5.13, 1.713601),
    Modcod("8PSK 23/36", 6.12, 1.896173),
    Modcod("8PSK 25/36", 7.02, 2.062148),
    Modcod("8PSK 13/18", 7.49, 2.145136),
    Modcod("16APSK 1/2-L", 5.97, 1.972253),
    Modcod("16APSK 8/15-L", 6.55, 2.104850),
    Modcod("16APSK 5/9-L", 6.84, 2.193247),
    Modcod("16APSK 26/45", 7.51, 2.281645),
    Modcod("16APSK 3/5", 7.80, 2.370043),
    Modcod("16APSK 3/5-L", 7.41, 2.370043),
    Modcod("16APSK 28/45", 8.10, 2.458441),
    Modcod("16APSK 23/36", 8.38, 2.524739),
    Modcod("16APSK 2/3-L", 8.43, 2.635236),
    Modcod("16APSK 25/36", 9.27, 2.745734),
    Modcod("16APSK 13/18", 9.71, 2.856231),
    Modcod("16APSK 7/9", 10.65, 3.077225),
    Modcod("16APSK 77/90", 11.99, 3.386618),
    Modcod("32APSK 2/3-L", 11.10, 3.289502),
    Modcod("32APSK 32/45", 11.75, 3.510192),
    Modcod("32APSK 11/15", 12.17, 3.620536),
    Modcod("32APSK 7/9", 13.05, 3.841226),
    Modcod("64APSK 32/45-L", 13.98, 4.206428),
    Modcod("64APSK 11/15", 14.81, 4.338659),
    Modcod("64APSK 7/9", 15.47, 4.603122),
    Modcod("64APSK 4/5", 15.87, 4.735354),
    Modcod("64APSK 5/6", 16.55, 4.933701),
    Modcod("128APSK 3/4", 17.73, 5.163248),
    Modcod("128APSK 7/9", 18.53, 5.355556),
    Modcod("256APSK 29/45-L", 16.98, 5.065690),
    Modcod("256APSK 2/3-L", 17.24, 5.241514),
    Modcod("256APSK 31/45-L", 18.10, 5.417338),
    Modcod("256APSK 32/45", 18.59, 5.593162),
    Modcod("256APSK 11/15-L", 18.84, 5.768987),
    Modcod("256APSK 3/4", 19.57, 5.900855),
)
"""EN 302 307-2 table 20a without QPSK 2/9, 38 rows. L: constellations for linear channels."""


@dataclass(frozen=True)
class Ladder:
    """The rows worth choosing, in rising order: each needs more than the last and carries more.

    ``threshold_db`` and ``efficiency`` have shape ``(rows,)``.
    """

    names: tuple[str, ...]
    threshold_db: np.ndarray
    efficiency: np.ndarray

    @classmethod
    def of(cls, modcods: tuple[Modcod, ...]) -> "Ladder":
        """Drop every row that another beats: as much or more carried at the same or less Es/N0."""
        kept: list[Modcod] = []
        for each in sorted(modcods, key=lambda row: (row.threshold_db, -row.efficiency)):
            if not kept or each.efficiency > kept[-1].efficiency:
                kept.append(each)
        return cls(
            tuple(each.name for each in kept),
            np.array([each.threshold_db for each in kept]),
            np.array([each.efficiency for each in kept]),
        )


S2_LADDER = Ladder.of(DVB_S2)

# A DVB-S2X receiver understands all of DVB-S2 (DVB document A172), so both tables compete.
S2X_LADDER = Ladder.of(DVB_S2 + DVB_S2X)
