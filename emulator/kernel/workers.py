"""A workload in a process of its own: forked, watched, its findings read as they come."""

import json
import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulator.errors import RunError
from emulator.kernel.parentage import die_with_parent

_FINISH_S = 15.0


class Worker:
    """One forked child that appends its findings, a JSON object a line, to ``path``."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.pid = 0
        self.code: int | None = None
        self._read = 0

    def start(self, work: Callable[[Callable[[dict[str, Any]], None]], None]) -> None:
        """Fork and run ``work(record)`` in the child. The caller must have no other threads."""
        self.path.touch()
        parent = os.getpid()
        with warnings.catch_warnings():
            # Python 3.12 warns of threads. Ours has none; numpy's linear algebra keeps idle ones.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            die_with_parent(signal.SIGKILL, parent)
            self._work(work)

    def _work(self, work: Callable[[Callable[[dict[str, Any]], None]], None]) -> None:
        """Be the child: never returns, never runs the parent's clean-up."""
        code = 1
        try:
            os.setsid()
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(each, signal.SIG_DFL)
            with self.path.open("a", buffering=1) as findings:
                work(lambda record: print(json.dumps(record), file=findings))
            code = 0
        except BaseException:
            with self.path.with_suffix(".err").open("w") as errors:
                traceback.print_exc(file=errors)
        finally:
            os._exit(code)

    def collect(self) -> list[dict[str, Any]]:
        """Return the findings that have come since the last call; a half-written line waits."""
        with self.path.open("rb") as findings:
            findings.seek(self._read)
            data = findings.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def check(self) -> None:
        """Raise RunError if the child has failed."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        if self.code:
            errors = self.path.with_suffix(".err")
            said = errors.read_text() if errors.exists() else f"ended with code {self.code}"
            raise RunError(f"workload {self.name} failed:\n{said}")

    def finish(self) -> None:
        """Wait for the child to end by itself. Raises RunError if it fails or does not."""
        end = time.monotonic() + _FINISH_S
        while self.code is None:
            self.check()
            if time.monotonic() > end:
                raise RunError(f"workload {self.name} did not end within {_FINISH_S:.0f} s")
            time.sleep(0.02)
        self.check()

    def end(self) -> None:
        """Kill the child if it still runs."""
        if self.pid and self.code is None:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            self.code = -signal.SIGKILL
