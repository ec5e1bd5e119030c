"""What a process asks of the kernel about itself and its children (prctl(2))."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG, _PR_SET_TIMERSLACK, _PR_GET_TIMERSLACK = 1, 29, 30
DEFAULT_SLACK_NS = 50_000


def die_with_parent(number: signal.Signals, parent: int) -> None:
    """Have the kernel send ``number`` to this process when its parent ends (prctl(2)).

    Call it in the child with the parent's pid: one that ended before the call is noticed too.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def set_timer_slack(slack_ns: int) -> None:
    """Let this thread, and children it makes from now on, be woken up to ``slack_ns`` too late."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, slack_ns)


def timer_slack() -> int:
    """Return by how many nanoseconds this thread may be woken up too late."""
    return int(ctypes.CDLL(None).prctl(_PR_GET_TIMERSLACK))
