"""Running code that may never end: a thread of its own, stopped when its time is up.

What counts is the thread's own computing time, so that a busy machine takes none of it away. Code
that waits and computes nothing has another, generous limit.

Signals would work on Linux only. An exception set in the thread from outside ends every loop that
is written in Python; whatever hangs outside Python is left behind in a daemon thread.
"""

import contextlib
import ctypes
import threading
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["OutOfTime", "StopNow", "run_in_time"]
T = TypeVar("T")


class StopNow(BaseException):
    """Raised inside the code whose time is up; passes `except Exception`."""


class OutOfTime(Exception):
    """The code did not finish.

    `waiting` says whether it spent its time waiting, `running` whether its thread is still alive.
    """

    def __init__(self, *, waiting: bool, running: bool):
        super().__init__("the time limit is over")
        self.waiting, self.running = waiting, running


def run_in_time(function: Callable[[], T], *, limit: float, patience: float) -> T:
    """Return what `function()` returns, unless it takes too long.

    Parameters
    ----------
    function : callable
        What is run, in a thread of its own.
    limit : float
        Seconds that it may compute.
    patience : float
        Seconds that may pass meanwhile, computing or not.

    Raises
    ------
    OutOfTime
        If there is no value when either is over.
    """
    values: list[T] = []
    clocks: list[Callable[[], float]] = []

    def work() -> None:
        clocks.append(_own_clock())
        with contextlib.suppress(StopNow):
            values.append(function())

    def ignore_late_stops(args: threading.ExceptHookArgs) -> None:
        # A second `StopNow` may arrive while the first is being caught.
        if args.exc_type is not StopNow:
            usual_hook(args)

    usual_hook, threading.excepthook = threading.excepthook, ignore_late_stops
    thread = threading.Thread(target=work, daemon=True)
    began, computed, passed = time.monotonic(), 0.0, 0.0
    thread.start()
    try:
        while thread.is_alive() and computed < limit and passed < patience:
            # It cannot have computed enough before this is over.
            thread.join(min(max(limit - computed, 0.05), patience - passed))
            passed = time.monotonic() - began
            with contextlib.suppress(IndexError, OSError):  # not begun, or over
                computed = min(clocks[0](), passed)
    finally:  # also when the learner interrupts the kernel
        _stop(thread)
        threading.excepthook = usual_hook
    if not values:
        raise OutOfTime(waiting=computed < limit, running=thread.is_alive())
    return values[0]


def _own_clock() -> Callable[[], float]:
    """A clock of what the calling thread computes from now on, which other threads may read."""
    if hasattr(time, "pthread_getcpuclockid"):
        own = time.pthread_getcpuclockid(threading.get_ident())
        return lambda: time.clock_gettime(own)
    # Elsewhere the whole process is counted; its other threads do little meanwhile.
    began = time.process_time()
    return lambda: time.process_time() - began


def _stop(thread: threading.Thread) -> None:
    """Raise `StopNow` in a thread until it ends: its code may swallow the first few."""
    for _attempt in range(20):
        if not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(StopNow)
        )
        thread.join(0.1)
