"""States for the exercises on compression."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.verdicts import Wrong
from vqvae_lib.course.words import _


def random_states(B: int, n: int, seed: int) -> Tensor:
    """Random complex states (B, 2**n)."""
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(B, 2**n, 2, generator=generator, dtype=torch.float64)
    return normalise(torch.view_as_complex(parts))


def normalise(states: Tensor) -> Tensor:
    """Divide each state by its length."""
    return states / states.abs().square().sum(-1, keepdim=True).sqrt()


def rising_states() -> Tensor:
    """Basis states of four qubits, the i-th of them i + 1 times, (136, 16).

    Their ρ is diagonal and rises along its diagonal, so that LAPACK's general routines give large
    eigenvalues last; for random states they happen to give them first.
    """
    numbers = torch.arange(16)
    return torch.eye(16, dtype=torch.complex128)[numbers.repeat_interleave(numbers + 1)]


def count_qubits(states: Tensor) -> int:
    """Number n of qubits of states (B, 2**n)."""
    return states.shape[1].bit_length() - 1


def refuse_library_function(answer: Any, library_function: Any) -> None:
    """Raise `Wrong` if the answer is the function that it should replace."""
    if answer is library_function:
        raise Wrong("library", _("That is the library's own function: write your own."))
