"""Checks of chapter 6, The quantum autoencoder."""

import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    as_tensor,
    call,
    expect_number,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.words import _
from vqvae_lib.quantum_autoencoder import compression_bound

REPETITIONS = 200


def _states(B: int, n: int, seed: int) -> Tensor:
    """Random complex states (B, 2**n)."""
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(B, 2**n, 2, generator=generator, dtype=torch.float64)
    states = torch.view_as_complex(parts)
    return states / states.abs().square().sum(1, keepdim=True).sqrt()


# Exercise 1 ---------------------------------------------------------------------------------------


def ex_06_1(fidelity: Any) -> Right:
    """A function `fidelity(a, b, shots, generator)` that returns one number."""
    a, b = _states(2, 3, seed=3)
    orthogonal = b - (a.conj() @ b) * a
    orthogonal = orthogonal / orthogonal.abs().square().sum().sqrt()
    mixed = math.sqrt(0.4) * a + math.sqrt(0.6) * orthogonal  # fidelity 0.4 with a
    shots = 500
    found = _repeated(fidelity, a, mixed, shots)
    if float(found.std()) < 1e-9:
        raise Wrong(
            "exact",
            _(
                "200 generators gave the same number: nothing was drawn. On a quantum computer "
                "you only have the outcomes."
            ),
        )
    again = _repeated(fidelity, a, mixed, shots)
    if not torch.equal(found, again):
        raise Wrong(
            "generator-unused",
            _("The same seed gave another number: draw from the `generator` that is handed in."),
        )
    p = 0.7  # ½ (1 + 0.4)
    spread = 2 * math.sqrt(p * (1 - p) / shots)
    error = 4 * spread / math.sqrt(REPETITIONS)
    mean = float(found.mean())
    if abs(mean - 0.4) > error:
        others = {
            "probability": (p, _("That is the chance of a 0: solve it for the fidelity.")),
            "not-squared": (
                math.sqrt(0.4),
                _("That is |⟨a|b⟩|: the fidelity is its square."),
            ),
            "of-ones": (-0.4, _("The sign: 2 p(0) - 1, and p(0) is the chance of a 0.")),
            "complement": (0.6, _("That is one minus the fidelity.")),
            "no-conjugate": (
                float((a @ mixed).abs().square()),
                _("The first state enters the inner product conjugated."),
            ),
            "half": (0.2, _("Half of it: 2 p(0) - 1, not p(0) - ½.")),
        }
        for kind, (other, message) in others.items():
            if abs(mean - other) < error:
                raise Wrong(kind, message)
        raise Wrong(
            "value",
            _("For a fidelity of 0.4 your estimates are {mean:.3f} on average.").format(mean=mean),
        )
    if not 0.8 < float(found.std()) / spread < 1.2:
        raise Wrong(
            "spread",
            _(
                "Right on average, but {shots} shots scatter by {expected:.3f}, and yours by "
                "{got:.3f}: is each shot drawn?"
            ).format(shots=shots, expected=spread, got=float(found.std())),
        )
    few = _repeated(fidelity, a, orthogonal, 20)
    if float(few.mean()) > 4 * 2 * 0.5 / math.sqrt(20 * REPETITIONS):
        raise Wrong(
            "clipped",
            _(
                "For orthogonal states and 20 shots your estimates are {mean:.3f} on average, not "
                "0. If negative ones are cut off, the rest is biased: let them be negative."
            ).format(mean=float(few.mean())),
        )
    return Right(
        _(
            "Unbiased, even where an estimate is negative. A standard error of 0.01 takes up to "
            "10,000 shots, for one pair of states."
        )
    )


def _repeated(fidelity: Any, a: Tensor, b: Tensor, shots: int) -> Tensor:
    return torch.tensor(
        [
            expect_number(
                call(fidelity, a, b, shots, torch.Generator().manual_seed(seed)),
                what="fidelity(a, b, shots, generator)",
            )
            for seed in range(REPETITIONS)
        ],
        dtype=torch.float64,
    )


# Exercise 2 ---------------------------------------------------------------------------------------


def ex_06_2(largest_p0: Any) -> Right:
    """A function `largest_p0(states, k)` that returns one number."""
    for seed, (B, n, k) in enumerate([(7, 3, 1), (9, 4, 2), (20, 3, 2)]):
        states = _states(B, n, seed)
        states = states + 0.8  # not centred around zero
        states = states / states.abs().square().sum(1, keepdim=True).sqrt()
        value = expect_number(call(largest_p0, states, k), what="largest_p0(states, k)")
        rho = states.T @ states.conj() / B
        values = torch.linalg.eigvalsh(rho).flip(0)
        centred = states - states.mean(0)
        about_mean = torch.linalg.eigvalsh(centred.T @ centred.conj() / B).flip(0)
        singular = torch.linalg.svdvals(states)
        real = torch.linalg.eigvalsh((states.real.T @ states.real) / B).flip(0)
        wanted = values[: 2**k].sum()
        candidates = [
            ("k-values", values[:k].sum(), _("k qubits hold 2**k dimensions, not k.")),
            ("smallest", values.flip(0)[: 2**k].sum(), _("These are the smallest eigenvalues.")),
            (
                "trash",
                values[: 2 ** (n - k)].sum(),
                _("k qubits are *kept*; this counts the dimensions of the trash."),
            ),
            ("sum", B * wanted, _("ρ is a mean over the states, and yours is a sum.")),
            (
                "centred",
                about_mean[: 2**k].sum(),
                _("Nothing is subtracted from a state: ρ is the matrix of second moments."),
            ),
            (
                "singular",
                singular[: 2**k].sum(),
                _("Singular values of the states: their squares over B are the eigenvalues."),
            ),
            ("real", real[: 2**k].sum(), _("The imaginary parts have been lost.")),
            ("largest", values[0], _("That is the largest eigenvalue alone.")),
            ("lost", 1 - wanted, _("That is what is lost: one minus it was asked for.")),
        ]
        recognise(
            torch.tensor([value], dtype=torch.float64),
            wanted[None],
            [(kind, other.double()[None], message) for kind, other, message in candidates],
        )
    return Right(
        _(
            "The eigenvalues of the mean state add up to 1, and a circuit chooses which 2**k of "
            "them to keep."
        )
    )


# Exercise 3 ---------------------------------------------------------------------------------------


def ex_06_3(compressor: Any) -> Right:
    """A function `compressor(states, k)` that returns a unitary (2**n, 2**n)."""
    for seed, (B, n, k) in enumerate([(20, 3, 1), (20, 4, 2), (12, 4, 3)]):
        states = _states(B, n, seed)
        value = as_tensor(call(compressor, states, k))
        if isinstance(value, Tensor) and value.shape == (2**n, 2**n):
            U = value.detach().to(torch.complex128)
        else:
            expect_tensor(value, (2**n, 2**n), what="compressor(states, k)")
            U = torch.as_tensor(value).to(torch.complex128)
        if not bool(torch.view_as_real(U.resolve_conj().contiguous()).isfinite().all()):
            raise Wrong("not-finite", _("compressor(states, k): holds NaN or infinity."))
        off = float((U @ U.mH - torch.eye(2**n)).abs().max())
        if off > 1e-4:
            raise Wrong(
                "not-unitary",
                _("U U† differs from the identity by {off:.2g}: your matrix is no gate.").format(
                    off=off
                ),
            )
        bound, reached = compression_bound(states, k), _mean_p0(U, states, k)
        if reached > bound - 1e-4:
            continue
        order = torch.arange(2**n).reshape(2**k, -1).T.flatten()  # trash first to trash last
        mistakes = [
            (
                "other-end",
                U[order.argsort()],
                _("Clean trash is where the *last* n - k bits are 0: every 2**(n-k)-th row."),
            ),
            (
                "other-end",
                U[order],
                _("Clean trash is where the *last* n - k bits are 0: every 2**(n-k)-th row."),
            ),
            (
                "no-conjugate",
                U.conj(),
                _("Nearly: conjugate it. A row of U is v†, the eigenvector conjugated."),
            ),
            ("columns", U.mH, _("This is the inverse: eigenvectors are columns, U needs rows.")),
            ("columns", U.T, _("Eigenvectors are columns, and U needs them as rows.")),
            ("smallest", U.flip(0), _("These are the directions with the smallest eigenvalues.")),
        ]
        for kind, other, message in mistakes:
            if _mean_p0(other, states, k) > bound - 1e-4:
                raise Wrong(kind, message)
        if _mean_p0(U.flip(0)[order], states, k) > bound - 1e-4:
            raise Wrong("smallest", _("The eigenvalues are in rising order: take the last ones."))
        raise Wrong(
            "value",
            _("For n = {n}, k = {k} the mean p0 is {got:.3f}, and {best:.3f} is possible.").format(
                n=n, k=k, got=reached, best=bound
            ),
        )
    return Right(
        _(
            "It reaches the bound. As a matrix it is easy; as a circuit, for most families, it "
            "takes a number of gates that grows with 2**(n + k)."
        )
    )


def _mean_p0(U: Tensor, states: Tensor, k: int) -> float:
    split = (states @ U.T).reshape(len(states), 2**k, -1)
    return float(split[:, :, 0].abs().square().sum(1).mean())


# Exercise 4 ---------------------------------------------------------------------------------------


def ex_06_4(resistant: Any) -> Right:
    """A function `resistant()` that returns states of four qubits, `(B, 16)`."""
    value = as_tensor(call(resistant))
    if not isinstance(value, Tensor) or value.ndim != 2 or value.shape[1] != 16 or not len(value):
        raise Wrong("shape", _("resistant(): expected a tensor of states, (B, 16)."))
    states = value.detach()
    states = states.to(torch.complex128 if states.is_complex() else torch.float64)
    length = states.abs().square().sum(1)
    if not bool(((length - 1).abs() < 1e-3).all()):
        raise Wrong(
            "length",
            _(
                "A state has length one, and the first of yours has squared length {got:.3g}."
            ).format(got=float(length[0])),
        )
    states = states / length.sqrt()[:, None]
    bound = compression_bound(states, 3)
    rank = int(torch.linalg.matrix_rank(states, tol=1e-6))
    if bound > 0.5 + 1e-6:
        if rank < 16 and len(states) >= 16:
            raise Wrong(
                "rank",
                _(
                    "{B} states, but they span {rank} dimensions only; p0 up to {bound:.3f} is "
                    "possible."
                ).format(B=len(states), rank=rank, bound=bound),
            )
        if len(states) < 16:
            raise Wrong(
                "few",
                _(
                    "{B} states span at most {B} dimensions, and 8 are kept: p0 up to {bound:.3f} "
                    "is possible. How many are needed at least?"
                ).format(B=len(states), bound=bound),
            )
        raise Wrong(
            "uneven",
            _(
                "They span all 16 dimensions, but not evenly: p0 up to {bound:.3f} is possible. "
                "When are all eigenvalues of ρ the same?"
            ).format(bound=bound),
        )
    if len(states) > 16:
        raise Wrong(
            "many",
            _("It resists, with {B} states. Fewer are enough: how many?").format(B=len(states)),
        )
    return Right(
        _(
            "Sixteen orthogonal states, equally likely: each of them can be told from all others, "
            "so there are four bits in them, and three qubits hold three."
        )
    )
