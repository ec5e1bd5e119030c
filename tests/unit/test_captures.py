"""When images are taken: by the clock, and over areas as a circular orbit's geometry has it."""

import math
from itertools import pairwise
from typing import Any

import pytest

from emulator.captures import Capture, captures
from emulator.computers import Computer
from emulator.ephemeris import Shell
from emulator.errors import ScenarioError
from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario
from emulator.workloads import Area, OffloadWorkload
from tests.unit.toys import walker_table

A_TENTH_OF_A_SECOND = 0.1
"""How exactly the edges of a region are known (regions.py)."""


def spec(**keys: Any) -> OffloadWorkload:
    sizes = {"object_bytes": 1000, "result_bytes": 10, "operations": 1.0}
    named = {} if "sources" in keys else {"source": "sat-01-01"}
    return OffloadWorkload(kind="offload", **named, **sizes, **keys)


def plan(walker: str = "90:4/1/0", duration_s: float = 7200.0) -> LinkPlan:
    run = {"duration_s": duration_s, "step_s": 60.0}
    return LinkPlan.of(Scenario.from_table(walker_table(walker, 550.0, scenario=run)))


def test_one_image_is_complete_at_its_moment() -> None:
    assert captures(spec(), plan()) == (Capture(10.0, 0),)
    assert captures(spec(capture_s=0.5), plan()) == (Capture(0.5, 0),)


def test_an_image_an_hour_of_every_satellite() -> None:
    found = captures(spec(sources=("sat",), every_s=3600.0, first_s=600.0), plan())
    assert found == tuple(Capture(t_s, node) for t_s in (600.0, 4200.0) for node in range(4))
    # what would be complete at the very end is no part of the scenario
    assert len(captures(spec(every_s=3600.0), plan())) == 2


def test_staggered_sources_share_the_time_between_two_images() -> None:
    named = ("sat-01-03", "sat")  # an order of its own; nobody is taken twice
    found = captures(spec(sources=named, every_s=3600.0, stagger=True), plan(duration_s=3600.0))
    assert found == tuple(Capture(900.0 * i, node) for i, node in enumerate((2, 0, 1, 3)))


def test_a_band_of_latitude_is_entered_when_the_orbit_says() -> None:
    # A polar circle from the equator northward: geocentric latitude is n t, until a quarter turn.
    sky = plan("90:1/1/0", 1200.0)
    [found, *more] = captures(spec(over=(Area(latitude_deg=(30.0, 40.0)),), cadence_s=1e4), sky)
    rate = Shell.of(sky.scenario.constellation[0].walker_pattern()).latitude_rate_rad_s
    # Hofmann-Wellenhof et al., GPS Theory and Practice, section 10.2.1, at 550 km.
    e2, latitude = 0.00669438, math.radians(30.0)
    normal_km = 6378.137 / math.sqrt(1 - e2 * math.sin(latitude) ** 2)
    flat = (normal_km * (1 - e2) + 550.0) / (normal_km + 550.0)
    due_s = math.atan(flat * math.tan(latitude)) / rate
    assert not more and found.at_s == pytest.approx(due_s, abs=A_TENTH_OF_A_SECOND)


def test_a_box_all_around_is_a_band() -> None:
    sky, band = plan(), {"latitude_deg": (30.0, 40.0)}
    bare = captures(spec(over=(Area(**band),), cadence_s=60.0), sky)
    for around in ((-180.0, 180.0), (0.0, 360.0)):
        box = Area(**band, longitude_deg=around)
        assert captures(spec(over=(box,), cadence_s=60.0), sky) == bare != ()
    with pytest.raises(ValueError, match="no width"):
        Area(**band, longitude_deg=(10.0, 10.0))


def test_over_an_area_images_follow_at_the_cadence_while_inside() -> None:
    sky = plan("90:1/1/0", 7200.0)
    area = {"name": "far north", "latitude_deg": (60.0, 90.0)}
    every = captures(spec(over=(Area(**area),), cadence_s=20.0), sky)
    rate = Shell.of(sky.scenario.constellation[0].walker_pattern()).latitude_rate_rad_s
    inside_s = math.radians(60.0) / rate  # from 60 up over the pole and down to 60 again
    first = [each for each in every if each.at_s < 3000.0]
    assert len(first) == pytest.approx(inside_s / 20.0, abs=1.5)
    gaps_s = [b.at_s - a.at_s for a, b in pairwise(first)]
    assert gaps_s == pytest.approx([20.0] * len(gaps_s), abs=1e-6)
    assert {each.area for each in every} == {"far north"} and len(every) > len(first)


def test_a_computer_takes_operations_over_what_it_reaches() -> None:
    assert Computer(tops=744.0, utilisation=0.3).seconds(8.0e13) == pytest.approx(0.358423, 1e-5)
    assert Computer(tops=1.0).holds(1e6)
    assert not Computer(tops=1.0, memory_gb=16.0).holds(17.0)


def test_sizes_and_work_may_be_ratios() -> None:
    keys = {"kind": "offload", "source": "a", "object_bytes": 2000}
    work = OffloadWorkload(**keys, result_ratio=0.001, operations_per_byte=3.0)
    assert (work.answer_bytes, work.work) == (2, 6000.0)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"every_s": 1e-9}, r"every_s = 1e-09: makes 720,000,000,000 images to answer"),
        (
            {"over": [{"latitude_deg": [0, 9]}], "cadence_s": 1e-6},
            r"cadence_s = 1e-06: makes 60,000,000 images to answer, and 1,000,000 is the most",
        ),
    ],
)
def test_more_images_than_can_be_listed_are_refused_before_they_are(when: Any, said: str) -> None:
    site = {"name": "pad", "latitude_deg": 0.0, "longitude_deg": 0.0, "computer": {"tops": 1.0}}
    site |= {"antennas": {"kind": "radio", "count": 1}}
    work = {"kind": "offload", "sources": ["sat"], "strategies": ["raw"], "object_bytes": 1}
    work |= {"result_bytes": 1, "operations": 1, **when}
    with pytest.raises(ScenarioError, match=said):
        Scenario.from_table(walker_table(ground={"station": [site]}, workload=[work]))
