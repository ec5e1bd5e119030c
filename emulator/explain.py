"""Why a link is there, or not, at a moment: one line, with the figures that decide."""

import difflib
from dataclasses import dataclass

import numpy as np

from emulator.causes import TEXT, Cause
from emulator.errors import RunError
from emulator.events import Fault
from emulator.faults import Faults, all_outages
from emulator.limits import Limits
from emulator.linkplan import LinkPlan
from emulator.network import Node
from emulator.sky import Sky
from emulator.units import EARTH_RADIUS_KM
from emulator.visibility import (
    elevation_deg,
    length,
    lowest_radius_km,
    range_km,
    range_rate_km_s,
    tracking_rate_rad_s,
)

_PHASES = (Cause.SLEWING, Cause.ACQUIRING, Cause.LOCKING, Cause.REACQUIRING, Cause.SWITCHING)


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time in which a pair was linked, or dark for one cause. Seconds from the start."""

    start_s: float
    end_s: float
    cause: Cause
    ports: str
    """``node:port`` of both ends where they were linked."""
    ended: Cause
    """What ended a link; :attr:`Cause.LINKED` for the others."""


def history(plan: LinkPlan, a: str, b: str) -> list[Interval]:
    """Return all that the plan has written down of a pair, in order of time.

    Events of the scenario overlap the contacts that they interrupt. Pairs that no static pattern
    asks for have no outages on record while nothing points at them.
    Raises RunError where there is no such node.
    """
    near, far = (_node(plan, name).index for name in (a, b))
    node, found = plan.network.port_node, []
    for row in plan.contacts:
        if {int(node[row["a"]]), int(node[row["b"]])} == {near, far}:
            ports = f"{plan.network.port_label(row['a'])} – {plan.network.port_label(row['b'])}"
            found.append(_interval(plan, row, Cause.LINKED, ports, Cause(int(row["ended"]))))
    for row in all_outages(plan):
        if {int(row["a"]), int(row["b"])} == {near, far}:
            found.append(_interval(plan, row, Cause(int(row["cause"])), "", Cause.LINKED))
    return sorted(found, key=lambda each: each.start_s)


def explain(plan: LinkPlan, a: str, b: str, t_s: float) -> str:
    """Return one line on the link between two nodes ``t_s`` seconds after the start.

    Raises RunError where there is no such node.
    """
    ends = _node(plan, a), _node(plan, b)
    said = _Explanation(plan, *ends, plan.step_of(t_s)).line(t_s)
    return f"{t_s:g} s  {a} – {b}: {said}"


def _node(plan: LinkPlan, name: str) -> Node:
    try:
        return plan.network.node(name)
    except KeyError:
        names = [node.name for node in plan.network.nodes]
        close = difflib.get_close_matches(name, names, n=3) or names[:8]
        raise RunError(
            f"cannot explain a link of {name!r}: no such node. There are {', '.join(close)} …"
        ) from None


def _interval(plan: LinkPlan, row: np.void, cause: Cause, ports: str, ended: Cause) -> Interval:
    start_s, end_s = (float(row[name]) * plan.step_s for name in ("start", "end"))
    return Interval(start_s, end_s, cause, ports, ended)


_WHAT = {"event": "an event of the scenario", "failures": "a random failure", "storm": "a storm"}


def _way(fault: Fault) -> str:
    """From whom to whom, where only one direction is broken."""
    return f" from {fault.target[0]} to {fault.target[1]}" if fault.direction != "both" else ""


class _Explanation:
    """One pair at one step."""

    def __init__(self, plan: LinkPlan, a: Node, b: Node, step: int) -> None:
        # The ground segment's pairs are (satellite, station).
        self.plan, self.step = plan, step
        self.a, self.b = (a, b) if a.kind == "satellite" else (b, a)
        self.medium = "isl" if self.b.kind == "satellite" else "gsl"

    def line(self, t_s: float) -> str:
        a, b = self.a, self.b
        if a is b:
            return "a node has no link with itself"
        if a.kind == b.kind == "station":
            return "dark: stations have no links with each other"
        fault = self._fault(t_s)
        return fault or self._linked() or f"dark: {self._dark()}"

    def _fault(self, t_s: float) -> str:
        """What is broken between the two: a fault of both directions, else all there are."""
        said = {
            f"dark{_way(fault)}: {_WHAT[fault.origin]} {what}": fault.direction == "both"
            for fault in Faults.of(self.plan).now(t_s)
            if (what := self._broken(fault))
        }
        return next((text for text, both in said.items() if both), "; ".join(said))

    def _broken(self, fault: Fault) -> str:
        """What a fault has done to this pair, '' for nothing."""
        names = {self.a.name, self.b.name}
        unnoticed = ", unnoticed: carriers stay" if fault.silent else ""
        if fault.kind == "link":
            alone = fault.direction != "both" and not fault.silent
            unseen = f": {fault.target[1]} has no carrier and sends nothing" if alone else unnoticed
            return f"has cut this link{unseen}" if set(fault.target) == names else ""
        if fault.target[0] not in names:
            return ""
        if fault.kind == "satellite":
            return f"has silenced {fault.target[0]}{unnoticed}"
        label = ":".join(fault.target)
        return f"has taken down {label}{unnoticed}" if label in self._ports() else ""

    def _ports(self) -> list[str]:
        """The ports by which the plan joins the two at this step."""
        joined, node = self.plan.joined(self.step), self.plan.network.port_node
        ends = np.column_stack((joined["a"], joined["b"]))
        own = (np.sort(node[ends], axis=1) == sorted((self.a.index, self.b.index))).all(axis=1)
        return [self.plan.network.port_label(port) for port in ends[own].ravel().tolist()]

    def _linked(self) -> str:
        spans = history(self.plan, self.a.name, self.b.name)
        now_s = self.step * self.plan.step_s
        for each in spans:
            if each.cause is Cause.LINKED and each.start_s <= now_s < each.end_s:
                ends = (
                    "to the end of the plan"
                    if each.ended is Cause.END
                    else (f"until {each.end_s:g} s, then {TEXT[each.ended]}")
                )
                return f"linked since {each.start_s:g} s by {each.ports}, {self._figures()}; {ends}"
        return ""

    def _figures(self) -> str:
        plan = self.plan
        node, ends = plan.network.port_node, {self.a.index, self.b.index}
        [row] = [x for x in plan.links(self.step) if {int(node[x["a"]]), int(node[x["b"]])} == ends]
        rates = sorted({float(row["rate_bps"]), float(row["return_bps"])}, reverse=True)
        rate = " and ".join(f"{bps * plan.network.rate_scale / 1e9:.4g}" for bps in rates)
        text = f"{row['range_km']:.1f} km, {row['delay_ns'] / 1e6:.3f} ms, {rate} Gbit/s"
        margin_db = min(row["margin_db"], row["return_margin_db"])
        return f"{text}, margin {margin_db:.1f} dB" if np.isfinite(margin_db) else text

    def _dark(self) -> str:
        """Why there is no light: what is on record, else what geometry and terminals say."""
        cause = self._recorded() or self._evaluated()
        detail = self._detail(cause)
        return f"{TEXT[cause]} ({detail})" if detail else TEXT[cause]

    def _recorded(self) -> Cause | None:
        rows = self.plan.timeline.outages
        pair = sorted((self.a.index, self.b.index))
        ends = np.sort(np.column_stack((rows["a"], rows["b"])), axis=1)
        now = (rows["start"] <= self.step) & (self.step < rows["end"]) & (ends == pair).all(axis=1)
        return Cause(int(rows["cause"][now][0])) if now.any() else None

    def _evaluated(self) -> Cause:
        nodes = np.array([self.a.index]), np.array([self.b.index])
        planner, sky = self.plan.planner, self._sky()
        if any(not self._limits().count[each.index] for each in (self.a, self.b)):
            return Cause.NO_TERMINAL
        free = np.array([[-1, -1]])
        if self.medium == "gsl":
            if self._elevation_deg() < self._station().min_elevation_deg:
                return Cause.BELOW_MASK
            [cause] = planner.ground.causes(sky, *nodes, free)
        else:
            [cause] = self._limits().causes(sky, *nodes, *free.T)
        if self._without_power() and (not cause or cause > Cause.POWER):
            return Cause.POWER
        if cause:
            return Cause(int(cause))
        if self.medium == "isl" and not self._asked_for():
            return Cause.NOT_CHOSEN
        return Cause.NO_TERMINAL if self._busy() else Cause.NOT_CHOSEN

    def _asked_for(self) -> bool:
        """Whether a pattern may want this pair of satellites at all."""
        lasers, pair = self.plan.planner.lasers, {self.a.index, self.b.index}
        if any(set(row) == pair for row in lasers.static[:, :2].tolist()):
            return True
        return any(
            pair & set(members.tolist()) and pair <= {*members.tolist(), *asked.tolist()}
            for _, members, asked in lasers.dynamic
        )

    def _detail(self, cause: Cause) -> str:
        """The figures behind a cause."""
        where_a, where_b = (self._sky().position_km[each.index] for each in (self.a, self.b))
        speed = [self._sky().velocity_km_s[each.index] for each in (self.a, self.b)]
        limits, a, b = self._limits(), self.a.index, self.b.index
        one = np.array([a]), np.array([b])
        match cause:
            case Cause.EARTH:
                height_km = float(lowest_radius_km(where_a, where_b)) - EARTH_RADIUS_KM
                least_km = limits.grazing_km - EARTH_RADIUS_KM
                return f"it would pass at {height_km:.0f} km, {least_km:g} km are needed"
            case Cause.RANGE:
                away_km, reach_km = float(range_km(where_a, where_b)), limits.reach_km[[a, b]].min()
                return f"{away_km:.0f} km, the terminals reach {reach_km:g} km"
            case Cause.LATITUDE:
                sines = (abs(each[2]) / float(length(each)) for each in (where_a, where_b))
                latitudes_deg = [float(np.degrees(np.arcsin(sine))) for sine in sines]
                return f"latitude {sum(latitudes_deg) / 2:.1f} degrees, the mean of both ends"
            case Cause.BELOW_MASK:
                mask_deg = self._station().min_elevation_deg
                return f"elevation {self._elevation_deg():.1f} of {mask_deg:g} degrees"
            case Cause.DOPPLER:
                rate = float(range_rate_km_s(where_b - where_a, speed[1] - speed[0]))
                most = limits.doppler_km_s[[a, b]].min()
                return f"{rate:+.2f} km/s, the receivers follow {most:g} km/s"
            case Cause.TRACKING:
                return self._turning()
            case Cause.SUN:
                angle_deg = float(limits.sun_angles_deg(self._sky(), *one)[0])
                return f"{angle_deg:.1f} degrees from the line of sight"
            case Cause.CLOUD:
                return self.b.name
            case Cause.POWER:
                return self._without_power()
            case Cause.MARGIN:
                return self._short(*one)
            case Cause.NO_TERMINAL:
                return self._busy()
            case Cause.NOT_CHOSEN:
                return self._preferred()
        return self._next() if cause in _PHASES else ""

    def _turning(self) -> str:
        """How fast the line of sight turns for an end that cannot follow it."""
        sky, limits, said = self._sky(), self._limits(), ""
        for near, far in ((self.a.index, self.b.index), (self.b.index, self.a.index)):
            where, speed = sky.position_km[near], sky.velocity_km_s[near]
            line, relative = sky.position_km[far] - where, sky.velocity_km_s[far] - speed
            turn_deg_s = float(np.degrees(tracking_rate_rad_s(line, relative, where, speed)))
            most_deg_s = float(limits.tracking_deg_s[near])
            if turn_deg_s > most_deg_s:
                said = f"{turn_deg_s:.2f} degrees/s, the terminal follows {most_deg_s:g}"
        return said

    def _short(self, a: np.ndarray, b: np.ndarray) -> str:
        """How many decibels the worse direction lacks for a link to begin."""
        sky, ground = self._sky(), self.plan.planner.ground
        lost_db = ground.attenuation_db(sky, a, b) if self.medium == "gsl" else 0.0
        away_km = range_km(sky.position_km[a], sky.position_km[b])
        [spare_db] = self._limits().spare_db(a, b, away_km, lost_db, np.array([False]))
        if np.isinf(spare_db):
            return "the terminals do not understand each other"
        return f"{-spare_db:.1f} dB less than a link needs to begin"

    def _busy(self) -> str:
        """Whom the terminals of an end serve that has none free, or that it has none at all."""
        for node in (self.a, self.b):
            count, names = int(self._limits().count[node.index]), self._served(node.index)
            if not count:
                return f"{node.name} has none"
            if len(names) >= count:
                return f"{node.name} serves {', '.join(names)}"
        return ""

    def _served(self, node: int) -> list[str]:
        """Names of those to whom a node's terminals of this medium are linked or about to be."""
        network, step = self.plan.network, self.step
        lit, dark = self.plan.joined(step), self.plan.timeline.outages
        coming = np.isin(dark["cause"], _PHASES) & (dark["start"] <= step) & (step < dark["end"])
        lit_ends = network.port_node[np.column_stack((lit["a"], lit["b"]))]
        ends = np.concatenate((lit_ends, np.column_stack((dark["a"][coming], dark["b"][coming]))))
        to_ground = ends.max(axis=1, initial=0) >= len(network.satellites)
        ends = ends[to_ground == (self.medium == "gsl")]
        peers = np.concatenate((ends[ends[:, 0] == node, 1], ends[ends[:, 1] == node, 0]))
        return sorted(network.nodes[peer].name for peer in peers.tolist())

    def _without_power(self) -> str:
        rows = self.plan.timeline.shed
        now = (rows["start"] <= self.step) & (self.step < rows["end"]) & rows["lasers"]
        off = rows["node"][now].tolist()
        return ", ".join(node.name for node in (self.a, self.b) if node.index in off)

    def _preferred(self) -> str:
        if self.medium == "isl" and not self._asked_for():
            return "no pattern asks for this pair"
        return (
            "nearer ones" if self.medium == "isl" else f"rule {self.plan.scenario.ground.selection}"
        )

    def _next(self) -> str:
        ahead = [
            each
            for each in history(self.plan, self.a.name, self.b.name)
            if each.cause is Cause.LINKED and each.start_s > self.step * self.plan.step_s
        ]
        return f"light at {ahead[0].start_s:g} s" if ahead else "no light before it is given up"

    def _limits(self) -> Limits:
        return self.plan.planner.limits[self.medium]

    def _station(self) -> object:
        return self.plan.scenario.ground.station[self.b.index - len(self.plan.network.satellites)]

    def _elevation_deg(self) -> float:
        sky = self._sky()
        site = self.b.index - len(self.plan.network.satellites)
        ends = sky.position_km[self.b.index], sky.station_up[site], sky.position_km[self.a.index]
        return float(elevation_deg(*ends))

    def _sky(self) -> Sky:
        return self.plan.sky(self.step)
