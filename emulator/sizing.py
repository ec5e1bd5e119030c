"""How much memory TCP needs to fill a scenario's links: arithmetic; sysctls follow from it.

What sysctls mean: Documentation/networking/ip-sysctl.rst of the Linux source. tcp_rmem and tcp_wmem
are a namespace's own; tcp_mem is the machine's, so a user-mode kernel sets it and a host only has
it checked (needs.py). net.core.rmem_max and wmem_max are the machine's too (a namespace may at most
read them) and bound only SO_RCVBUF and SO_SNDBUF, which nothing here sets.
"""

from typing import TYPE_CHECKING

from emulator.units import C_KM_S

if TYPE_CHECKING:  # PID 1 of a user-mode kernel needs this module and would wait for the others
    from emulator.network import Network
    from emulator.scenario import Scenario

_WORLD_KM = 30_000.0
"""A path half around the Earth at 1,200 km (23,800 km of arc), with a quarter for its detours."""
_LARGEST_WINDOW_BYTES = 1 << 30
"""More than this TCP cannot have in flight (RFC 7323, section 2.3)."""
_LARGEST_SYSCTL = (1 << 31) - 1
_LINUX_RMEM_BYTES, _LINUX_WMEM_BYTES = 6 << 20, 4 << 20
"""The maxima that Linux chooses by itself: never less."""
_BUFFER_PER_FLIGHT = 4
_BUNDLES_AT_ONCE = 8
"""On their way by one connection."""
_MEMORY_PER_FLIGHT = 2
"""Kernel memory a payload byte in flight: the packet's buffer and the clone that travels. Measured
with 1 GB in flight: 1.65, of which TCP counts 1.45 against tcp_mem."""


def path_rtt_s(network: "Network") -> float:
    """Return the round trip of the longest path that TCP must be able to fill.

    2/c × max(R, min(P × R, 30,000 km)) with the longest range R of the scenario's P ports: every
    single link, and paths of all links that there may be, but not around the Earth more than once.
    """
    range_km = float(network.port_range_km.max(initial=0.0))
    path_km = max(range_km, min(len(network.port_node) * range_km, _WORLD_KM))
    return 2 * path_km / C_KM_S


def flight_bytes(network: "Network") -> int:
    """Return the most that one connection may have in flight.

    That is the fastest port's rate × :func:`path_rtt_s` / 8, but at most TCP's largest window.
    """
    rate_bps = int(network.port_rate_bps.max(initial=0))
    return min(round(rate_bps * path_rtt_s(network) / 8), _LARGEST_WINDOW_BYTES)


def tcp_sysctls(network: "Network") -> dict[str, str]:
    """Return a node's buffer limits: 4 × :func:`flight_bytes`, or Linux's own if they are more.

    Twice because buffers are counted with their overhead, of which Linux expects as much as
    payload; and twice again so that they never are what limits: the sender keeps twice its window.
    The receiver's limit is its default as well: else Linux begins with 128 kB and measures what
    the application reads, and slow start waits for that (40 ms at a round trip of 10 ms). Memory
    is taken as packets come, not as buffers allow.
    """
    wanted = min(_BUFFER_PER_FLIGHT * flight_bytes(network), _LARGEST_SYSCTL)
    receive, send = max(wanted, _LINUX_RMEM_BYTES), max(wanted, _LINUX_WMEM_BYTES)
    return {
        "ipv4/tcp_rmem": f"4096 {receive} {receive}",
        "ipv4/tcp_wmem": f"4096 16384 {send}",
    }


def tcp_memory_pages(total_pages: int) -> tuple[int, int, int]:
    """Return ``net.ipv4.tcp_mem`` (low, pressure, high) for a kernel with so much memory.

    A quarter, a half, three quarters: nothing else needs it there. Linux leaves TCP a sixteenth,
    and lets windows shrink above it.
    """
    return total_pages // 4, total_pages // 2, total_pages * 3 // 4


def tcp_mb(scenario: "Scenario", network: "Network") -> int:
    """Return the kernel memory that the workloads' connections may take.

    An offload has one a source at a time.

    Bundles may be on their way by every port. Twice what is in flight: all of a small object, else
    :func:`flight_bytes`.
    """
    scale = scenario.scenario.rate_scale
    flight = flight_bytes(network)
    sizes: list[float] = []
    for work in scenario.workload:
        if work.kind == "offload":
            shells = {each.name: each.size for each in scenario.constellation}
            sources = sum(shells.get(name, 1) for name in work.named)
            sizes += [work.object_bytes / scale] * sources
        elif work.kind == "tcp":
            sizes += [work.bytes / scale if work.bytes else flight] * len(work.pairs)
        elif work.kind == "bundles":
            sizes += [_BUNDLES_AT_ONCE * work.bundle_bytes / scale] * len(network.ports)
    return round(_MEMORY_PER_FLIGHT * sum(min(size, flight) for size in sizes) / 1e6)


ALONE = ("raw", "onboard", "split")
"""Strategies of an offload that need nobody but the source and the stations."""


def agents(scenario: "Scenario") -> int:
    """Return how many nodes at most an offload has an agent in."""
    works = [work for work in scenario.workload if work.kind == "offload"]
    sizes = {each.name: each.size for each in scenario.constellation}
    some = sum(sizes.get(name, 1) for work in works for name in work.named)
    if not all(strategy in ALONE for work in works for strategy in work.strategies):
        some = sum(sizes.values())
    return min(some, sum(sizes.values())) + len(scenario.ground.station) if works else 0


def stored_mb(scenario: "Scenario") -> int:
    """Return what images take on the way, each in a store that is not its source's, all at once.

    Over areas there are as many as their share of the ground makes of a flight, twice.
    """
    total = 0.0
    sizes = {each.name: each.size for each in scenario.constellation}
    for work in scenario.workload:
        if work.kind != "offload":
            continue
        still = (*ALONE, "onboard-laser", "onboard-relay")
        moving = sum(each not in still for each in work.strategies)
        span_s, sources = scenario.scenario.duration_s, sum(sizes.get(n, 1) for n in work.named)
        times = span_s // work.every_s + 1 if work.every_s else 1
        if work.over:
            times = 2 * sum(area.share for area in work.over) * span_s / work.between_s
        total += moving * sources * times * work.object_bytes / scenario.scenario.rate_scale
    return round(total / 1e6)
