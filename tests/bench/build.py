"""What building costs: 66 satellites with four ports each, daemons apart.

scripts/bench build [SATELLITES]
"""

import sys
import tempfile
from pathlib import Path

from emulator.kernel.fabric import Fabric
from tests.bench.retune import shell


def main(satellites: int) -> None:
    """Build and take down three times and print the seconds."""
    plan = shell(satellites * 4)
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            fabric = Fabric(plan.network, "lm-bench0", Path(folder), silent=False)
            try:
                seconds = fabric.build(plan.dark())
                fabric.apply(plan.at(0))
            finally:
                fabric.close()
            print(f"{satellites} satellites, {len(plan.network.ports)} ports: {seconds:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 66)
