"""What clear air does to a laser from a satellite: scintillation, blur and loss.

Plane wave, Kolmogorov turbulence, weak fluctuations: good where ``rytov_variance`` is below
``WEAK_RYTOV_VARIANCE``; beyond it real fluctuations saturate and these figures exceed them. The
air is flat layers, so the path is 1/sin(elevation) times the zenith's, and elevations below one
degree count as one. The integrals over height depend on neither wavelength nor telescope: they
are taken once, when an ``Air`` is made, and the functions of elevation only look them up.

Sources: L. C. Andrews and R. L. Phillips, Laser Beam Propagation through Random Media, 2nd ed.
(SPIE, 2005), chapter 12 (downlinks); D. L. Fried, J. Opt. Soc. Am. 56 (1966) 1372.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtri

WEAK_RYTOV_VARIANCE = 1.0

_EDGES_M = np.array([0, 50, 200, 500, 1500, 4000, 8000, 12e3, 17e3, 25e3, 40e3])
"""Of Gauss-Legendre panels; above 40 km less than a millionth of any integral is left."""
_LOG_BLUR = np.linspace(np.log(1e-4), np.log(1e8), 481)
"""Natural logarithms of the lengths k D²/16 sin(elevation), in metres, that are tabulated."""
_LOWEST_SINE = np.sin(np.radians(1.0))


def hufnagel_valley(
    height_m: np.ndarray,
    wind_m_s: float = 21.0,
    ground_cn2: float = 1.7e-14,
    site_altitude_m: float = 0.0,
) -> np.ndarray:
    """Structure parameter Cn² of the refractive index, m^(-2/3), ``height_m`` above the site.

    ``wind_m_s`` is the rms wind aloft, ``ground_cn2`` Cn² at the site; the defaults are HV 5/7.
    The layers aloft keep their heights above the sea, the layer at the ground rides on the site.
    """
    sea_m = np.asarray(height_m) + site_altitude_m
    jet = 0.00594 * (wind_m_s / 27) ** 2 * (1e-5 * sea_m) ** 10 * np.exp(-sea_m / 1000)
    free = 2.7e-16 * np.exp(-sea_m / 1500)
    return jet + free + ground_cn2 * np.exp(-np.asarray(height_m) / 100)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Air:
    """The turbulence above a site, integrated over height h: all that a link needs to know."""

    cn2_m: float
    """Integral of Cn², m^(1/3)."""
    cn2_h56_m: float
    """Integral of Cn² h^(5/6), m^(7/6)."""
    log_averaging: np.ndarray
    """Natural logarithm of the aperture averaging factor at the tabulated lengths."""

    @classmethod
    def hufnagel_valley(
        cls, wind_m_s: float = 21.0, ground_cn2: float = 1.7e-14, site_altitude_m: float = 0.0
    ) -> Self:
        """Integrate the profile of the function of that name, to 40 km above the site."""
        node, weight = np.polynomial.legendre.leggauss(16)
        half_m = np.diff(_EDGES_M)[:, None] / 2
        height_m = (_EDGES_M[:-1, None] + half_m * (1 + node)).ravel()
        cn2 = hufnagel_valley(height_m, wind_m_s, ground_cn2, site_altitude_m)
        share = (half_m * weight).ravel() * cn2
        cn2_h56_m = float((share * height_m ** (5 / 6)).sum())
        blur_m = np.exp(_LOG_BLUR)[:, None]
        waves = ((blur_m + 1j * height_m) ** (5 / 6)).real - blur_m ** (5 / 6)
        averaging = (share * waves).sum(-1) / (np.cos(5 * np.pi / 12) * cn2_h56_m)
        return cls(cn2_m=float(share.sum()), cn2_h56_m=cn2_h56_m, log_averaging=np.log(averaging))


def fried_parameter_m(wavelength_m: float, elevation_deg: np.ndarray, air: Air) -> np.ndarray:
    """Coherence width r0 of the wave at the ground, metres, in the shape of ``elevation_deg``.

    r0 = (0.423 k² / sin(e) ∫ Cn² dh)^(-3/5), k the wave number (Fried 1966).
    """
    wave_number = 2 * np.pi / wavelength_m
    return (0.423 * wave_number**2 * air.cn2_m / _sine(elevation_deg)) ** -0.6


def rytov_variance(wavelength_m: float, elevation_deg: np.ndarray, air: Air) -> np.ndarray:
    """Variance of irradiance over its squared mean at a point: 2.25 k^(7/6) sin(e)^(-11/6) ∫ Cn²
    h^(5/6) dh, in the shape of ``elevation_deg`` (Andrews and Phillips, chapter 12)."""
    wave_number = 2 * np.pi / wavelength_m
    zenith = 2.25 * wave_number ** (7 / 6) * air.cn2_h56_m
    return zenith * _sine(elevation_deg) ** (-11 / 6)


def scintillation_index(
    wavelength_m: float, elevation_deg: np.ndarray, aperture_m: float, air: Air
) -> np.ndarray:
    """Variance of received power over its squared mean, in the shape of ``elevation_deg``.

    Power is collected over a telescope of diameter ``aperture_m``; 0 is a point, for which this
    is the Rytov variance. Andrews and Phillips, chapter 12: 8.70 k^(7/6) sin(e)^(-11/6)
    ∫ Cn² Re[(q + i h)^(5/6) - q^(5/6)] dh with q = k D² sin(e) / 16. The aperture is a soft-edged
    Gaussian there, whose index is within 15 % of a hard-edged one's of that diameter.
    """
    wave_number = 2 * np.pi / wavelength_m
    blur_m = wave_number * aperture_m**2 / 16 * _sine(elevation_deg)
    log_blur = np.log(np.maximum(blur_m, np.exp(_LOG_BLUR[0])))
    averaging = np.exp(np.interp(log_blur, _LOG_BLUR, air.log_averaging))
    return rytov_variance(wavelength_m, elevation_deg, air) * averaging


def fade_margin_db(scintillation_index: np.ndarray, outage: np.ndarray) -> np.ndarray:
    """Margin below the mean power that is exceeded but for a share ``outage`` of time, dB.

    Log-normal power of mean 1: ln P is normal with variance s² = ln(1 + index) and mean -s²/2
    (D. Giggenbach and H. Henniger, Opt. Eng. 47 (2008) 046001). Broadcasts; ``outage`` lies in
    (0, 1). For outages near one half the margin is negative: power is above it most of the time.
    """
    variance = np.log1p(scintillation_index)
    return (10 / np.log(10)) * (variance / 2 - np.sqrt(variance) * ndtri(outage))


def clear_air_transmission(zenith: np.ndarray, elevation_deg: np.ndarray) -> np.ndarray:
    """Transmission of cloudless air, in (0, 1], from that at the ``zenith``: zenith^(1/sin(e)).

    Bouguer-Lambert law in flat layers; some 0.9 at the zenith at 1550 nm.
    """
    return np.asarray(zenith, dtype=np.float64) ** (1 / _sine(elevation_deg))


def _sine(elevation_deg: np.ndarray) -> np.ndarray:
    return np.maximum(np.sin(np.radians(elevation_deg)), _LOWEST_SINE)
