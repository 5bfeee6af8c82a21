"""What a training run borrows from its process: torch's global generators and its threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["GlobalGenerators", "is_small", "take_turns", "use_one_thread"]

# There is one set of global generators for all threads of a process: whoever draws from them with
# a seed of his own needs them for himself. Reentrant, for a run inside another.
_LOCK = threading.RLock()

_SMALL = 2**26


def _renew_lock() -> None:
    """Let nobody have the lock: in a forked process, the thread that had it doesn't exist."""
    global _LOCK
    _LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def take_turns() -> Iterator[None]:
    """Keep other threads' runs out: whatever draws inside from the global generators is alone."""
    with _LOCK:
        yield


class GlobalGenerators:
    """States of torch's global generators that belong to one run: dropout draws from them.

    Parameters
    ----------
    device
        The model's; on a GPU, its generator belongs to the run as well as the CPU's.
    seed
        Of both.
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        devices = {"torch": torch.device("cpu")}
        if device.type != "cpu":
            devices[device.type] = device
        self._devices = devices
        self.states = {
            name: torch.Generator(device).manual_seed(seed).get_state()
            for name, device in devices.items()
        }

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Draw from the run's states inside; other threads that ask for this wait meanwhile."""
        with take_turns():
            before = self._swap(self.states)
            try:
                yield
            finally:
                self.states = self._swap(before)

    def _swap(self, states: dict[str, Tensor]) -> dict[str, Tensor]:
        """Install states, and return those that were there."""
        before = {}
        for name, device in self._devices.items():
            module = torch if name == "torch" else torch.get_device_module(device)
            place = () if name in ("torch", "mps") else (device,)  # of these there is one
            before[name] = module.get_rng_state(*place)
            module.set_rng_state(states[name], *place)
        return before


def is_small(model: nn.Module, x: Tensor, batch_size: int) -> bool:
    """Whether a training step is so little work that one thread is the best choice.

    It is where a batch takes at most 2**26 multiplications on its way through the model, which are
    a few milliseconds. A weight counts once for each sample; that of a convolution, or of anything
    else with three axes or more, once for each number of the sample; that of a circuit once for
    each amplitude. A second thread gains little there, and where the processor is busy with
    something else, waiting for it takes several times as long as the work.
    """
    if x.device.type != "cpu":
        return False
    work = 0
    for part in model.modules():
        n = getattr(getattr(part, "circuit", None), "n_qubits", None)
        for p in part.parameters(recurse=False):
            uses = 2**n if n is not None else x[0].numel() if p.ndim > 2 else 1
            work += p.numel() * uses
    return min(batch_size, len(x)) * work <= _SMALL


@contextmanager
def use_one_thread(wanted: bool) -> Iterator[None]:
    """Let torch compute in this thread alone inside, if that is wanted.

    What it does for other threads of the process stays as it is.
    """
    before = torch.get_num_threads()
    if not wanted or before == 1:
        yield
        return
    torch.set_num_threads(1)
    # That was also for threads that are yet to use torch, and another thread takes it back.
    other = threading.Thread(target=torch.set_num_threads, args=(before,))
    other.start()
    other.join()
    try:
        yield
    finally:
        torch.set_num_threads(before)
