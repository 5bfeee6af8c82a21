"""Machine code, compiled once and kept on disk; a disk that fails costs time and nothing else.

numba's own cache breaks every start on a file that was cut short, runs a file that was altered,
stops compiling where nothing can be written, and lets two processes overwrite each other's index.
Here each kernel and dtype has a file of its own, with a checksum, written under another name first.
What cannot be read is compiled; what cannot be written stays in this process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core import event as numba_event
from numba.core.caching import CompileResultCacheImpl, _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from vqvae_lib.quantum.compiled.lanes import FAST

__all__ = ["PIECES", "Store", "announced", "fingerprint", "kernel"]

_DIGEST_BYTES = 32
# What a kernel is made of; a change in any of these compiles all of them anew.
PIECES = ("gates", "kernels", "lanes", "program", "readout", "weights")


def fingerprint(folder: Path) -> str:
    """Fingerprint of all that is compiled, and of the compiler."""
    texts = [(folder / f"{name}.py").read_bytes() for name in PIECES]
    return hashlib.sha256(b"\0".join([numba.__version__.encode(), *texts])).hexdigest()[:16]


_SOURCES = fingerprint(Path(__file__).parent)


def kernel(function: Callable[..., None]) -> Any:
    """Compile a function that Python calls, for each dtype when it is first called with it."""
    options = {"fastmath": set(FAST), "error_model": "numpy", "nogil": True, "_nrt": False}
    dispatcher = njit(**options)(function)
    dispatcher._cache = Store(function)
    return dispatcher


class Store(_Cache):
    """Compiled code of one function on disk, one file for each signature and processor.

    Parameters
    ----------
    function
        The function before it is compiled.

    Attributes
    ----------
    folder : Path or None
        Where code is written: ``NUMBA_CACHE_DIR``, else beside the source, else in the user's own
        cache; None where none of them can be written to.
    problem : str
        Why code could not be kept; empty if it was.
    """

    def __init__(self, function: Callable[..., None]) -> None:
        self.name = f"{function.__name__}-{_SOURCES}.py{sys.version_info[0]}{sys.version_info[1]}"
        self.problem = ""
        try:
            self.folder: Path | None = Path(
                CompileResultCacheImpl(function).locator.get_cache_path()
            )
        except RuntimeError:  # numba has found none
            self.folder = None
        self._folders = [] if self.folder is None else [self.folder]
        if not numba.config.CACHE_DIR:
            # Code that an administrator has compiled lies beside the source, for all to read.
            self._folders.append(Path(function.__code__.co_filename).parent / "__pycache__")

    @property
    def cache_path(self) -> str | None:
        """The folder, as numba reports it."""
        return None if self.folder is None else str(self.folder)

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """Read compiled code, or None if there is none that is whole."""
        target_context.refresh()
        name = self._file_name(sig, target_context.codegen())
        for folder in self._folders:
            with contextlib.suppress(Exception):  # pickle alone raises a dozen kinds
                content = (folder / name).read_bytes()
                digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
                if hashlib.sha256(payload).digest() == digest:
                    return CompileResult._rebuild(target_context, *pickle.loads(payload))
        return None

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        """Write compiled code; `problem` says so where it cannot be."""
        if self.folder is None:
            return
        path = self.folder / self._file_name(sig, data.codegen)
        beside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:16]}")
        payload = dumps(data._reduce())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(hashlib.sha256(payload).digest() + payload)
            os.replace(beside, path)
        except OSError as error:
            self.problem = f"{error.strerror or error} ({self.folder})"
            with contextlib.suppress(OSError):
                beside.unlink()

    def _file_name(self, sig: Any, codegen: Any) -> str:
        what = repr((sig, codegen.magic_tuple()))
        return f"{self.name}.{hashlib.sha256(what.encode()).hexdigest()[:16]}.nbc"

    def enable(self) -> None:
        """Do nothing: the store is always in use."""

    disable = flush = enable


class _Listener(numba_event.Listener):
    """Notes which of our kernels are compiled, and prints a line before the first of them.

    numba sends this event after it has looked in vain for code on disk: kernels that are read
    from there, however slowly, are passed over in silence.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.stores: list[Store] = []

    def on_start(self, event: Any) -> None:
        store = event.data["dispatcher"]._cache
        if not isinstance(store, Store):
            return
        if not self.stores:
            _say(
                f"Compiling the quantum kernels for {self.what}, "
                + (
                    "once on this machine. It takes a while."
                    if store.folder
                    else "in every process anew: no folder to keep them in can be written to. "
                    "Set NUMBA_CACHE_DIR to one that can."
                )
            )
        self.stores.append(store)

    def on_end(self, event: Any) -> None:
        pass


@contextlib.contextmanager
def announced(what: str) -> Iterator[None]:
    """Say what is compiled inside, if anything is, and if it could not be kept."""
    listener = _Listener(what)
    with numba_event.install_listener("numba:compile", listener):
        yield
    if problem := next((store.problem for store in listener.stores if store.problem), ""):
        _say(
            f"The quantum kernels for {what} could not be kept on disk, so that the next process "
            f"compiles them anew: {problem}. NUMBA_CACHE_DIR can name another folder."
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
