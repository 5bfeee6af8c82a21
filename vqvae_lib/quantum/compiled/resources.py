"""Threads that run the kernels, and memory that they reuse.

A forked child (a worker of a DataLoader, for example) inherits neither: threads do not survive a
fork, and a lock that another thread held would stay shut for ever.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

__all__ = ["SMALL", "Scratch", "borrowed", "release_scratch", "run", "threads_for"]

# Below this many amplitudes times samples times steps, a second thread costs more than it saves.
_PARALLEL = 1 << 18
# Most bytes of scratch that are held for the next call.
_KEEP = 1 << 28
# Arrays of fewer bytes are left to malloc, which is as fast with them.
SMALL = 1 << 16

_executor: ThreadPoolExecutor | None = None


def threads_for(work: int, parts: int) -> int:
    """Number of threads for work in `parts` (at most `kernels.GROUPS`): at most torch's number."""
    return 1 if work < _PARALLEL else min(torch.get_num_threads(), parts)


def run(kernel: Callable[..., None], threads: int, *args: Any) -> None:
    """Call ``kernel(thread, threads, *args)`` for each of the threads, of which this is one."""
    global _executor
    if threads == 1:
        kernel(0, 1, *args)
        return
    if _executor is None:
        _executor = ThreadPoolExecutor(os.cpu_count(), "vqvae_lib.quantum")
    others = [_executor.submit(kernel, i, threads, *args) for i in range(1, threads)]
    try:
        kernel(0, threads, *args)
    finally:
        for other in others:
            other.result()


class Scratch:
    """Memory that is reused: fresh pages from the system cost more than the arithmetic.

    Parameters
    ----------
    cap
        Most bytes to hold; whatever is given back beyond that is freed.
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.reset()

    def reset(self) -> None:
        """Begin empty, with a lock that nobody holds."""
        self.held = 0
        self._free: dict[tuple[int, np.dtype], list[np.ndarray]] = {}
        # A garbage collection inside `give` may call `give` again (see `_Borrowed`).
        self._lock = threading.RLock()

    def take(self, size: int, kind: np.dtype) -> np.ndarray:
        """Hand out an array of `size` numbers, of arbitrary content."""
        if size * kind.itemsize < SMALL:
            return np.empty(size, kind)
        with self._lock:
            free = self._free.get((size, kind))
            if free:
                array = free.pop()
                self.held -= array.nbytes
                if not free:
                    del self._free[size, kind]  # so that, given back, the size is the newest
                return array
        # Rows begin at cache lines.
        room = np.empty(size + 64 // kind.itemsize, kind)
        offset = -room.ctypes.data % 64 // kind.itemsize
        return room[offset : offset + size]

    def give(self, array: np.ndarray) -> None:
        """Hold an array for the next caller who needs its size; make room for it, or let it go."""
        if not SMALL <= array.nbytes <= self.cap:
            return
        with self._lock:
            while self._free and self.held + array.nbytes > self.cap:
                self._drop_oldest()
            self._free.setdefault((array.size, array.dtype), []).append(array)
            self.held += array.nbytes

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._free))
        self.held -= self._free[oldest].pop().nbytes
        if not self._free[oldest]:
            del self._free[oldest]

    def release(self) -> None:
        """Free all that is held."""
        with self._lock:
            self._free.clear()
            self.held = 0


class _Borrowed(np.ndarray):
    """A view of an array that returns it to the scratch when nobody uses the view any more."""

    lent: np.ndarray | None = None

    def __del__(self) -> None:
        if self.lent is not None:
            scratch.give(self.lent)


def borrowed(array: np.ndarray) -> np.ndarray:
    """Make a view of scratch that returns by itself, when the tensor that holds it goes."""
    view = array.view(_Borrowed)
    view.lent = array
    return view


scratch = Scratch(_KEEP)


def release_scratch() -> None:
    """Return the memory held for the next call of a compiled circuit to the system."""
    scratch.release()


def _after_fork() -> None:
    """Begin anew in a forked child."""
    global _executor
    _executor = None
    scratch.reset()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)
