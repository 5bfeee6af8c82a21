"""Exercise 6.2: compute the best compression that any circuit can reach."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, call, expect_number, recognise
from vqvae_lib.course.exercises.chapter_06.states import (
    count_qubits,
    normalise,
    random_states,
    refuse_library_function,
    rising_states,
)
from vqvae_lib.course.exercises.verdicts import Right
from vqvae_lib.course.words import _
from vqvae_lib.quantum_autoencoder import compression_bound, density_matrix


def check(largest_p0: Any) -> Right:
    """A function `largest_p0(states, k)` that returns one number."""
    refuse_library_function(largest_p0, compression_bound)
    # Five qubits and k = 3 first: there all mistakes differ, by three times the tolerance at least.
    sizes = [(40, 5, 3), (7, 3, 1), (9, 4, 2), (20, 3, 2)]
    # Not centred around zero; a larger shift would make one eigenvalue large and hide the others.
    cases = [
        (normalise(random_states(B, n, seed) + 0.15), k) for seed, (B, n, k) in enumerate(sizes)
    ]
    for states, k in [*cases, (rising_states(), 3)]:
        value = expect_number(call(largest_p0, states, k), what="largest_p0(states, k)")
        recognise(
            torch.tensor(value, dtype=torch.float64),
            _sum_largest(density_matrix(states), 2**k),
            list(_list_mistakes(states, k)),
            case=f"n = {count_qubits(states)}, k = {k}",
        )
    return Right(
        _(
            "The eigenvalues of the mean state add up to 1, and a circuit chooses which 2**k of "
            "them to keep."
        )
    )


def _sum_largest(matrix: Tensor, count: int) -> Tensor:
    return torch.linalg.eigvalsh(matrix).flip(0)[:count].sum()


def _list_mistakes(states: Tensor, k: int) -> list[Mistake]:
    B, n, n_kept = len(states), count_qubits(states), 2**k
    rho = density_matrix(states)
    values = torch.linalg.eigvalsh(rho).flip(0)
    bound = values[:n_kept].sum()
    as_they_come = torch.linalg.eigvals(rho).real
    centred = states - states.mean(0)
    about_mean = _sum_largest(centred.T @ centred.conj() / B, n_kept)
    singular = torch.linalg.svdvals(states)
    bare = states.T @ states / B  # no factor is conjugated
    conjugate = _("One of the two factors of ρ has to be conjugated.")
    mean = _("Do not subtract anything from a state: ρ is the matrix of second moments.")
    imaginary = _("You have lost the imaginary parts.")
    return [
        ("largest", values[0], _("That is only the largest eigenvalue.")),
        ("k-values", values[:k].sum(), _("k qubits hold 2**k dimensions, not k.")),
        ("k-values", values[: 2 * k].sum(), _("k qubits hold 2**k dimensions, not 2 k.")),
        (
            "unsorted",
            as_they_come[:n_kept].sum(),
            _("The eigenvalues are not sorted: are yours the largest for every ρ?"),
        ),
        ("smallest", values.flip(0)[:n_kept].sum(), _("These are the smallest eigenvalues.")),
        (
            "trash",
            values[: 2 ** (n - k)].sum(),
            _("k qubits are *kept*, but you count the dimensions of the trash."),
        ),
        ("sum", B * bound, _("ρ is a mean over the states, but yours is a sum.")),
        (
            "one-less",
            bound * B / (B - 1),
            _("ρ is a mean over the states: divide by their number, not by one less."),
        ),
        ("centred", about_mean, mean),
        ("centred", about_mean * B / (B - 1), mean),
        (
            "singular",
            singular[:n_kept].sum(),
            _("These are singular values of the states: the eigenvalues are their squares over B."),
        ),
        (
            "singular",
            singular[:n_kept].sum() / singular.sum(),
            _("These are shares of the singular values: take shares of their squares."),
        ),
        ("no-conjugate", _sum_largest(bare, n_kept), conjugate),
        ("no-conjugate", torch.linalg.eigvals(bare).abs().sort().values[-n_kept:].sum(), conjugate),
        ("no-conjugate", torch.linalg.svdvals(bare)[:n_kept].sum(), conjugate),
        ("real", _sum_largest(states.real.T @ states.real / B, n_kept), imaginary),
        ("real", _sum_largest(rho.real, n_kept), imaginary),
        (
            "squared",
            bound**2,
            _("That is the square, which bounds the fidelity: the exercise asks for p0 itself."),
        ),
        (
            "lost",
            1 - bound,
            _("That is the share that is lost: the exercise asks for one minus it."),
        ),
    ]
