"""The tables of a scenario file: their keys, units, bounds and defaults.

Each class is one table and judges only what stands in it; ``scenario.py`` puts them together and
``scenario_checks.py`` compares them. The docstrings under the keys go into the JSON Schema.
"""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from emulator.computers import Computer
from emulator.fields import Moment, Name, NotNegative, Positive, Section, SomeShare
from emulator.terminals import Climate, Fit


class Run(Section):
    """``[scenario]``: what is run, when, how finely, and at which scale."""

    name: Name
    description: str = ""
    start: Moment
    """UTC of the first step."""
    duration_s: Annotated[float, Field(gt=0, le=31 * 86400)]
    step_s: Annotated[float, Field(ge=0.01, le=3600)] = 1.0
    """Seconds between two retunes."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    rate_scale: Annotated[float, Field(ge=1)] = 1.0
    """Every rate AND every object size is divided by this; delays and compute times are not."""
    light_lost: Literal["carrier", "silent"] = "carrier"
    """What a node notices when light is lost: its carrier drops, or nothing at all."""
    grazing_height_km: Annotated[float, Field(ge=0, le=1000)] = 80.0
    """A laser's line of sight must stay above this height."""
    ut1_utc_s: Annotated[float, Field(ge=-0.9, le=0.9)] = 0.0
    """UT1 - UTC at the start (IERS Bulletin A); 0 puts stations wrong by up to 42 m per 0.1 s."""


class Isl(Section):
    """``[[isl]]``: which satellites may link by laser."""

    pattern: Literal["ring", "grid", "nearest", "visible", "pairs"]
    constellations: tuple[str, ...] = ()
    """Default: all. Not for ``pairs``, which name their satellites."""
    k: Annotated[int, Field(ge=1, le=64)] = 2
    """For ``nearest``: how many neighbours each satellite asks for."""
    to: tuple[str, ...] = ()
    """For ``nearest``: constellations to ask, as relays or another shell. Default: one's own."""
    hysteresis: Annotated[float, Field(ge=0, le=1000)] = 0.2
    """For ``nearest``: a neighbour is kept until another is nearer by this share of its range."""
    seam: Literal["open", "closed"] | None = None
    """For ``grid``: links between the last plane and the first. Default: closed for delta."""
    latitude_cut_deg: Annotated[float, Field(gt=0, le=90)] = 90.0
    """For ``grid``: links across planes are off while the mean latitude of both ends is higher."""
    pairs: tuple[tuple[str, str], ...] = ()


class Station(Section):
    """``[[ground.station]]``: WGS-84 position or track, minimum elevation and antennas."""

    name: Name
    latitude_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Field(ge=-180, le=360)] | None = None
    altitude_m: Annotated[float, Field(ge=-500, le=30_000)] = 0.0
    track: tuple[tuple[float, float, float, float], ...] = ()
    """Of a ship or an aircraft, instead of a position: waypoints ``[t_s, latitude_deg,
    longitude_deg, altitude_m]``, joined by great circles; it waits before the first and after
    the last."""
    min_elevation_deg: Annotated[float, Field(ge=0, lt=90)] = 10.0
    antennas: Fit
    climate: Climate = Climate()
    computer: Computer | None = None
    """What computes there. Default: nothing."""

    @model_validator(mode="after")
    def _somewhere(self) -> "Station":
        fixed = self.latitude_deg is not None and self.longitude_deg is not None
        if fixed == bool(self.track) or (self.track and self.latitude_deg is not None):
            raise ValueError("needs latitude_deg and longitude_deg, or a track, and not both")
        for before_s, after_s in pairwise(point[0] for point in self.track):
            if after_s <= before_s:
                raise ValueError(
                    f"track must go forward in time, and not from {before_s:g} to {after_s:g} s"
                )
        for _, latitude_deg, longitude_deg, altitude_m in self.track:
            if abs(latitude_deg) > 90 or not -180 <= longitude_deg <= 360:
                raise ValueError(f"track leaves the globe at {latitude_deg:g}, {longitude_deg:g}")
            if not -500 <= altitude_m <= 30_000:
                raise ValueError(f"track has altitude_m {altitude_m:g}: give -500 to 30000")
        return self

    @property
    def waypoints(self) -> tuple[tuple[float, float, float, float], ...]:
        """Return the track; of a fixed station its only point."""
        if self.latitude_deg is None or self.longitude_deg is None:
            return self.track
        return ((0.0, self.latitude_deg, self.longitude_deg, self.altitude_m),)


class Ground(Section):
    """``[ground]``: the stations and the rule by which antennas choose satellites."""

    selection: Literal["highest-elevation", "longest-remaining", "fewest-switches"] = (
        "highest-elevation"
    )
    """``fewest-switches`` holds a satellite to the end of its pass, then takes the longest one."""
    slot_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """Decide anew only at whole multiples of this (and when a pass ends). 0: at every step."""
    slot_phase_s: NotNegative = 0.0
    """When the first slot begins, seconds after the start."""
    handover: Literal["break-before-make", "make-before-break"] = "break-before-make"
    """``make-before-break`` keeps one antenna of each station that has several free for the
    satellite to come, and points it before the pass of the old one ends."""
    gap_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    """How long an antenna that changes satellites is dark: rounded up to steps, at least one."""
    station: tuple[Station, ...] = ()


class Around(Section):
    """``around``: satellites whose ground point at the start is near a station."""

    stations: Annotated[tuple[str, ...], Field(min_length=1)]
    radius_km: Annotated[float, Field(ge=100, le=20_000)]
    """On the ground."""


class Emulate(Section):
    """``[emulate]``: which part of it `lasermesh run` emulates; plans are of the whole.

    To satellites outside there are no links; antennas, and lasers that choose, choose within.
    """

    satellites: tuple[str, ...] = ()
    """Names, or patterns of names: ``gw-0[1-3]-*`` are three planes."""
    around: Around | None = None
    """These, too."""
    planned_only: bool = False
    """It can be planned and not run."""
    whole: Annotated[int, Field(ge=1)] | None = None
    """Of how many satellites this is a part: a run writes it into its scenario.json."""

    @model_validator(mode="after")
    def _one_part(self) -> "Emulate":
        if self.planned_only == bool(self.satellites or self.around):
            raise ValueError("needs satellites or around, or planned_only, and not both")
        return self


_RECORDED_NODES = 300
_COUNT_S = 10.0


class Routing(Section):
    """``[routing]``: the protocol by one word, and the timers of those that have any."""

    protocol: str = "frr-ospf"
    hello_s: Annotated[int, Field(ge=1, le=255)] = 1
    dead_s: Annotated[int, Field(ge=2, le=65535)] = 4
    isl_cost: Annotated[int, Field(ge=1, le=65535)] = 10
    gsl_cost: Annotated[int, Field(ge=1, le=65535)] = 1000
    """High: a ground station is where traffic ends, not a way between satellites."""
    converge_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    """How long daemons may take to come up and agree before the run starts."""
    bfd_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    """BFD (RFC 5880) beside the protocol: a packet each so many milliseconds, three missed are a
    loss. 0: none; else at least 10, as daemons accept."""
    bgp_as: Literal["satellite", "plane"] = "satellite"
    """For BGP: an AS of its own for every node, or for every plane (or constellation)."""
    cost_out_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Raise a link's cost so long before the plan cuts it, where the protocol can. 0: never."""
    record: bool | None = None
    """Write every change of every node's routes into run.sqlite. Default: up to 300 nodes."""
    count_s: Annotated[float, Field(ge=0, le=3600)] | None = None
    """Read the counters of control traffic and losses, and the memory of daemons, every so many
    seconds, at a step. 0: never. Default: 10 up to 300 nodes, else never."""

    @model_validator(mode="after")
    def _dead_after_hello(self) -> "Routing":
        if self.dead_s <= self.hello_s:
            raise ValueError("dead_s must be greater than hello_s, or every neighbour flaps")
        return self

    @model_validator(mode="after")
    def _bfd_or_none(self) -> "Routing":
        if 0 < self.bfd_ms < 10:
            raise ValueError("bfd_ms must be 0 (no BFD) or at least 10: daemons refuse less")
        return self

    def cost(self, medium: str) -> int:
        """Return the cost of a port by its medium, ``isl`` or ``gsl``."""
        return self.isl_cost if medium == "isl" else self.gsl_cost

    def counted_every_s(self, nodes: int) -> float:
        """Spacing of the readings of counters, 0 where there are none."""
        chosen = _COUNT_S if nodes <= _RECORDED_NODES else 0.0
        return chosen if self.count_s is None else self.count_s

    def recorded(self, nodes: int) -> bool:
        """Whether changes of routes are recorded: each of N nodes has N - 1 from the very start."""
        return nodes <= _RECORDED_NODES if self.record is None else self.record


Silent = bool | None
"""Whether light that is lost goes unnoticed: carriers stay. Default: as ``scenario.light_lost``."""


class Event(Section):
    """``[[event]]``: something that the orbits do not know of."""

    at_s: NotNegative
    action: Literal[
        "link down", "link up", "satellite down", "satellite up", "terminal down", "terminal up"
    ]
    """``up`` ends whatever took that very target down: events, random failures, storms."""
    target: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)]
    """Two nodes for a link, one satellite, or a node and its port (``isl2``) for a terminal."""
    direction: Literal["both", "a-to-b"] = "both"
    """Of a link: ``a-to-b`` takes only what the first node sends the second. Without silence the
    second one's carrier drops, and so it sends nothing either; the first one notices nothing."""
    silent: Silent = None
    """Nothing is noticed: carriers stay, and all packets are lost. Default: as
    ``scenario.light_lost``."""
    for_s: Positive | None = None
    """Comes back by itself after so long. Default: not without an ``up``."""
    reboot: bool = False
    """Of ``satellite down``: its agent and its bundle nodes are killed, and start anew when it
    comes back, from what is on their disks. Routing daemons go on in the dark."""

    @model_validator(mode="after")
    def _target_fits_action(self) -> "Event":
        what, change = self.action.split()
        if len(self.target) != (1 if what == "satellite" else 2):
            raise ValueError(
                f"{self.action!r} takes two names for a link, one for a satellite, a node and a "
                "port for a terminal"
            )
        if self.direction != "both" and what != "link":
            raise ValueError("direction is for links: a satellite or a terminal loses both")
        if change == "up" and not (self.silent is None and self.for_s is None):
            raise ValueError("silent and for_s belong to what goes down")
        if self.reboot and self.action != "satellite down":
            raise ValueError("reboot belongs to 'satellite down'")
        return self


class Failures(Section):
    """``[failures]``: what breaks by chance, drawn from ``scenario.seed`` and names."""

    satellites_per_hour: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Share of the satellites that fail in an hour; the time to a failure is exponential."""
    links_per_hour: Annotated[float, Field(ge=0, le=60)] = 0.0
    """The same of links, each pair by itself. Only what falls into a contact counts."""
    repair_s: Positive | None = None
    """Mean time to repair. Default: what has failed stays so."""
    repair: Literal["exponential", "fixed"] = "exponential"
    silent: Silent = None
    """Default: as ``scenario.light_lost``."""


class Storm(Section):
    """``[[storm]]``: a solar storm over a region, given as a band of latitude or as a circle.

    It strikes satellites while the point below them is inside; stays below 10 s may be missed.
    """

    at_s: NotNegative
    duration_s: Positive
    latitude_deg: tuple[float, float] | None = None
    """From the southern to the northern edge, geodetic, at least 1 degree."""
    centre_deg: tuple[float, float] | None = None
    """Latitude and longitude of a circle's centre."""
    radius_km: Annotated[float, Field(ge=100, le=20_000)] | None = None
    """On the ground."""
    strikes: Literal["satellites", "lasers"] = "satellites"
    """What goes down: a whole satellite, or each of its laser terminals by itself."""
    probability: SomeShare = 1.0
    """That one of them is struck, drawn once a storm from ``scenario.seed`` and names."""
    recover_s: NotNegative = 0.0
    """How much longer it is down after it has left the region or the storm has ended."""
    silent: Silent = None
    """Default: as ``scenario.light_lost``."""

    @model_validator(mode="after")
    def _one_region(self) -> "Storm":
        circle = self.centre_deg is not None and self.radius_km is not None
        if circle == (self.latitude_deg is not None) or (
            self.latitude_deg is not None and (self.centre_deg or self.radius_km)
        ):
            raise ValueError("needs latitude_deg, or centre_deg and radius_km, and not both")
        south, north = self.latitude_deg or (-90.0, 90.0)
        if not -90 <= south <= north - 1 <= 89:
            raise ValueError("latitude_deg goes from south to north: at least 1 degree in -90..90")
        latitude, longitude = self.centre_deg or (0.0, 0.0)
        if abs(latitude) > 90 or not -180 <= longitude <= 360:
            raise ValueError(f"centre_deg {latitude:g}, {longitude:g} is not on the globe")
        return self
