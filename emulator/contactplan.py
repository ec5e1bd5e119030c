"""LinkPlan → ContactPlan: every contact as a record, to filter, write down and route by.

A contact plan says who is joined to whom, from when to when, over which ranges, at which rates and
how much that carries: what contact-graph routing takes (Fraire et al., Routing in the Space
Internet: a contact graph routing tutorial, 2021). All of it is of the emulated network: figures of
a contact are those of the plan's steps, rates and volumes are divided by the scenario's
``rate_scale``, which stands beside them.

JSON (:meth:`ContactPlan.to_json`) is an object with these members, and CSV has the members of a
contact as columns, in this order:

    scenario      its name
    start         UTC of step 0
    step_s        seconds between steps
    duration_s    seconds from the first step to the end of the last
    rate_scale    what rates, and so volumes, have been divided by
    contacts      a list of objects with the fields of :class:`Contact`, sorted by start and ports
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import AwareDatetime, ConfigDict, TypeAdapter, ValidationError

from emulator.budget import IDEAL_DB
from emulator.causes import Cause
from emulator.errors import Problem, ScenarioError
from emulator.linkplan import LinkPlan
from emulator.units import C_KM_S, NS_PER_S
from emulator.visibility import range_km

_CHUNK_ELEMENTS = 100_000
_MILLIMETRE = 6
"""Decimals of a kilometre."""
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Two terminals joined from ``start`` until ``end``. What is *return* runs from b to a."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    a: str
    """``node:port``."""
    b: str
    medium: Literal["isl", "gsl"]
    start: AwareDatetime
    """UTC of the first step, to a microsecond."""
    end: AwareDatetime
    """UTC of the first step after it."""
    start_s: float
    """Seconds since the start of the plan."""
    end_s: float
    duration_s: float
    range_start_km: float
    range_min_km: float
    range_max_km: float
    delay_min_ns: int
    delay_max_ns: int
    rate_min_bps: int
    """The least rate of any step from a to b."""
    rate_mean_bps: int
    return_min_bps: int
    return_mean_bps: int
    volume_bytes: int
    """Integral of the rate from a to b over the contact."""
    return_bytes: int
    ended: str = ""
    """Why: the name of a Cause of emulator.causes, as in ``below-mask``; empty: not known."""

    @property
    def nodes(self) -> tuple[str, str]:
        """The names of both nodes."""
        return self.a.partition(":")[0], self.b.partition(":")[0]


COLUMNS = tuple(field.name for field in fields(Contact))
"""Of CSV, and the members of a contact in JSON."""


@dataclass(frozen=True, slots=True)
class ContactPlan:
    """All contacts of a scenario, or a selection of them. Equal plans are equal values."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    scenario: str
    start: AwareDatetime
    step_s: float
    duration_s: float
    rate_scale: float
    contacts: tuple[Contact, ...]

    @classmethod
    def of(cls, plan: LinkPlan) -> "ContactPlan":
        """Work out the contacts of ``plan``, in its order."""
        run = plan.scenario.scenario
        return cls(
            scenario=run.name,
            start=run.start,
            step_s=run.step_s,
            duration_s=round(plan.steps * plan.step_s, 6),
            rate_scale=run.rate_scale,
            contacts=tuple(_contacts(plan)),
        )

    def select(
        self,
        *,
        medium: str | None = None,
        between: tuple[str, str] | None = None,
        over: str | None = None,
        min_duration_s: float = 0.0,
    ) -> "ContactPlan":
        """Return the contacts for which all that is asked holds.

        ``between`` two nodes, in either direction; ``over`` one node, whoever its peer is.
        """
        kept = tuple(
            each
            for each in self.contacts
            if (medium is None or each.medium == medium)
            and (between is None or set(each.nodes) == set(between))
            and (over is None or over in each.nodes)
            and each.duration_s >= min_duration_s
        )
        header = {field.name: getattr(self, field.name) for field in fields(self)}
        return ContactPlan(**{**header, "contacts": kept})

    def to_json(self) -> str:
        """Return the form that the module describes."""
        return _ADAPTER.dump_json(self, indent=1).decode() + "\n"

    @classmethod
    def from_json(cls, text: str) -> "ContactPlan":
        """Read what :meth:`to_json` wrote, as an equal value. Raises ScenarioError."""
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as invalid:
            raise ScenarioError(tuple(map(_problem, invalid.errors()))) from None

    def to_csv(self) -> str:
        """Return one line a contact under a line of names."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for each in self.contacts:
            times = {"start": utc_text(each.start), "end": utc_text(each.end)}
            writer.writerow(asdict(each) | times)
        return text.getvalue()


_ADAPTER = TypeAdapter(ContactPlan)


def utc_text(moment: datetime) -> str:
    """Return a UTC time as RFC 3339 has it, with ``Z``."""
    return moment.isoformat().replace("+00:00", "Z")


def _problem(error: Any) -> Problem:
    key = ".".join(map(str, error["loc"])) or "text"
    value = "" if error["type"] == "missing" else repr(error["input"])[:60]
    remedy = "`lasermesh contacts SCENARIO --format json` writes what is read here"
    return Problem("contact plan", key, value, error["msg"].rstrip("."), remedy)


def _contacts(plan: LinkPlan) -> Iterator[Contact]:
    figures = _figures(plan)
    start = plan.scenario.scenario.start
    for row, found in zip(plan.contacts, figures, strict=True):
        start_s, end_s = (round(float(row[edge] * plan.step_s), 6) for edge in ("start", "end"))
        steps = int(row["end"] - row["start"])
        near_km, far_km = float(found["min_km"]), float(found["max_km"])
        yield Contact(
            a=plan.network.port_label(int(row["a"])),
            b=plan.network.port_label(int(row["b"])),
            medium=plan.network.ports[row["a"]].kind,
            start=start + timedelta(seconds=start_s),
            end=start + timedelta(seconds=end_s),
            start_s=start_s,
            end_s=end_s,
            duration_s=round(end_s - start_s, 6),
            range_start_km=round(float(found["start_km"]), _MILLIMETRE),
            range_min_km=round(near_km, _MILLIMETRE),
            range_max_km=round(far_km, _MILLIMETRE),
            delay_min_ns=round(near_km / C_KM_S * NS_PER_S),
            delay_max_ns=round(far_km / C_KM_S * NS_PER_S),
            rate_min_bps=int(found["rate_min_bps"]),
            rate_mean_bps=round(8 * int(found["rate_sum_bytes_s"]) / steps),
            return_min_bps=int(found["return_min_bps"]),
            return_mean_bps=round(8 * int(found["return_sum_bytes_s"]) / steps),
            volume_bytes=round(int(found["rate_sum_bytes_s"]) * plan.step_s),
            return_bytes=round(int(found["return_sum_bytes_s"]) * plan.step_s),
            ended=Cause(row["ended"]).word,
        )


_LEAST = ("min_km", "rate_min_bps", "return_min_bps")
_FIGURES = np.dtype(
    [("start_km", "<f8"), ("min_km", "<f8"), ("max_km", "<f8")]
    + [(name, "<i8") for name in ("rate_min_bps", "return_min_bps")]
    + [(name, "<u8") for name in ("rate_sum_bytes_s", "return_sum_bytes_s")]
)
"""What the steps of a contact come to, one row a contact. Sums are of whole bytes a second, as
rates are, since those of the fastest terminals over the longest plans would overflow in bits."""


def _figures(plan: LinkPlan) -> np.ndarray:
    """Gather the steps of every contact, dtype :data:`_FIGURES`, in chunks of bounded size."""
    contacts, node = plan.contacts, plan.network.port_node
    figures = np.zeros(len(contacts), dtype=_FIGURES)
    for name in _LEAST:
        figures[name] = np.iinfo(np.int64).max
    chunk = max(1, _CHUNK_ELEMENTS // max(1, len(plan.network.nodes)))
    for first, last in pairwise([*range(0, plan.steps, chunk), plan.steps]):
        position_km = plan.ephemeris.positions_km(np.arange(first, last) * plan.step_s)
        which, step = _joined(contacts, first, last)
        a, b = contacts["a"][which], contacts["b"][which]
        at = step - first
        length_km = range_km(position_km[node[a], at], position_km[node[b], at])
        rate_bps, return_bps = _rate_bps(plan, a, b, step), _rate_bps(plan, b, a, step)
        begins = step == contacts["start"][which]
        figures["start_km"][which[begins]] = length_km[begins]
        np.minimum.at(figures["min_km"], which, length_km)
        np.maximum.at(figures["max_km"], which, length_km)
        np.minimum.at(figures["rate_min_bps"], which, rate_bps)
        np.minimum.at(figures["return_min_bps"], which, return_bps)
        for name, bps in (("rate_sum_bytes_s", rate_bps), ("return_sum_bytes_s", return_bps)):
            np.add.at(figures[name], which, (bps // 8).astype(np.uint64))
    return figures


def _joined(contacts: np.ndarray, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Every contact at every step of its own with ``first`` ≤ step < ``last``: indices, steps."""
    begin = np.maximum(contacts["start"], first)
    count = np.maximum(np.minimum(contacts["end"], last) - begin, 0)
    which = np.repeat(np.arange(len(contacts)), count)
    before = np.repeat(np.cumsum(count) - count, count)
    return which, begin[which] + np.arange(len(which)) - before


def _rate_bps(
    plan: LinkPlan, sender: np.ndarray, receiver: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Rates of channels between ports, each at a step of its own, as LinkPlan.links has them."""
    line_bps, kind = plan.network.port_rate_bps, plan.network.port_kind
    rate_bps = np.minimum(line_bps[sender], line_bps[receiver])
    tx, rx, budgets = kind[sender], kind[receiver], plan.budgets
    modem = np.flatnonzero(budgets.adaptive[tx] & (budgets.base_db[tx, rx] < IDEAL_DB / 2))
    if len(modem):
        rung = plan.timeline.rates["rung"][plan.rate_rows(step[modem], receiver[modem])]
        rate_bps[modem] = budgets.rungs[1][tx[modem], rx[modem], rung]
    return rate_bps
