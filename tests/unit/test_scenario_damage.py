"""Two hundred damaged scenario files: each is refused with problems, never with a traceback."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.errors import ScenarioError
from emulator.scenario import Scenario
from topologies import presets

FILES = 200
SEED = 20260822

REQUIRED = [
    "name",
    "start",
    "duration_s",
    "rate_gbps",
    "max_range_km",
    "pattern",
    "latitude_deg",
    "longitude_deg",
    "antennas",
    "kind",
    "source",
    "object_bytes",
    "result_bytes",
    "operations",
    "computer",
    "epoch",
    "mean_motion_rev_day",
    "eccentricity",
    "inclination_deg",
    "raan_deg",
    "arg_perigee_deg",
    "mean_anomaly_deg",
]
UNBOUNDED_ABOVE = ["rate_scale", "operations", "bstar"]
UNBOUNDED_BELOW = ["bstar"]
CHOICES = ["light_lost", "pattern", "selection", "protocol", "kind", "strategies"]

Damage = Callable[[random.Random, list[str]], str | bytes]


def pairs(lines: list[str]) -> list[tuple[int, str, str]]:
    """Number, key and value of every line that holds one."""
    found = []
    for number, line in enumerate(lines):
        match = re.fullmatch(r"(\w+) = (.+)", line)
        if match:
            found.append((number, *match.groups()))
    return found


def one(rng: random.Random, lines: list[str], where: Callable[[str, str], bool]) -> tuple:
    return rng.choice([each for each in pairs(lines) if where(each[1], each[2])])


def is_number(value: str) -> bool:
    return re.fullmatch(r"[-+0-9._e]+", value) is not None


def is_text(value: str) -> bool:
    return value.startswith('"')


def headers(lines: list[str]) -> list[int]:
    return [number for number, line in enumerate(lines) if line.startswith("[")]


def with_line(lines: list[str], number: int, *new: str) -> str:
    return "\n".join([*lines[:number], *new, *lines[number + 1 :]])


def a_required_line_is_gone(rng: random.Random, lines: list[str]) -> str:
    number, *_ = one(rng, lines, lambda key, _: key in REQUIRED)
    return with_line(lines, number)


def a_header_is_gone(rng: random.Random, lines: list[str]) -> str:
    return with_line(lines, rng.choice(headers(lines)))


def a_number_is_a_word(rng: random.Random, lines: list[str]) -> str:
    number, key, value = one(rng, lines, lambda _, value: is_number(value))
    return with_line(lines, number, f'{key} = "{value}"')


def a_word_is_a_number(rng: random.Random, lines: list[str]) -> str:
    number, key, _ = one(rng, lines, lambda _, value: is_text(value))
    return with_line(lines, number, f"{key} = {rng.choice(['1', '-2.5', 'true', '[]', '{}'])}")


def two_values_are_swapped(rng: random.Random, lines: list[str]) -> str:
    first, key, word = one(rng, lines, lambda _, value: is_text(value))
    second, other, figure = one(rng, lines, lambda _, value: is_number(value))
    lines = with_line(lines, first, f"{key} = {figure}").split("\n")
    return with_line(lines, second, f"{other} = {word}")


def a_number_is_not_finite(rng: random.Random, lines: list[str]) -> str:
    number, key, _ = one(rng, lines, lambda _, value: is_number(value))
    return with_line(lines, number, f"{key} = {rng.choice(['nan', 'inf', '-inf'])}")


def a_number_is_huge(rng: random.Random, lines: list[str]) -> str:
    number, key, _ = one(
        rng, lines, lambda key, value: is_number(value) and key not in UNBOUNDED_ABOVE
    )
    return with_line(lines, number, f"{key} = {rng.choice(['1e300', '9' * 40, '9' * 5000])}")


def a_number_is_far_below(rng: random.Random, lines: list[str]) -> str:
    number, key, _ = one(
        rng, lines, lambda key, value: is_number(value) and key not in UNBOUNDED_BELOW
    )
    return with_line(lines, number, f"{key} = {rng.choice(['-1e300', '-100000', '-9e18'])}")


def a_key_is_unknown(rng: random.Random, lines: list[str]) -> str:
    number = rng.choice(headers(lines))
    return with_line(
        lines, number, lines[number], rng.choice(['colour = "red"', "x = {}", "_ = 0"])
    )


def a_key_is_misspelt(rng: random.Random, lines: list[str]) -> str:
    number, key, value = one(rng, lines, lambda _, __: True)
    return with_line(lines, number, f"{key + key[-1]} = {value}")


def a_line_is_there_twice(rng: random.Random, lines: list[str]) -> str:
    number, *_ = one(rng, lines, lambda _, __: True)
    return with_line(lines, number, lines[number], lines[number])


def a_name_is_there_twice(rng: random.Random, lines: list[str]) -> str:
    named = [
        each for each in pairs(lines) if re.fullmatch(r'"(scs-01-.|miyun|kashi|sanya)"', each[2])
    ]
    named = [each for each in named if each[1] == "name"]
    (number, key, _), (_, _, other) = rng.sample(named, 2)
    return with_line(lines, number, f"{key} = {other}")


def a_choice_is_none_of_those(rng: random.Random, lines: list[str]) -> str:
    number, key, value = one(rng, lines, lambda key, _: key in CHOICES)
    return with_line(lines, number, f"{key} = {value.replace('-', '', 1)[:-2]}x{value[-1]}")


def a_reference_leads_nowhere(rng: random.Random, lines: list[str]) -> str:
    number, key, value = one(rng, lines, lambda key, _: key in ("source", "isl", "gsl", "antennas"))
    elsewhere = re.sub(r'"[^"]+"', '"nowhere"', value)
    return with_line(lines, number, f"{key} = {elsewhere}")


def a_date_is_none(rng: random.Random, lines: list[str]) -> str:
    number, key, _ = one(rng, lines, lambda key, _: key in ("start", "epoch"))
    dates = ["2026-02-30T00:00:00Z", "2026-08-22T13:58:50", "2026-08-22", "13:58:50", '"soon"']
    dates += ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1e9"]
    return with_line(lines, number, f"{key} = {rng.choice(dates)}")


def an_event_that_cannot_be(rng: random.Random, lines: list[str]) -> str:
    event = rng.choice(
        [
            'at_s = 1e9\naction = "link down"\ntarget = ["miyun", "scs-01-a"]',
            'at_s = 1\naction = "link down"\ntarget = ["miyun"]',
            'at_s = 1\naction = "satellite up"\ntarget = ["miyun"]',
            'at_s = -1\naction = "link up"\ntarget = ["scs-01-a", "scs-01-b"]',
            'at_s = 1\naction = "explode"\ntarget = ["scs-01-a"]',
            'at_s = 1\naction = "satellite down"',
        ]
    )
    return "\n".join([*lines, "[[event]]", event])


def a_bracket_or_quote_is_gone(rng: random.Random, lines: list[str]) -> str:
    text = "\n".join(line for line in lines if not line.startswith("#"))
    place = rng.choice([i for i, letter in enumerate(text) if letter in '"[]{}='])
    return text[:place] + text[place + 1 :]


def it_ends_within_a_satellite(rng: random.Random, lines: list[str]) -> str:
    blocks = [n for n in headers(lines) if lines[n] == "[[constellation.satellite]]"]
    number = rng.choice(blocks)
    return "\n".join(lines[: rng.randint(number + 1, number + 7)])


def it_ends_before_the_satellites(rng: random.Random, lines: list[str]) -> str:
    text = "\n".join(lines)
    return text[: rng.randrange(text.index("[[constellation]]"))]


def garbage_is_in_it(rng: random.Random, lines: list[str]) -> bytes:
    content = "\n".join(lines).encode()
    place = rng.randrange(len(content))
    garbage = rng.choice([b"\xff\xfe", b"\x00", b"\xc3\x28", b"\x80", b"\x07\x1b"])
    return content[:place] + garbage + content[place:]


def it_is_something_else(rng: random.Random, lines: list[str]) -> bytes:
    return rng.choice(
        [
            b"",
            b"\n\n",
            rng.randbytes(5000),
            b"<html><body>404</body></html>",
            b'{"scenario": {}}',
            b"a = " + b"[" * 50_000,
            b"a = " + b'"' * 3,
            "\n".join(lines).encode("utf-16"),
        ]
    )


DAMAGES: list[Damage] = [
    a_required_line_is_gone,
    a_header_is_gone,
    a_number_is_a_word,
    a_word_is_a_number,
    two_values_are_swapped,
    a_number_is_not_finite,
    a_number_is_huge,
    a_number_is_far_below,
    a_key_is_unknown,
    a_key_is_misspelt,
    a_line_is_there_twice,
    a_name_is_there_twice,
    a_choice_is_none_of_those,
    a_reference_leads_nowhere,
    a_date_is_none,
    an_event_that_cannot_be,
    a_bracket_or_quote_is_gone,
    it_ends_within_a_satellite,
    it_ends_before_the_satellites,
    garbage_is_in_it,
    it_is_something_else,
]


def damaged(number: int) -> bytes:
    """The preset, damaged in a way that follows from ``number`` alone."""
    rng = random.Random(SEED + number)
    lines = presets()["three-body"].read_text(encoding="utf-8").splitlines()
    content = DAMAGES[number % len(DAMAGES)](rng, lines)
    return content if isinstance(content, bytes) else content.encode()


@pytest.mark.parametrize("number", range(FILES))
def test_a_damaged_file_is_refused_with_problems(tmp_path: Path, number: int) -> None:
    path = tmp_path / "damaged.toml"
    path.write_bytes(damaged(number))
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(path)
    assert caught.value.problems
    for problem in caught.value.problems:
        assert problem.file.endswith("damaged.toml")
        assert problem.key
        assert problem.reason
        assert problem.remedy
        assert len(str(problem)) < 1000


def test_the_undamaged_file_is_sound(
    tmp_path: Path, preset_text: str, three_body: Scenario
) -> None:
    path = tmp_path / "sound.toml"
    path.write_text(preset_text + "# A comment does no damage.\n", encoding="utf-8")
    assert Scenario.load(path) == three_body
