"""Exercise 6.3: build a unitary that reaches the bound."""

import itertools
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_tensor
from vqvae_lib.course.exercises.chapter_06.states import (
    count_qubits,
    random_states,
    refuse_library_function,
    rising_states,
)
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.quantum_autoencoder import best_unitary, compression_bound, density_matrix


def check(compressor: Any) -> Right:
    """A function `compressor(states, k)` that returns a unitary (2**n, 2**n)."""
    refuse_library_function(compressor, best_unitary)
    # Two qubits of trash first: with one, trash in 1 and the smallest eigenvalues are the same.
    sizes = [(20, 3, 1), (20, 4, 2), (12, 4, 3)]
    for seed, (B, n, k) in enumerate(sizes):
        states = random_states(B, n, seed)
        U = _expect_unitary(call(compressor, states, k), 2**n)
        best = compression_bound(states, k) - 1e-4
        p0 = _compute_mean_p0(U, states, k)
        if p0 < best:
            _recognise_mistakes(U, states, k)
            raise Wrong("value", _report_shortfall(states, k, p0))
    states, k = rising_states(), 3
    p0 = _compute_mean_p0(_expect_unitary(call(compressor, states, k), 16), states, k)
    if p0 < compression_bound(states, k) - 1e-4:
        raise Wrong(
            "unsorted",
            _report_shortfall(states, k, p0)
            + " "
            + _(
                "Random states went well, but here the largest entries of ρ come last: do you "
                "sort the eigenvectors by their eigenvalues?"
            ),
        )
    return Right(
        _(
            "It reaches the bound. As a matrix that is easy; as a circuit it takes, for most "
            "families, a number of gates that grows with 2**(n + k)."
        )
    )


def _expect_unitary(value: Any, size: int) -> Tensor:
    U = expect_tensor(value, (size, size), what="compressor(states, k)", dtype=torch.complex128)
    misfit = float((U @ U.mH - torch.eye(size)).abs().max())
    if misfit > 1e-4:
        raise Wrong(
            "not-unitary",
            _(
                "U U† differs from the identity by {misfit:.2g}, so your matrix is not a gate."
            ).format(misfit=misfit),
        )
    return U


def _compute_mean_p0(U: Tensor, states: Tensor, k: int) -> float:
    split = (states @ U.T).reshape(len(states), 2**k, -1)
    return float(split[:, :, 0].abs().square().sum(1).mean())


def _report_shortfall(states: Tensor, k: int, p0: float) -> str:
    return _(
        "For n = {n} and k = {k} the mean p0 is {got:.3f}, but {best:.3f} is possible."
    ).format(n=count_qubits(states), k=k, got=p0, best=compression_bound(states, k))


def _recognise_mistakes(U: Tensor, states: Tensor, k: int) -> None:
    """Undo a likely mistake in how U is conjugated or transposed, in its rows' order, or both."""
    size, best = len(U), compression_bound(states, k) - 1e-4
    turns = [
        ("", U, ""),
        (
            "no-conjugate",
            U.conj(),
            _("Nearly: conjugate it. A row of U is v†, the conjugate of an eigenvector."),
        ),
        (
            "columns",
            U.mH,
            _("This is the inverse: the eigenvectors are columns, but U needs them as rows."),
        ),
        ("columns", U.T, _("The eigenvectors are columns, but U needs them as rows.")),
    ]
    rows = torch.arange(size)
    grid = rows.reshape(2**k, -1)  # kept down, trash across
    trash_first = grid.T.flatten()
    in_front = trash_first.argsort()  # the first 2**k rows to where the trash is 0
    other_end = _("The trash is clean where the *last* n - k bits are 0: in every 2**(n-k)-th row.")
    places = [
        ("", rows, ""),
        ("other-end", in_front, other_end),
        ("other-end", trash_first, other_end),
        (
            "ones",
            grid.flip(1).flatten(),
            _("Your trash ends in 1…1, but it should end in 0…0."),
        ),
        (
            "smallest",
            rows.flip(0)[in_front],
            _("The eigenvalues are in ascending order: take the last ones."),
        ),
    ]
    for (place, order, where), (turn, variant, how) in itertools.product(places, turns):
        if _compute_mean_p0(variant[order], states, k) > best:
            raise Wrong(place or turn, f"{where} {how}".strip())
    worst = float(torch.linalg.eigvalsh(density_matrix(states))[: 2**k].sum()) + 1e-4
    if any(_compute_mean_p0(variant, states, k) < worst for _kind, variant, _how in turns):
        raise Wrong("smallest", _("These are the directions with the smallest eigenvalues."))
    vectors = torch.linalg.eigh(states.T @ states).eigenvectors  # no factor is conjugated
    for rotation in (vectors.mH, vectors.T):
        got = float((states @ rotation[-(2**k) :].T).abs().square().sum(1).mean())
        if abs(got - _compute_mean_p0(U, states, k)) < 1e-4:
            raise Wrong("rho-no-conjugate", _("One of the two factors of ρ has to be conjugated."))
