"""What a run needs of the machine, known before it starts, and whether it is there."""

import os
import resource
from dataclasses import dataclass
from pathlib import Path

from emulator import sizing
from emulator.errors import CapabilityError
from emulator.network import Network
from emulator.scenario import Scenario
from protocols import base

_KERNEL_MB = 640
"""A user-mode kernel, the controller and its libraries."""
_WORKLOAD_MB = 64
_AGENT_MB = 8
"""An offload's agent: what it does not share with the process that it was forked from (2.7 MB
measured while idle), and its connections."""
_BUNDLE_NODE_MB = 24
_SPARE_PROCESSES = 40
_PROGRAMS = ("irtt", "iperf3")
"""Workloads of which each pair has a process at either end."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Bounds: memory of a user-mode kernel, touched only as used, and processes of a run."""

    memory_mb: int
    processes: int
    tcp_mb: int = 0
    """Of the memory, what TCP must be allowed for what is in flight."""

    @classmethod
    def of(cls, scenario: Scenario, network: Network) -> "Needs":
        """Work out the bounds from the footprint that the routing scheme states of itself."""
        nodes, workloads = len(network.nodes), len(scenario.workload)
        footprint = base.load("lasermesh.routing", scenario.routing.protocol).footprint
        node_mb = footprint.node_mb + footprint.route_kb * nodes / 1024
        processes = footprint.processes
        if scenario.routing.bfd_ms:
            node_mb += footprint.bfd_mb
            processes += footprint.bfd_processes
        ends = sum(
            2 * len(work.pairs) * getattr(work, "streams", 1)
            for work in scenario.workload
            if work.kind in _PROGRAMS
        )
        for _ in (work for work in scenario.workload if work.kind == "bundles"):
            node_mb += _BUNDLE_NODE_MB
            processes += 1
        tcp_mb = sizing.tcp_mb(scenario, network)
        # TCP shrinks its windows when it has half of a user-mode kernel's memory.
        fixed_mb = _KERNEL_MB + _WORKLOAD_MB * workloads + 2 * tcp_mb
        agents = sizing.agents(scenario)
        fixed_mb += _AGENT_MB * agents + sizing.stored_mb(scenario)
        return cls(
            memory_mb=round(fixed_mb + node_mb * nodes),
            processes=processes * nodes + workloads + ends + _SPARE_PROCESSES,
            tcp_mb=tcp_mb,
        )

    def check(self, in_user_mode: bool) -> None:
        """Raise CapabilityError naming what the machine lacks."""
        if in_user_mode and (free_mb := available_mb()) < self.memory_mb:
            raise CapabilityError(
                f"this scenario may need {self.memory_mb:,} MB of memory; {free_mb:,} MB are free. "
                "Fewer nodes, another routing protocol or a larger rate_scale need less."
            )
        if not in_user_mode and (allowed_mb := tcp_allowed_mb()) < self.tcp_mb:
            pages = self.tcp_mb * 1_000_000 // resource.getpagesize() + 1
            raise CapabilityError(
                f"this scenario may have {self.tcp_mb:,} MB of TCP's data in flight; this host's "
                f"kernel shrinks windows above {allowed_mb:,} MB. Allow the whole machine more "
                f"(sysctl net.ipv4.tcp_mem='{pages} {pages} {2 * pages}'), use a user-mode kernel, "
                "which sets its own, or a larger rate_scale."
            )
        limit, name = process_limit()
        if self.processes > limit:
            raise CapabilityError(
                f"this scenario needs {self.processes:,} processes; {name} allows {limit:,}. "
                "Raise it, or take fewer nodes or another routing protocol."
            )


def available_mb() -> int:
    """Memory that processes may still take, by the kernel's own estimate (proc(5))."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return 0


def tcp_allowed_mb() -> int:
    """Memory of TCP above which this kernel shrinks windows: ``pressure`` of tcp_mem (tcp(7))."""
    pages = int(Path("/proc/sys/net/ipv4/tcp_mem").read_text().split()[1])
    return pages * resource.getpagesize() // 1_000_000


def process_limit() -> tuple[int, str]:
    """The tightest limit on processes that one can read, and its name."""
    found = []
    for path in ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max", _own_pids_max()):
        try:
            found.append((int(Path(path).read_text()), path))
        except (OSError, ValueError):  # not there, or "max"
            continue
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.geteuid() != 0:
        found.append((soft, "ulimit -u"))
    return min(found)


def _own_pids_max() -> str:
    """The file with the limit of this process's control group (version 2)."""
    try:
        group = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip()
    except OSError:  # a kernel without control groups
        group = ""
    return f"/sys/fs/cgroup{group.rstrip('/')}/pids.max"
