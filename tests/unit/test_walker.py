"""Walker patterns against their definition, and their J2 motion against SGP4."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sgp4.api import WGS72, Satrec, SatrecArray

from emulator.ephemeris import mean_motion_rad_s, walker_km
from emulator.units import C_KM_S
from topologies.walker import MAX_TOTAL, RAAN_SPAN_DEG, Walker, parse_notation

TWENTY_KM = 20.0
TEN_MICROSECONDS_S = 10e-6
ARC_SECOND_DEG = 1 / 3600
DAY_S = 86400.0


def pattern(
    inclination_deg: float = 53.0,
    planes: int = 3,
    per_plane: int = 4,
    phasing: float = 1,
    altitude_km: float = 550.0,
    form: str = "delta",
) -> Walker:
    return Walker(
        inclination_deg=inclination_deg,
        total=planes * per_plane,
        planes=planes,
        phasing=phasing,
        altitude_km=altitude_km,
        raan_start_deg=10.0,
        raan_spacing_deg=RAAN_SPAN_DEG[form] / planes,
    )


@st.composite
def patterns(draw: st.DrawFn, form: str = "delta") -> Walker:
    planes = draw(st.integers(1, 12))
    return pattern(
        inclination_deg=draw(st.floats(0, 180)),
        planes=planes,
        per_plane=draw(st.integers(1, 12)),
        phasing=draw(st.integers(0, planes - 1)),
        altitude_km=draw(st.floats(300, 36000)),
        form=form,
    )


def gaps_deg(angles_deg: np.ndarray) -> np.ndarray:
    """Gaps between neighbours around the circle."""
    ordered = np.sort(angles_deg % 360)
    return np.diff(np.append(ordered, ordered[0] + 360))


@given(st.sampled_from(["delta", "star"]).flatmap(patterns))
def test_counts_and_even_spacing(shell: Walker) -> None:
    raan, latitude = shell.raan_deg(), shell.argument_of_latitude_deg()
    assert len(raan) == len(latitude) == shell.total
    by_plane = latitude.reshape(shell.planes, shell.per_plane)
    for plane in by_plane:
        assert gaps_deg(plane) == pytest.approx(360 / shell.per_plane, abs=ARC_SECOND_DEG)
    nodes = raan.reshape(shell.planes, shell.per_plane)
    assert (nodes == nodes[:, :1]).all()
    steps = np.diff(nodes[:, 0]) % 360
    assert steps == pytest.approx(shell.raan_spacing_deg, abs=ARC_SECOND_DEG)
    phase = (np.diff(by_plane[:, 0]) - 360 * shell.phasing / shell.total) % 360
    assert np.minimum(phase, 360 - phase) == pytest.approx(0, abs=ARC_SECOND_DEG)


@given(patterns())
def test_a_delta_pattern_turned_by_one_plane_is_itself(shell: Walker) -> None:
    def on_the_circle(angles_deg: np.ndarray) -> np.ndarray:
        return np.exp(1j * np.radians(angles_deg))

    raan = shell.raan_deg() + 360 / shell.planes
    latitude = shell.argument_of_latitude_deg() + 360 * shell.phasing / shell.total
    for node, angle in zip(raan, latitude, strict=True):
        apart = np.abs(on_the_circle(shell.raan_deg()) - on_the_circle(node))
        apart += np.abs(on_the_circle(shell.argument_of_latitude_deg()) - on_the_circle(angle))
        assert apart.min() < np.radians(ARC_SECOND_DEG)


def test_a_star_leaves_half_the_circle_to_descending_planes() -> None:
    iridium = pattern(86.4, planes=6, per_plane=11, phasing=3, altitude_km=778.0, form="star")
    nodes = np.unique(iridium.raan_deg())
    assert nodes == pytest.approx(10 + 30 * np.arange(6))


def test_names_are_unique_and_count_from_one() -> None:
    shell = pattern(planes=12, per_plane=101, phasing=0)
    names = shell.names("sat")
    assert names[0] == "sat-01-01"
    assert names[-1] == "sat-12-101"
    assert max(Counter(names).values()) == 1
    assert all(re.fullmatch(r"[a-z0-9-]{1,63}", name) for name in names)


@given(patterns())
def test_members_are_a_part_of_the_whole(shell: Walker) -> None:
    t_s = np.array([0.0, 1234.5])
    whole = walker_km(shell, t_s)
    assert np.array_equal(walker_km(shell, t_s, slice(-1, None)), whole[-1:])


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("53:1584/72/39", (53.0, 1584, 72, 39.0)),
        (" 97.6 : 348 / 6 / 1 ", (97.6, 348, 6, 1.0)),
        ("86.4:66/6/2.5", (86.4, 66, 6, 2.5)),
        ("0:1/1/0", (0.0, 1, 1, 0.0)),
    ],
)
def test_notation(text: str, figures: tuple) -> None:
    assert parse_notation(text) == figures


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "i:T/P/F"),
        ("53:66/6", "i:T/P/F"),
        ("53:66/6/-1", "i:T/P/F"),
        ("5.3.1:66/6/1", "i:T/P/F"),
        ("181:66/6/1", "between 0 and 180"),
        ("53:0/6/1", "at least 1"),
        ("53:66/0/1", "at least 1"),
        (f"53:{MAX_TOTAL + 1}/1/0", f"at most {MAX_TOTAL}"),
        ("53:" + "9" * 5000 + "/1/0", "i:T/P/F"),
        ("53:66/7/1", "not divisible"),
        ("53:66/6/6", "less than P"),
        ("53:66/6/" + "9" * 400, "less than P"),
    ],
)
def test_faulty_notation_is_explained(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_notation(text)


@pytest.mark.parametrize(
    ("altitude_km", "deg_day"), [(350.0, -4.974), (550.0, -4.48919), (1200.0, -3.280)]
)
def test_nodes_regress_at_the_textbook_rate(altitude_km: float, deg_day: float) -> None:
    shell = pattern(altitude_km=altitude_km)

    def node_deg(t_s: float) -> float:
        # The first two of a plane of four, a quarter of the circle apart, span the plane.
        first, second = walker_km(shell, np.array([t_s]))[:2, 0]
        x, y, _ = np.cross(first, second)
        return float(np.degrees(np.arctan2(x, -y)))

    rate = (node_deg(DAY_S) - node_deg(0.0) + 180) % 360 - 180
    assert rate == pytest.approx(deg_day, abs=5e-4)


@pytest.mark.parametrize("inclination_deg", [0.5, 53.0, 97.6])
@pytest.mark.parametrize("altitude_km", [550.0, 1200.0])
def test_a_day_of_j2_stays_near_sgp4(inclination_deg: float, altitude_km: float) -> None:
    shell = pattern(inclination_deg, planes=2, per_plane=22, altitude_km=altitude_km)
    orbits = SatrecArray([near_circular(shell, index) for index in range(shell.total)])
    t_s = np.arange(0.0, DAY_S, 300.0)
    error, theirs_km, _ = orbits.sgp4(np.full(len(t_s), 2461275.0), t_s / DAY_S)
    assert not error.any()
    ours_km = walker_km(shell, t_s)
    assert np.linalg.norm(ours_km - theirs_km, axis=-1).max() < TWENTY_KM

    def neighbour_delay_s(position_km: np.ndarray) -> np.ndarray:
        plane = position_km[:22]
        return np.linalg.norm(plane - np.roll(plane, -1, axis=0), axis=-1) / C_KM_S

    late_s = neighbour_delay_s(ours_km) - neighbour_delay_s(theirs_km)
    assert np.abs(late_s).max() < TEN_MICROSECONDS_S


def near_circular(shell: Walker, index: int) -> Satrec:
    """An SGP4 orbit with the Kozai mean motion of ``shell``, e = 1e-4 and no drag."""
    orbit = Satrec()
    orbit.sgp4init(
        WGS72,
        "i",
        index,
        2461275.0 - 2433281.5,
        0.0,
        0.0,
        0.0,
        1e-4,
        0.0,
        np.radians(shell.inclination_deg),
        np.radians(shell.argument_of_latitude_deg()[index]),
        mean_motion_rad_s(shell) * 60,
        np.radians(shell.raan_deg()[index]),
    )
    return orbit
