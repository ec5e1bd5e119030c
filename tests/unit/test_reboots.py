"""When satellites are off with all that runs on them."""

import math

from emulator.linkplan import LinkPlan
from emulator.reboots import reboots
from emulator.scenario import Scenario
from tests.unit.toys import walker_table


def test_a_satellite_comes_back_by_itself_or_when_it_is_told_to() -> None:
    down = {"action": "satellite down", "reboot": True}
    first, second = {"target": ["sat-01-01"]}, {"target": ["sat-01-02"]}
    events = [
        {"at_s": 30.0, **down, **second},
        {"at_s": 5.0, "for_s": 10.0, **down, **first},
        {"at_s": 20.0, "for_s": 30.0, **down, **first},
        {"at_s": 25.0, "action": "satellite up", **first},
        {"at_s": 1.0, "action": "satellite down", "for_s": 1.0, **second},
    ]
    plan = LinkPlan.of(Scenario.from_table(walker_table(event=events)))
    assert reboots(plan) == [(5.0, 15.0, 0), (20.0, 25.0, 0), (30.0, math.inf, 1)]
