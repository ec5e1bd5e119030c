"""Run pytest inside whichever kernel can carry an emulation: ``python -m`` this module.

    python -m emulator.kernel.pytest_tier [--junit FILE] tests/kernel [pytest arguments]

On a host with netem and root that is the host's kernel; otherwise Debian's user-mode kernel is
booted and pytest runs in there, with the same files and its exit code passed through.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emulator.errors import CapabilityError
from emulator.kernel import probe
from emulator.kernel.frames import Kind
from emulator.kernel.usermode import KERNEL_MARK, UserModeKernel

MEMORY_MB = 6144
"""A bound for the greatest test (66 satellites); only what is touched is taken from the host."""


def main(arguments: Sequence[str]) -> int:
    """Run the tier and return pytest's exit code, or 3 where no kernel will do."""
    argv = [sys.executable, "-m", "pytest"]
    rest = list(arguments)
    if rest[:1] == ["--junit"]:
        argv.append(f"--junitxml={rest[1]}")
        rest = rest[2:]
    argv += rest
    if probe.this_kernel().complete:
        os.environ[KERNEL_MARK] = "host"
        os.execv(argv[0], argv)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="lasermesh-test-") as state,
            UserModeKernel(Path(state), MEMORY_MB) as kernel,
        ):
            return kernel.run(argv, _print)
    except CapabilityError as error:
        print(f"the kernel tests cannot run: {error}", file=sys.stderr)
        return error.exit_code


def _print(kind: Kind, data: bytes) -> None:
    os.write(1 if kind is Kind.STDOUT else 2, data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
