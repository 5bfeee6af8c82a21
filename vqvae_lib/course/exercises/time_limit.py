"""Running code that may never end: a thread of its own, stopped when its time is up.

Signals would work on Linux only. An exception set in the thread from outside ends every loop that
is written in Python; whatever hangs outside Python is left behind in a daemon thread.
"""

import contextlib
import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["OutOfTime", "StopNow", "run_in_time"]
T = TypeVar("T")


class StopNow(BaseException):
    """Raised inside the code whose time is up; passes `except Exception`."""


class OutOfTime(Exception):
    """The code did not finish; `running` says whether its thread is still alive."""

    def __init__(self, *, running: bool):
        super().__init__("the time limit is over")
        self.running = running


def run_in_time(function: Callable[[], T], *, limit: float) -> T:
    """Return what `function()` returns, unless it takes longer than `limit` seconds.

    Raises
    ------
    OutOfTime
        If there is no value when the time is up.
    """
    values: list[T] = []

    def work() -> None:
        with contextlib.suppress(StopNow):
            values.append(function())

    def ignore_late_stops(args: threading.ExceptHookArgs) -> None:
        # A second `StopNow` may arrive while the first is being caught.
        if args.exc_type is not StopNow:
            usual_hook(args)

    usual_hook, threading.excepthook = threading.excepthook, ignore_late_stops
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        thread.join(limit)
    finally:  # also when the learner interrupts the kernel
        _stop(thread)
        threading.excepthook = usual_hook
    if not values:
        raise OutOfTime(running=thread.is_alive())
    return values[0]


def _stop(thread: threading.Thread) -> None:
    """Raise `StopNow` in a thread until it ends: its code may swallow the first few."""
    for _attempt in range(20):
        if not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(StopNow)
        )
        thread.join(0.1)
