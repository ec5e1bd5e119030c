"""The example of the README is a scenario, and its lasers find each other."""

import re
from pathlib import Path

from emulator.linkplan import LinkPlan
from emulator.scenario import Scenario

README = Path(__file__).parents[2] / "README.md"


def test_the_first_example_lights_up(tmp_path: Path) -> None:
    first, *_ = re.findall(r"(?s)```toml\n(.*?)```", README.read_text())
    (tmp_path / "mine.toml").write_text(first)
    plan = LinkPlan.of(Scenario.load(tmp_path / "mine.toml"))
    assert len(plan.contacts) >= plan.scenario.constellation[0].size
