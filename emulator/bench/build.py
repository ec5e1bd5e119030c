"""What building costs: our fabric, and Mininet's on the same kernel where it is installed.

Prints a JSON object for each. Mininet has hosts and TCLinks in the same numbers as we have
satellites and lasers, without switches: less than what our fabric can do, since its links cannot
be handed over. Time must be real where this runs.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from emulator.bench.skies import shell
from emulator.kernel.fabric import Fabric
from emulator.linkplan import LinkPlan

SATELLITES = 66
MININET_HOSTS = 12
"""A sample: Mininet takes most of a second for each link in a user-mode kernel."""

_MININET = """
import sys, time
from mininet.link import TCLink
from mininet.net import Mininet
count = int(sys.argv[1])
began = time.monotonic()
net = Mininet(link=TCLink, controller=None)
hosts = [net.addHost(f"h{n}") for n in range(count)]
for n in range(count):
    for step in (1, 2):
        net.addLink(hosts[n], hosts[(n + step) % count], delay="5ms", bw=100)
net.build()
print(time.monotonic() - began)
net.stop()
"""


def main() -> None:
    """Build both and print the rows."""
    ours = build(SATELLITES) / SATELLITES
    say("ours", SATELLITES, ours, 1.0)
    theirs = mininet(MININET_HOSTS) / MININET_HOSTS
    say("Mininet", MININET_HOSTS, theirs, theirs / ours)


def say(way: str, nodes: int, node_s: float, ratio: float) -> None:
    """Print one row: seconds for a node and its two links."""
    row = {"way": way, "nodes": nodes, "ms a node": node_s * 1e3, "times ours": ratio}
    print(json.dumps(row), flush=True)


def build(satellites: int) -> float:
    """Seconds for namespaces, ports, channels and light of a +Grid."""
    plan = LinkPlan.of(shell(satellites))
    with tempfile.TemporaryDirectory() as folder:
        fabric = Fabric(plan.network, "lm-bench0", Path(folder), silent=False)
        try:
            began = time.monotonic()
            fabric.build(plan.dark())
            fabric.apply(plan.at(0))
            return time.monotonic() - began
        finally:
            fabric.close()


def mininet(hosts: int) -> float:
    """Seconds for as many hosts, each joined to two others; NaN where Mininet is not installed.

    By the system's Python, for which Debian packages it.
    """
    argv = ["/usr/bin/python3", "-c", _MININET, str(hosts)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        print(f"Mininet does not run here: {said.strip().splitlines()[-1]}", file=sys.stderr)
        return float("nan")
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
