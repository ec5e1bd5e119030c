"""A Python function as a process: forked, in a session of its own, watched like any other."""

import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

from emulator.kernel.parentage import die_with_parent

_LOOK_S = 0.01


class Forked:
    """A forked child with the methods of ``subprocess.Popen`` that watching it takes."""

    def __init__(self, work: Callable[[], None], log: Path) -> None:
        """Fork and run ``work``, output appended to ``log``. The caller must have no threads."""
        self.log = log
        self.returncode: int | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        with warnings.catch_warnings():
            # Python 3.12 warns of threads. Ours has none; numpy's linear algebra keeps idle ones.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            self._be(work, parent)

    def _be(self, work: Callable[[], None], parent: int) -> None:
        """Be the child: never returns, never runs the parent's clean-up."""
        code = 1
        try:
            die_with_parent(signal.SIGKILL, parent)
            os.setsid()
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(each, signal.SIG_DFL)
            for source, targets in ((Path(os.devnull), (0,)), (self.log, (1, 2))):
                mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND if 1 in targets else os.O_RDONLY
                opened = os.open(source, mode, 0o644)
                for target in targets:
                    os.dup2(opened, target)
            sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1, closefd=False)
            work()
            code = 0
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code)
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises TimeoutExpired after ``timeout`` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() >= end:
                raise TimeoutExpired(str(self.log), timeout or 0.0)
            time.sleep(_LOOK_S)
        return code

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)
