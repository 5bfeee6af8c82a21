"""Exercise 6.4: find states that resist compression."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import as_tensor, call, describe, expect_tensor
from vqvae_lib.course.exercises.chapter_06.states import normalise
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.quantum_autoencoder import compression_bound

LEAST_AMPLITUDE = 0.01


def check(resistant: Any) -> Right:
    """A function `resistant()` that returns states of four qubits, `(B, 16)`."""
    states = _expect_states(call(resistant))
    B, bound = len(states), compression_bound(states, 3)
    if bound > 0.5 + 1e-6:
        _explain_compression(states, bound)
    _refuse_small_amplitudes(states)
    if B > 16:
        raise Wrong(
            "many",
            _("It resists, with {B} states. But fewer are enough: how many?").format(B=B),
        )
    return Right(
        _(
            "Sixteen orthogonal states, equally likely. Each can be told from all others, so "
            "they carry four bits, and three qubits hold only three."
        )
    )


def _expect_states(value: Any) -> Tensor:
    """Return states (B, 16) of length one, or say what is wrong with them."""
    value = as_tensor(value)
    if not isinstance(value, Tensor) or value.ndim != 2 or value.shape[1] != 16 or not len(value):
        raise Wrong(
            "shape",
            _("resistant(): expected a tensor of states of shape (B, 16), got {got}.").format(
                got=describe(value)
            ),
        )
    states = expect_tensor(value, tuple(value.shape), what="resistant()", dtype=torch.complex128)
    length = states.abs().square().sum(1)
    misfit = (length - 1).abs()
    if float(misfit.max()) > 1e-3:
        worst = int(misfit.argmax())
        raise Wrong(
            "length",
            _(
                "A state has length one, but state number {i}, counted from 0, has squared "
                "length {got:.3g}."
            ).format(i=worst, got=float(length[worst])),
        )
    return normalise(states)


def _explain_compression(states: Tensor, bound: float) -> None:
    B, rank = len(states), int(torch.linalg.matrix_rank(states, tol=1e-6))
    if B < 16:
        raise Wrong(
            "few",
            _(
                "The number of states is {B}, so they span at most {B} of the 16 dimensions. "
                "Since 8 are kept, p0 up to {bound:.3f} is possible. How many states do you "
                "need at least?"
            ).format(B=B, bound=bound),
        )
    if rank < 16:
        raise Wrong(
            "rank",
            _(
                "The number of states is {B}, but that of the dimensions they span is only "
                "{rank}, so p0 up to {bound:.3f} is possible."
            ).format(B=B, rank=rank, bound=bound),
        )
    raise Wrong(
        "uneven",
        _(
            "They span all 16 dimensions, but not evenly: p0 up to {bound:.3f} is possible. "
            "When are all eigenvalues of ρ equal?"
        ).format(bound=bound),
    )


def _refuse_small_amplitudes(states: Tensor) -> None:
    size = states.abs()
    if float(size.min()) < LEAST_AMPLITUDE:
        i, j = (int(index) for index in torch.unravel_index(size.argmin(), size.shape))
        raise Wrong(
            "small-amplitude",
            _(
                "It resists. But amplitude {j} of state {i}, both counted from 0, has "
                "absolute value {got:.2g}, and the exercise asks for at least {least:g}."
            ).format(i=i, j=j, got=float(size[i, j]), least=LEAST_AMPLITUDE),
        )
