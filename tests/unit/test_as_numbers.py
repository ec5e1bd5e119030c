"""AS numbers: an AS per node, or per plane."""

import numpy as np

from emulator.network import Network
from emulator.scenario import Scenario
from protocols.as_numbers import FIRST_AS, as_numbers
from tests.unit.toys import walker_table


def numbers(bgp_as: str, **sections) -> list[int]:
    scenario = Scenario.from_table(walker_table(routing={"bgp_as": bgp_as}, **sections))
    found = as_numbers(scenario)
    assert len(found) == len(Network.of(scenario).nodes)
    return (found - FIRST_AS).tolist()


def test_every_node_is_an_as() -> None:
    assert numbers("satellite") == list(range(12))


def test_every_plane_is_an_as() -> None:
    assert numbers("plane") == np.repeat([0, 1, 2], 4).tolist()


def test_a_constellation_without_planes_is_one_as_and_every_station_is_one() -> None:
    three_body = Scenario.load("three-body")
    routing = three_body.routing.model_copy(update={"bgp_as": "plane"})
    found = as_numbers(three_body.model_copy(update={"routing": routing})) - FIRST_AS
    stations = len(three_body.ground.station)
    assert stations > 0
    assert found.tolist() == [0] * 12 + list(range(1, 1 + stations))


def test_they_are_private_numbers_of_four_octets() -> None:
    scenario = Scenario.load("shell-72x22")
    private = range(4_200_000_000, 4_294_967_295)  # RFC 6996 section 5
    found = as_numbers(scenario).tolist()
    assert min(found) in private and max(found) in private
