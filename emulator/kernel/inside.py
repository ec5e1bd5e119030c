"""Run a command on a kernel that can carry an emulation: ``python -m`` this module COMMAND.

By default that is the virtual-time kernel where it has been built; else the host's kernel where
it has netem and this is root; else Debian's user-mode kernel. In the latter two cases, and with
``--clock real`` always, time is real. The command sees the same files, and its exit code is
passed through. The project's own kernel tests and benchmarks run this way, and so can a user's
scripts.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emulator.errors import LasermeshError
from emulator.kernel import image, probe
from emulator.kernel.tunnel import Kind
from emulator.kernel.usermode import KERNEL_MARK, UserModeKernel, Virtual

MEMORY_MB = 6144
"""A bound; only what is touched is taken from the host."""
EPOCH_NS = 1_767_225_600_000_000_000
"""UTC at boot in virtual time, 2026-01-01: the same for every run."""
_SEED = 1


def main(argv: Sequence[str]) -> int:
    """Run ``argv`` and return its exit code, or 3 where no kernel will do."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}")
    parser.add_argument("--clock", choices=("auto", "real", "virtual"), default="auto")
    parser.add_argument("--memory", type=int, default=MEMORY_MB, metavar="MB")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND [ARG]...")
    asked = parser.parse_args(argv)
    if not asked.command:
        parser.error("which command?")
    virtual = None
    if asked.clock != "real" and (found := image.find()):
        virtual = Virtual(found, EPOCH_NS, _SEED)
    elif asked.clock == "virtual":
        print(f"no virtual-time kernel: {image.missing()}", file=sys.stderr)
        return 3
    elif not probe.this_kernel().lacks:
        os.environ[KERNEL_MARK] = "host"
        os.execvp(asked.command[0], asked.command)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="lasermesh-") as state,
            UserModeKernel(Path(state), asked.memory, asked.command, _print, virtual) as kernel,
        ):
            return kernel.run()
    except LasermeshError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def _print(kind: Kind, data: bytes) -> None:
    os.write(1 if kind is Kind.STDOUT else 2, data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
