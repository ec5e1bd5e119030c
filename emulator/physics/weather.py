"""Weather of many ground sites: seeded arrays of clouds and rain over time.

Clouds block lasers: at each site a two-state Markov chain with the share and the mean spell that
are asked for. Rain dims radio: at each site an Ornstein-Uhlenbeck process z, normal over time,
whose exceedance of 100 (1 - Φ(z)) percent is what ITU-R P.618 turns into decibels. Two sites
correlate as exp(-distance / correlation_km) in clouds and, drawn apart from them, in rain.

Every site draws from streams of its own and leans only on the sites before it, so that a site
added at the end, or a longer duration, leaves all that was there as it was.

Sites share rain as the Cholesky factor of their correlations says, but not clouds: chains that are
moved by correlated normals change state at different steps, and what is left of a correlation
of 0.72 is 0.13 at steps of 60 s and nothing at short ones. Here sites share whole moves.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import nnls
from scipy.special import ndtr

from emulator.units import EARTH_RADIUS_KM

RAIN_RATE_PER_S = 2e-4
"""By which z forgets: rain attenuation's in ITU-R P.1853."""
_NEIGHBOURS = 24
"""Earlier sites, the most alike, that a site's clouds may lean on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weather:
    """What the sky over each site does, in steps from second 0; each step holds until the next."""

    step_s: float
    cloudy: np.ndarray
    """bool, shape ``(sites, steps)``."""
    rain_z: np.ndarray
    """float32, shape ``(sites, steps)``; large is heavy rain."""

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        latitude_deg: np.ndarray,
        longitude_deg: np.ndarray,
        cloudy_share: np.ndarray,
        cloud_spell_s: np.ndarray,
        duration_s: float,
        *,
        step_s: float = 60.0,
        correlation_km: float = 300.0,
        rain_rate_per_s: float = RAIN_RATE_PER_S,
    ) -> Self:
        """Draw the weather of the sites from second 0 to ``duration_s``.

        ``cloudy_share``, in [0, 1], and ``cloud_spell_s``, the mean length of a cloudy spell, are
        numbers for all sites or arrays ``(sites,)``; clouds correlate the less, the more sites
        differ in them. Another draw from the same ``rng`` is other weather. Raises ValueError
        where spells are too short to be told in steps.
        """
        correlation = np.exp(
            -great_circle_km(latitude_deg, longitude_deg) / max(correlation_km, 1e-9)
        )
        sites, steps = len(correlation), _step(duration_s, step_s) + 1
        share = np.broadcast_to(np.asarray(cloudy_share, dtype=np.float64), (sites,))
        spell_s = np.broadcast_to(np.asarray(cloud_spell_s, dtype=np.float64), (sites,))
        leave, enter = _cloud_chances(share, spell_s, step_s)
        # A child for the draw, of which a child for each site: neither depends on the number
        # of sites, nor on that of steps.
        streams = [site.spawn(3) for site in rng.spawn(1)[0].spawn(sites)]
        move, pick = (np.stack([each[k].random(steps) for each in streams]) for k in (0, 1))
        rain_z = np.stack([each[2].standard_normal(steps) for each in streams])
        # Shared from the start are states, later moves: of chains of which a share m of moves
        # is common, the states correlate by m / (2 - m).
        _share(move[:, :1], pick[:, :1], correlation)
        _share(move[:, 1:], pick[:, 1:], 2 * correlation / (1 + correlation))
        _correlate(rain_z, correlation)
        _remember(rain_z, rain_rate_per_s * step_s)
        cloudy = _markov(move, share, leave, enter)
        return cls(step_s=step_s, cloudy=cloudy, rain_z=rain_z.astype(np.float32))

    def column(self, t_s: float) -> int:
        """Return the index of the step that holds at ``t_s``. Raises ValueError outside."""
        column = _step(t_s, self.step_s)
        steps = self.cloudy.shape[1]
        if not 0 <= column < steps:
            raise ValueError(
                f"no weather at {t_s:g} s: it was drawn from 0 to {steps * self.step_s:g} s; "
                "draw it for the whole duration"
            )
        return column

    def at(self, t_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Return (cloudy, rain_z) of all sites at ``t_s``, both of shape ``(sites,)``."""
        column = self.column(t_s)
        return self.cloudy[:, column], self.rain_z[:, column]


def rain_exceedance_percent(rain_z: np.ndarray) -> np.ndarray:
    """Percentage of time for which rain is heavier than at ``rain_z``: p of ITU-R P.618."""
    return 100 * ndtr(-np.asarray(rain_z, dtype=np.float64))


def availability(clear_share: np.ndarray) -> np.ndarray:
    """Share of time in which at least one of independent sites is clear: 1 - Π(1 - a).

    ``clear_share`` is ``(..., sites)``; the product is taken over the sites.
    """
    return 1 - np.prod(1 - np.asarray(clear_share, dtype=np.float64), axis=-1)


def great_circle_km(latitude_deg: np.ndarray, longitude_deg: np.ndarray) -> np.ndarray:
    """Distances along the sphere between all sites, shape ``(sites, sites)``, by haversines."""
    latitude, longitude = np.radians(latitude_deg), np.radians(longitude_deg)
    north = np.sin((latitude[:, None] - latitude) / 2) ** 2
    east = np.sin((longitude[:, None] - longitude) / 2) ** 2
    haversine = north + np.cos(latitude[:, None]) * np.cos(latitude) * east
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(haversine, 1.0)))


def _step(t_s: float, step_s: float) -> int:
    """Number of whole steps in ``t_s``, where 0.3 / 0.1 is 3."""
    return int(np.floor(t_s / step_s + 1e-9))


def _cloud_chances(
    share: np.ndarray, spell_s: np.ndarray, step_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Chances a step that a cloudy sky clears and that a clear one clouds over, ``(sites,)``.

    Spells are geometric, of mean 1 / chance; the flows between the states balance.
    """
    always = share == 1.0
    shortest_s = step_s / np.where(always, 1.0, 1 - share)
    wrong = ~((share >= 0) & (share <= 1) & (spell_s >= shortest_s))
    if wrong.any():
        site = int(np.argmax(wrong))
        raise ValueError(
            f"cannot draw the clouds of site {site}: share {share[site]:g}, mean spell "
            f"{spell_s[site]:g} s. A share lies in [0, 1], and a mean spell is at least the step "
            f"of {step_s:g} s divided by the clear share; use longer spells or a shorter step"
        )
    leave = np.where(always, 0.0, step_s / spell_s)
    enter = np.where(always, 1.0, leave * share / np.where(always, 1.0, 1 - share))
    return leave, enter


def _share(move: np.ndarray, pick: np.ndarray, common: np.ndarray) -> None:
    """Overwrite uniforms ``move`` so that sites i and k are equal at a share common[i, k] of steps.

    Each site copies, at each step, the value of one earlier site or keeps its own, as ``pick``
    falls, so all remain uniform and independent from step to step. The chances of copying from
    each solve for the shares that are to be common with all of them, as nearly as chances can,
    which cannot be negative: of 100 sites over Europe the correlations come out 0.02 off (rms).
    """
    reached = np.eye(len(move))
    for site in range(1, len(move)):
        near = np.argsort(-common[site, :site], kind="stable")[:_NEIGHBOURS]
        chance, _ = nnls(reached[np.ix_(near, near)], common[site, near])
        chance /= max(chance.sum(), 1.0)
        reached[site, :site] = (chance[:, None] * reached[near, :site]).sum(0)
        reached[:site, site] = reached[site, :site]
        choice = np.searchsorted(np.cumsum(chance), pick[site], side="right")
        [copied] = np.nonzero(choice < len(near))
        move[site, copied] = move[near[choice[copied]], copied]


def _markov(
    move: np.ndarray, share: np.ndarray, leave: np.ndarray, enter: np.ndarray
) -> np.ndarray:
    """Walk every site's chain: low moves bring clouds, high ones clear the sky."""
    cloudy = np.empty(move.shape, dtype=bool)
    cloudy[:, 0] = move[:, 0] < share
    for step in range(1, move.shape[1]):
        cloudy[:, step] = move[:, step] < np.where(cloudy[:, step - 1], 1 - leave, enter)
    return cloudy


def _correlate(noise: np.ndarray, correlation: np.ndarray) -> None:
    """Multiply ``noise`` ``(sites, steps)`` from the left by the Cholesky factor, in place.

    Element by element, without BLAS: what it makes of the last bit depends on the matrix's size,
    and sites must not. Sites at one place get one and the same noise.
    """
    left = correlation.copy()
    factor = np.zeros_like(left)
    for site in range(len(left)):
        if left[site, site] > 1e-12:
            factor[site:, site] = left[site:, site] / np.sqrt(left[site, site])
        rest = factor[site:, site]
        left[site:, site:] -= rest[:, None] * rest
    for site in reversed(range(len(noise))):
        noise[site + 1 :] += factor[site + 1 :, site, None] * noise[site]
        noise[site] *= factor[site, site]


def _remember(noise: np.ndarray, rate: float) -> None:
    """Turn white ``noise`` into a stationary Ornstein-Uhlenbeck process of ``rate`` a step."""
    decay = np.exp(-rate)
    noise[:, 1:] *= np.sqrt(-np.expm1(-2 * rate))
    for step in range(1, noise.shape[1]):
        noise[:, step] += decay * noise[:, step - 1]
