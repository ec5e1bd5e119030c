"""Run a command on whichever kernel can carry an emulation: ``python -m`` this module COMMAND.

On a host with netem and root that is the host's kernel; otherwise Debian's user-mode kernel is
booted and the command runs in there, with the same files and its exit code passed through.
The project's own kernel tests and benchmarks run this way, and so can a user's scripts.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emulator.errors import LasermeshError
from emulator.kernel import probe
from emulator.kernel.tunnel import Kind
from emulator.kernel.usermode import KERNEL_MARK, UserModeKernel

MEMORY_MB = 6144
"""A bound; only what is touched is taken from the host."""


def main(argv: Sequence[str]) -> int:
    """Run ``argv`` and return its exit code, or 3 where no kernel will do."""
    if not argv:
        print(f"usage: python -m {__spec__.name} COMMAND [ARG]...", file=sys.stderr)
        return 2
    if not probe.this_kernel().lacks:
        os.environ[KERNEL_MARK] = "host"
        os.execvp(argv[0], list(argv))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="lasermesh-") as state,
            UserModeKernel(Path(state), MEMORY_MB) as kernel,
        ):
            return kernel.run(argv, _print)
    except LasermeshError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def _print(kind: Kind, data: bytes) -> None:
    os.write(1 if kind is Kind.STDOUT else 2, data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
