"""What a training run borrows from its process: torch's global generators and its threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["GlobalGenerators", "is_small", "use_one_thread"]

# There is one set of global generators for all threads of a process: whoever draws from them with
# a seed of his own needs them for himself. Reentrant, for a run inside another.
_LOCK = threading.RLock()

# Layers that use each weight many times for one sample.
_REUSING = (nn.modules.conv._ConvNd, nn.RNNBase, nn.MultiheadAttention)
_SMALL = 2**24


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
        if device.type == "cuda":
            devices["cuda"] = device
        self._devices = devices
        self.states = {
            name: torch.Generator(device).manual_seed(seed).get_state()
            for name, device in devices.items()
        }

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Draw from the run's states inside; other threads that ask for this wait meanwhile."""
        with _LOCK:
            before = self._swap(self.states)
            try:
                yield
            finally:
                self.states = self._swap(before)

    def _swap(self, states: dict[str, Tensor]) -> dict[str, Tensor]:
        """Install states, and return those that were there."""
        before = {"torch": torch.get_rng_state()}
        torch.set_rng_state(states["torch"])
        if "cuda" in self._devices:
            before["cuda"] = torch.cuda.get_rng_state(self._devices["cuda"])
            torch.cuda.set_rng_state(states["cuda"], self._devices["cuda"])
        return before


def is_small(model: nn.Module, batch_size: int) -> bool:
    """Whether a training step is so little work that one thread is the best choice.

    It is where no layer reuses its weights and weights times samples come to at most 2**24
    multiplications, a circuit's weight counting for all its amplitudes. A second thread then gains
    at best a third, and where the processor is busy with something else, waiting for it takes
    several times as long as the work.
    """
    work = sum(p.numel() for p in model.parameters())
    for part in model.modules():
        if isinstance(part, _REUSING):
            return False
        n = getattr(getattr(part, "circuit", None), "n_qubits", None)
        if n is not None:
            work += 2**n * sum(p.numel() for p in part.parameters(recurse=False))
    return work * batch_size <= _SMALL


@contextmanager
def use_one_thread(wanted: bool) -> Iterator[None]:
    """Let torch compute in one thread inside, if that is wanted; put its number back after."""
    before = torch.get_num_threads()
    if wanted and before > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
