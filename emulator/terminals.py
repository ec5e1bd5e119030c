"""``[terminals.NAME]``: one kind of laser terminal or radio, and the catalogue of known ones.

Without an ``optical`` or ``radio`` table a terminal is ideal: its line rate up to its range, and no
loss. With one, rate and loss follow from the budget. ``pointing`` says what it takes to link up.
"""

import tomllib
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emulator.fields import HalfAngle, NotNegative, Positive, Section, Share, SomeShare
from topologies import CATALOGUE

_BAND_NM = 100.0
"""What a receiver's filter and detector are made for: 1064 or 1550 nm, say, and never both."""

Modulation = Literal[
    "homodyne-bpsk",
    "heterodyne-bpsk",
    "preamplified-dpsk",
    "preamplified-ook",
    "photon-counting-ook",
]


class Optical(Section):
    """``optical``: what the optical budget needs. Both ends of a link are taken into account."""

    tx_power_w: Annotated[float, Field(gt=0, le=1000)]
    aperture_m: Annotated[float, Field(gt=0, le=10)]
    """Diameter of the telescope, for receiving and, without ``divergence_urad``, for sending."""
    wavelength_nm: Annotated[float, Field(ge=400, le=11_000)] = 1550.0
    divergence_urad: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """Full 1/e² angle of the beam sent. Default: that of the aperture, evenly filled."""
    tx_efficiency: SomeShare = 0.8
    rx_efficiency: SomeShare = 0.8
    pointing_error_urad: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Constant error of each end."""
    jitter_urad: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Residual jitter of each end, rms of each axis, sending or receiving: it makes fades."""
    jitter_hz: Annotated[float, Field(gt=0, le=10_000)] = 50.0
    """Root mean square frequency of the jitter."""
    photons_per_bit: Positive
    """What the receiver needs at its threshold: that of its code, or of a BER of 1e-9 without."""
    implementation_loss_db: NotNegative = 0.0
    modulation: Modulation = "preamplified-ook"
    """Matters without a code: then the bit error rate follows from photons by this."""
    coding: Literal["cliff", "none"] = "cliff"
    """A modern code fails within a fraction of a decibel; ``none`` lets every bit error through."""
    cliff_db: Annotated[float, Field(gt=0, le=10)] = 0.3
    """How sharp the code's cliff is."""
    frame_bits: Annotated[int, Field(ge=64, le=10_000_000)] = 8416
    """Payload of a code frame."""
    ladder_gbps: tuple[Positive, ...] = ()
    """Lower rates that the modem can fall back to, besides ``rate_gbps``."""
    min_margin_db: Annotated[float, Field(ge=0, le=30)] = 1.5
    """Below this over the threshold the modem goes a rung down, if there is one."""
    hysteresis_db: Annotated[float, Field(ge=0, le=30)] = 1.0
    """So much more than ``min_margin_db`` it takes to go a rung up."""
    dwell_s: Annotated[float, Field(ge=0, le=3600)] = 1.0
    """How long a rung is kept before the next one up."""
    relock_s: Annotated[float, Field(ge=0, le=60)] = 0.05
    """How long a change of rung interrupts."""


class Radio(Section):
    """``radio``: a DVB-S2X carrier (ETSI EN 302 307-2), its rate by what the link allows."""

    frequency_ghz: Annotated[float, Field(ge=1, le=100)]
    """Of what this end sends."""
    symbol_rate_mbaud: Annotated[float, Field(gt=0, le=10_000)]
    eirp_dbw: Annotated[float, Field(ge=-50, le=120)]
    g_over_t_db_k: Annotated[float, Field(ge=-60, le=70)]
    antenna_m: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Diameter: it averages scintillation."""
    polarisation_deg: Annotated[float, Field(ge=0, le=90)] = 45.0
    """Tilt of linear polarisation; 45 stands for circular."""
    min_margin_db: Annotated[float, Field(ge=0, le=30)] = 1.5
    hysteresis_db: Annotated[float, Field(ge=0, le=30)] = 0.5
    dwell_s: Annotated[float, Field(ge=0, le=3600)] = 1.0
    relock_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    """DVB-S2X changes its mode from frame to frame without a gap."""

    @property
    def band(self) -> str:
        """The band by its usual name; what goes up and what comes down share it."""
        return next(name for below_ghz, name in _BANDS if self.frequency_ghz < below_ghz)


_BANDS = ((2, "L"), (4, "S"), (7, "C"), (10, "X"), (17, "Ku"), (36, "Ka"), (75, "V"), (101, "W"))
"""Bands of satellite services by where they end, GHz: ITU names, with room for up- and downlink."""


class Scan(Section):
    """``scan``: the time of acquisition from a spiral scan over the uncertainty of the pointing."""

    uncertainty_urad: Positive
    """Standard deviation of each axis."""
    beam_urad: Positive
    """Half angle that one spot covers."""
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Of neighbouring spots and turns."""
    dwell_s: Positive
    """At each spot of the spiral."""


class Pointing(Section):
    """``pointing``: what a link costs before its first bit, and what ends it."""

    acquisition_s: Annotated[float, Field(ge=0, le=3600)] = 15.0
    """Median time from looking at the peer to finding it."""
    acquisition_p95_s: Annotated[float, Field(ge=0, le=3600)] | None = None
    """95 % are not slower (lognormal). Default: always ``acquisition_s``."""
    repeat_s: Annotated[float, Field(ge=0, le=3600)] | None = None
    """The median for a peer that this terminal has linked with before. Default: the same."""
    scan: Scan | None = None
    """Take the time from a spiral scan instead of ``acquisition_s``."""
    success: SomeShare = 1.0
    """Share of acquisitions that find their peer; the others begin again."""
    lock_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """From found to the first bit: tracking and frame synchronisation."""
    slew_deg_s: Annotated[float, Field(gt=0, le=360)] | None = None
    """Default: a terminal turns at once."""
    slew_deg_s2: Annotated[float, Field(gt=0, le=360)] | None = None
    """Acceleration, beside ``slew_deg_s``. Default: none is needed."""
    coast_s: Annotated[float, Field(ge=0, le=3600)] = 1.0
    """How long a terminal points on where light is lost, before it gives up."""
    reacquisition_s: Annotated[float, Field(ge=0, le=3600)] = 0.5
    """From the return of light within ``coast_s`` to the first bit."""
    field_of_regard_deg: Annotated[float, Field(gt=0, le=180)] = 180.0
    """Half angle around the terminal's mount that it can turn to; a station's reach all the sky."""
    sun_exclusion_deg: HalfAngle = 0.0
    """A receiver that looks this close to the Sun is blind."""
    sun_acquisition_deg: HalfAngle = 0.0
    """Acquisition waits until the Sun is this far away, if that is more."""
    max_tracking_deg_s: Positive | None = None
    """Fastest line of sight, in the turning frame of the satellite, that it follows."""
    max_range_rate_km_s: Positive | None = None
    """Doppler that the receiver can follow."""

    @model_validator(mode="after")
    def _times_that_can_be(self) -> "Pointing":
        median_s, slowest_s = self.acquisition_s, self.acquisition_p95_s
        if slowest_s is not None and (slowest_s < median_s or median_s == 0 < slowest_s):
            raise ValueError(
                f"acquisition_p95_s, {slowest_s:g}, must be at least acquisition_s, the median, "
                f"{median_s:g}, and that above 0 (or both 0)"
            )
        at_once = self.acquisition_s == 0 or self.repeat_s == 0
        if self.success < 1 and at_once and not self.scan:
            raise ValueError(
                "success below 1 takes time: acquisition_s and repeat_s must be above 0"
            )
        return self


class Terminal(Section):
    """``[terminals.NAME]``: one kind of laser terminal or radio."""

    model: str = ""
    """Entry of the catalogue (`lasermesh terminals`) that gives the figures not given here."""
    rate_gbps: Annotated[float, Field(gt=0, le=100_000)]
    """Line rate before scaling, each direction; the highest where the budget decides."""
    max_range_km: Annotated[float, Field(gt=0, le=1e6)]
    buffer_packets: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    """Packets that may wait for the line, besides those in flight."""
    power_w: Annotated[float, Field(ge=0, le=100_000)] = 0.0
    """Drawn while it points, acquires or is linked."""
    optical: Optical | None = None
    radio: Radio | None = None
    pointing: Pointing | None = None
    """Default: links are there as soon as they are wanted."""

    @model_validator(mode="after")
    def _one_medium(self) -> "Terminal":
        if self.optical and self.radio:
            raise ValueError("has both an optical and a radio table: a terminal is one of them")
        return self

    def understands(self, other: "Terminal") -> bool:
        """Whether what ``other`` sends can mean anything here. Who has no budget understands all.

        Light and radio never fit, nor do wavelengths more than 100 nm apart or radios of different
        bands. Within a band radios fit: what goes up and what comes down has its own frequency.
        """
        if self.optical and other.optical:
            return abs(self.optical.wavelength_nm - other.optical.wavelength_nm) <= _BAND_NM
        if self.radio and other.radio:
            return self.radio.band == other.radio.band
        return not ((self.optical and other.radio) or (self.radio and other.optical))


class Fit(Section):
    """How many terminals of which kind a node carries, and where they look."""

    kind: str
    count: Annotated[int, Field(ge=0, le=64)]
    mounts: tuple[Literal["fore", "aft", "left", "right", "nadir", "zenith"], ...] = ()
    """Where each terminal of a satellite has its field of regard centred, in turn. Default: fore,
    aft, left, right; nadir for those of ``gsl``."""


WEATHER_STEP_S = 60.0
"""How long the weather of a site stays as it is."""


class Climate(Section):
    """``climate`` of a station: what stands between it and the sky.

    Who moves takes it along. Rain and gas thin out with the altitude of the moment, clouds do not.
    """

    rain_mm_h: Annotated[float, Field(ge=0, le=250)] = 0.0
    """Rain rate exceeded 0.01 % of an average year (ITU-R P.837). 0: it never rains."""
    rain_height_km: Annotated[float, Field(ge=0, le=10)] = 3.0
    """Mean annual rain height (ITU-R P.839)."""
    cloudy_share: Share = 0.0
    """Share of time during which clouds block an optical link."""
    cloud_spell_h: Annotated[float, Field(gt=0, le=1000)] = 6.0
    """Mean duration of a cloudy spell."""
    cloud_water_kg_m2: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Columnar liquid water of the clouds that radio crosses (ITU-R P.840)."""
    wet_refractivity: Annotated[float, Field(ge=0, le=200)] = 0.0
    """N_wet for scintillation (ITU-R P.453), N-units. 0: none."""
    vapour_g_m3: Annotated[float, Field(ge=0, le=50)] = 7.5
    """Water vapour density at sea level (ITU-R P.835: 7.5); every 2 km up divide it by e."""
    zenith_transmission: SomeShare = 0.9
    """Of the clear atmosphere at the laser's wavelength."""

    @model_validator(mode="after")
    def _spells_last(self) -> "Climate":
        least_s = WEATHER_STEP_S / ((1 - self.cloudy_share) or 1.0)
        if self.cloud_spell_h * 3600 < least_s:
            raise ValueError(
                f"cloud_spell_h must be at least {least_s / 3600:.3g} where cloudy_share is "
                f"{self.cloudy_share:g}: weather changes once a minute"
            )
        return self


@cache
def catalogue() -> dict[str, dict[str, Any]]:
    """Return the catalogue: each terminal's figures by name, with ``about`` and ``source``."""
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


def merged(over: dict[str, Any], under: dict[str, Any]) -> dict[str, Any]:
    """Return the tables of ``over`` with what only ``under`` has, at every level."""
    both = dict(under)
    for key, value in over.items():
        below = under.get(key)
        both[key] = (
            merged(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
        )
    return both


def from_catalogue(table: dict[str, Any]) -> dict[str, Any]:
    """Return a terminal's table with the figures of the catalogue entry that it names.

    Raises KeyError with the model's name where there is no such entry.
    """
    entry = catalogue()[table["model"]]
    figures = {key: value for key, value in entry.items() if key not in ("about", "source")}
    return merged(table, figures)
