"""Checks of chapter 6, The quantum autoencoder."""

import cmath
import itertools
import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    as_tensor,
    call,
    describe,
    expect_number,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.words import _
from vqvae_lib.quantum_autoencoder import best_unitary, compression_bound, density_matrix

REPETITIONS = 200


def _states(B: int, n: int, seed: int) -> Tensor:
    """Random complex states (B, 2**n)."""
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(B, 2**n, 2, generator=generator, dtype=torch.float64)
    return _normalised(torch.view_as_complex(parts))


def _normalised(states: Tensor) -> Tensor:
    return states / states.abs().square().sum(-1, keepdim=True).sqrt()


def _rising() -> Tensor:
    """Basis states of four qubits, the i-th of them i + 1 times, (136, 16).

    ρ is diagonal and rises along its diagonal: for random states LAPACK's general routines happen
    to give large eigenvalues first, and here they give them last.
    """
    numbers = torch.arange(16)
    return torch.eye(16, dtype=torch.complex128)[numbers.repeat_interleave(numbers + 1)]


def _refuse_the_library(answer: Any, own: Any) -> None:
    if answer is own:
        raise Wrong("library", _("That is the library's own function: write one without it."))


# Exercise 1 ---------------------------------------------------------------------------------------


def ex_06_1(fidelity: Any) -> Right:
    """A function `fidelity(a, b, shots, generator)` that returns one number."""
    a, b = _states(2, 2, seed=3)  # two qubits, as in the chapter's own circuit
    orthogonal = _normalised(b - (a.conj() @ b) * a)
    # Fidelity 0.4, and an inner product that is not real.
    mixed = cmath.exp(0.9j) * (math.sqrt(0.4) * a + math.sqrt(0.6) * orthogonal)
    shots = 500
    found = _repeated(fidelity, a, mixed, shots)
    _refuse_what_draws_otherwise(fidelity, found, a, mixed, shots)
    _judge_the_mean(found, shots, no_conjugate=float((a @ mixed).abs().square()))
    _judge_the_shots(found, shots)
    _judge_the_ends(fidelity, a, orthogonal)
    return Right(
        _(
            "Unbiased, even where an estimate is negative. A standard error of 0.01 takes up to "
            "10,000 shots, for one pair of states."
        )
    )


def _estimate(fidelity: Any, *arguments: Any) -> float:
    return expect_number(call(fidelity, *arguments), what="fidelity(a, b, shots, generator)")


def _repeated(fidelity: Any, a: Tensor, b: Tensor, shots: int, times: int = REPETITIONS) -> Tensor:
    """Estimates (times,), each with a generator of its own seed."""
    seeded = (torch.Generator().manual_seed(seed) for seed in range(times))
    return torch.tensor([_estimate(fidelity, a, b, shots, g) for g in seeded], dtype=torch.float64)


def _refuse_what_draws_otherwise(
    fidelity: Any, found: Tensor, a: Tensor, b: Tensor, shots: int
) -> None:
    if float(found.std()) < 1e-9:
        raise Wrong(
            "exact",
            _(
                "{times} generators gave the same number: nothing was drawn from `generator`, or "
                "the helper is always 0. On a quantum computer you only have the outcomes."
            ).format(times=len(found)),
        )
    again = _repeated(fidelity, a, b, shots, times=10)
    if not torch.equal(found[:10], again):
        raise Wrong(
            "generator-unused",
            _("The same seed gave another number: draw from the `generator` that is handed in."),
        )
    # Five right answers agree by chance once in a million times, and these do not.
    shared = torch.Generator().manual_seed(0)
    if len({_estimate(fidelity, a, b, shots, shared) for _time in range(5)}) == 1:
        raise Wrong(
            "generator-copied",
            _(
                "Five calls that share one generator gave the same number: draw from `generator` "
                "itself, so that each call goes on where the last one stopped."
            ),
        )


def _judge_the_mean(found: Tensor, shots: int, *, no_conjugate: float) -> None:
    """Compare with 0.4, up to four standard errors, and with what likely mistakes give."""
    error = 4 * _scatter(0.4, shots) / math.sqrt(len(found))
    mean = float(found.mean())
    if abs(mean - 0.4) <= error:
        return
    real = _("Only the real part of ⟨a|b⟩ enters: its size |⟨a|b⟩| counts.")
    others = [
        ("probability", 0.7, _("That is the chance of a 0: solve it for the fidelity.")),
        ("not-squared", math.sqrt(0.4), _("That is |⟨a|b⟩|: the fidelity is its square.")),
        ("of-ones", -0.4, _("The sign: 2 p(0) - 1, and p(0) is the chance of a 0.")),
        ("complement", 0.6, _("That is one minus the fidelity.")),
        ("half", 0.2, _("Half of it: 2 p(0) - 1, not p(0) - ½.")),
        ("real-part", 0.4 * math.cos(0.9) ** 2, real),
        ("real-part", 0.4 * math.cos(1.8), real),
        (
            "no-conjugate",
            no_conjugate,
            _("The first state enters the inner product conjugated."),
        ),
    ]
    for kind, other, message in others:
        if abs(mean - other) < error:
            raise Wrong(kind, message)
    raise Wrong(
        "value",
        _("For a fidelity of 0.4 your estimates are {mean:.3f} on average.").format(mean=mean),
    )


def _scatter(F: float, shots: int) -> float:
    """Standard error of the estimate of a fidelity."""
    return math.sqrt((1 - F**2) / shots)


def _judge_the_shots(found: Tensor, shots: int) -> None:
    """Every estimate comes from a whole number of zeros, and they scatter as those do."""
    zeros = (found + 1) / 2 * shots
    off = (zeros - zeros.round()).abs()
    if float(off.max()) > 1e-2:  # single precision leaves 1e-4
        raise Wrong(
            "not-counted",
            _(
                "Right on average, but no number of zeros in {shots} shots gives {got:.4f}: draw "
                "{shots} outcomes, and estimate p(0) by the share of zeros."
            ).format(shots=shots, got=float(found[off.argmax()])),
        )
    spread = _scatter(0.4, shots)
    if not 0.8 < float(found.std()) / spread < 1.2:
        raise Wrong(
            "spread",
            _(
                "Right on average, but {shots} shots scatter by {expected:.3f}, and yours by "
                "{got:.3f}: is each shot drawn?"
            ).format(shots=shots, expected=spread, got=float(found.std())),
        )


def _judge_the_ends(fidelity: Any, a: Tensor, orthogonal: Tensor) -> None:
    """Few shots for equal states, whose helper is always 0, and for orthogonal ones."""
    shots = 20
    same = torch.tensor([1, 1j, -1, 1], dtype=torch.complex128) / 2  # of length 1 without rounding
    for got in _repeated(fidelity, same, same, shots, times=10).tolist():
        if abs(got - 1) > 1e-6:
            raise Wrong(
                "biased",
                _(
                    "For twice the same state all of {shots} shots give 0, so the estimate has to "
                    "be 1, and yours is {got:.4f}."
                ).format(shots=shots, got=got),
            )
    few = _repeated(fidelity, a, orthogonal, shots)
    mean, error = float(few.mean()), 4 * _scatter(0, shots) / math.sqrt(len(few))
    if mean > error:
        raise Wrong(
            "clipped",
            _(
                "For orthogonal states and {shots} shots your estimates are {mean:.3f} on average, "
                "not 0. If negative ones are cut off, the rest is biased: let them be negative."
            ).format(shots=shots, mean=mean),
        )
    if mean < -error:
        raise Wrong(
            "biased",
            _(
                "For orthogonal states and {shots} shots your estimates are {mean:.3f} on average, "
                "not 0."
            ).format(shots=shots, mean=mean),
        )


# Exercise 2 ---------------------------------------------------------------------------------------


def ex_06_2(largest_p0: Any) -> Right:
    """A function `largest_p0(states, k)` that returns one number."""
    _refuse_the_library(largest_p0, compression_bound)
    # Five qubits and k = 3 first: there all mistakes differ, by three times the tolerance at least.
    sizes = [(40, 5, 3), (7, 3, 1), (9, 4, 2), (20, 3, 2)]
    # Not centred around zero; a larger shift would make one eigenvalue large and hide the others.
    cases = [(_normalised(_states(B, n, seed) + 0.15), k) for seed, (B, n, k) in enumerate(sizes)]
    for states, k in [*cases, (_rising(), 3)]:
        value = expect_number(call(largest_p0, states, k), what="largest_p0(states, k)")
        recognise(
            torch.tensor(value, dtype=torch.float64),
            _largest(density_matrix(states), 2**k),
            list(_bound_mistakes(states, k)),
            case=f"n = {_qubits(states)}, k = {k}",
        )
    return Right(
        _(
            "The eigenvalues of the mean state add up to 1, and a circuit chooses which 2**k of "
            "them to keep."
        )
    )


def _qubits(states: Tensor) -> int:
    return states.shape[1].bit_length() - 1


def _largest(matrix: Tensor, count: int) -> Tensor:
    return torch.linalg.eigvalsh(matrix).flip(0)[:count].sum()


def _bound_mistakes(states: Tensor, k: int) -> list[tuple[str, Tensor, str]]:
    B, n, kept = len(states), _qubits(states), 2**k
    rho = density_matrix(states)
    values = torch.linalg.eigvalsh(rho).flip(0)
    wanted = values[:kept].sum()
    as_they_come = torch.linalg.eigvals(rho).real
    centred = states - states.mean(0)
    about_mean = _largest(centred.T @ centred.conj() / B, kept)
    singular = torch.linalg.svdvals(states)
    bare = states.T @ states / B  # no factor is conjugated
    conjugate = _("In ρ one of the two factors is conjugated.")
    mean = _("Nothing is subtracted from a state: ρ is the matrix of second moments.")
    imaginary = _("The imaginary parts have been lost.")
    return [
        ("largest", values[0], _("That is the largest eigenvalue alone.")),
        ("k-values", values[:k].sum(), _("k qubits hold 2**k dimensions, not k.")),
        ("k-values", values[: 2 * k].sum(), _("k qubits hold 2**k dimensions, not 2 k.")),
        (
            "unsorted",
            as_they_come[:kept].sum(),
            _("The eigenvalues are not sorted: are yours the largest ones for every ρ?"),
        ),
        ("smallest", values.flip(0)[:kept].sum(), _("These are the smallest eigenvalues.")),
        (
            "trash",
            values[: 2 ** (n - k)].sum(),
            _("k qubits are *kept*; this counts the dimensions of the trash."),
        ),
        ("sum", B * wanted, _("ρ is a mean over the states, and yours is a sum.")),
        (
            "one-less",
            wanted * B / (B - 1),
            _("ρ is a mean over the states: divide by their number, not by one less."),
        ),
        ("centred", about_mean, mean),
        ("centred", about_mean * B / (B - 1), mean),
        (
            "singular",
            singular[:kept].sum(),
            _("Singular values of the states: their squares over B are the eigenvalues."),
        ),
        (
            "singular",
            singular[:kept].sum() / singular.sum(),
            _("These are shares of the singular values: their squares count."),
        ),
        ("no-conjugate", _largest(bare, kept), conjugate),
        ("no-conjugate", torch.linalg.eigvals(bare).abs().sort().values[-kept:].sum(), conjugate),
        ("no-conjugate", torch.linalg.svdvals(bare)[:kept].sum(), conjugate),
        ("real", _largest(states.real.T @ states.real / B, kept), imaginary),
        ("real", _largest(rho.real, kept), imaginary),
        (
            "squared",
            wanted**2,
            _("That is the square, a bound of the fidelity: p0 itself was asked for."),
        ),
        ("lost", 1 - wanted, _("That is what is lost: one minus it was asked for.")),
    ]


# Exercise 3 ---------------------------------------------------------------------------------------


def ex_06_3(compressor: Any) -> Right:
    """A function `compressor(states, k)` that returns a unitary (2**n, 2**n)."""
    _refuse_the_library(compressor, best_unitary)
    # Two qubits of trash first: with one, trash in 1 and the smallest eigenvalues are the same.
    sizes = [(20, 3, 1), (20, 4, 2), (12, 4, 3)]
    for seed, (B, n, k) in enumerate(sizes):
        states = _states(B, n, seed)
        U = _unitary(call(compressor, states, k), 2**n)
        best = compression_bound(states, k) - 1e-4
        reached = _mean_p0(U, states, k)
        if reached < best:
            _recognise_the_compressor(U, states, k)
            raise Wrong("value", _falls_short(states, k, reached))
    states, k = _rising(), 3
    reached = _mean_p0(_unitary(call(compressor, states, k), 16), states, k)
    if reached < compression_bound(states, k) - 1e-4:
        raise Wrong(
            "unsorted",
            _falls_short(states, k, reached)
            + " "
            + _(
                "Random states went well, and here the largest entries of ρ come last: are your "
                "eigenvectors sorted by their eigenvalues?"
            ),
        )
    return Right(
        _(
            "It reaches the bound. As a matrix it is easy; as a circuit, for most families, it "
            "takes a number of gates that grows with 2**(n + k)."
        )
    )


def _unitary(value: Any, size: int) -> Tensor:
    U = expect_tensor(value, (size, size), what="compressor(states, k)", dtype=torch.complex128)
    off = float((U @ U.mH - torch.eye(size)).abs().max())
    if off > 1e-4:
        raise Wrong(
            "not-unitary",
            _("U U† differs from the identity by {off:.2g}: your matrix is no gate.").format(
                off=off
            ),
        )
    return U


def _mean_p0(U: Tensor, states: Tensor, k: int) -> float:
    split = (states @ U.T).reshape(len(states), 2**k, -1)
    return float(split[:, :, 0].abs().square().sum(1).mean())


def _falls_short(states: Tensor, k: int, reached: float) -> str:
    return _("For n = {n}, k = {k} the mean p0 is {got:.3f}, and {best:.3f} is possible.").format(
        n=_qubits(states), k=k, got=reached, best=compression_bound(states, k)
    )


def _recognise_the_compressor(U: Tensor, states: Tensor, k: int) -> None:
    """Undo a likely mistake in how U is turned, one in where its rows stand, or both."""
    size, best = len(U), compression_bound(states, k) - 1e-4
    turns = [
        ("", U, ""),
        (
            "no-conjugate",
            U.conj(),
            _("Nearly: conjugate it. A row of U is v†, the eigenvector conjugated."),
        ),
        ("columns", U.mH, _("This is the inverse: eigenvectors are columns, U needs rows.")),
        ("columns", U.T, _("Eigenvectors are columns, and U needs them as rows.")),
    ]
    rows = torch.arange(size)
    numbered = rows.reshape(2**k, -1)  # kept down, trash across
    trash_first = numbered.T.flatten()
    in_front = trash_first.argsort()  # the first 2**k rows to where the trash is 0
    other_end = _("Clean trash is where the *last* n - k bits are 0: every 2**(n-k)-th row.")
    places = [
        ("", rows, ""),
        ("other-end", in_front, other_end),
        ("other-end", trash_first, other_end),
        ("ones", numbered.flip(1).flatten(), _("Your trash ends in 1…1: it has to end in 0…0.")),
        (
            "smallest",
            rows.flip(0)[in_front],
            _("The eigenvalues are in rising order: take the last ones."),
        ),
    ]
    for (misplaced, order, where), (misturned, turned, how) in itertools.product(places, turns):
        if _mean_p0(turned[order], states, k) > best:
            raise Wrong(misplaced or misturned, f"{where} {how}".strip())
    worst = float(torch.linalg.eigvalsh(density_matrix(states))[: 2**k].sum()) + 1e-4
    if any(_mean_p0(turned, states, k) < worst for _kind, turned, _how in turns):
        raise Wrong("smallest", _("These are the directions with the smallest eigenvalues."))
    vectors = torch.linalg.eigh(states.T @ states).eigenvectors  # no factor is conjugated
    for wrong in (vectors.mH, vectors.T):
        got = float((states @ wrong[-(2**k) :].T).abs().square().sum(1).mean())
        if abs(got - _mean_p0(U, states, k)) < 1e-4:
            raise Wrong("rho-no-conjugate", _("In ρ one of the two factors is conjugated."))


# Exercise 4 ---------------------------------------------------------------------------------------


LEAST_AMPLITUDE = 0.01


def ex_06_4(resistant: Any) -> Right:
    """A function `resistant()` that returns states of four qubits, `(B, 16)`."""
    states = _family(call(resistant))
    B, bound = len(states), compression_bound(states, 3)
    if bound > 0.5 + 1e-6:
        _say_why_it_yields(states, bound)
    _refuse_small_amplitudes(states)
    if B > 16:
        raise Wrong(
            "many",
            _("It resists, with {B} states. Fewer are enough: how many?").format(B=B),
        )
    return Right(
        _(
            "Sixteen orthogonal states, equally likely: each of them can be told from all others, "
            "so there are four bits in them, and three qubits hold three."
        )
    )


def _family(value: Any) -> Tensor:
    """States (B, 16) of length one, or what is the matter with them."""
    value = as_tensor(value)
    if not isinstance(value, Tensor) or value.ndim != 2 or value.shape[1] != 16 or not len(value):
        raise Wrong(
            "shape",
            _("resistant(): expected a tensor of states, (B, 16), got {got}.").format(
                got=describe(value)
            ),
        )
    states = expect_tensor(value, tuple(value.shape), what="resistant()", dtype=torch.complex128)
    length = states.abs().square().sum(1)
    off = (length - 1).abs()
    if float(off.max()) > 1e-3:
        worst = int(off.argmax())
        raise Wrong(
            "length",
            _(
                "A state has length one, and state number {i}, counted from 0, has squared length "
                "{got:.3g}."
            ).format(i=worst, got=float(length[worst])),
        )
    return _normalised(states)


def _say_why_it_yields(states: Tensor, bound: float) -> None:
    B, rank = len(states), int(torch.linalg.matrix_rank(states, tol=1e-6))
    if B < 16:
        raise Wrong(
            "few",
            _(
                "The number of states is {B}: they span no more dimensions than that, and 8 are "
                "kept, so p0 up to {bound:.3f} is possible. How many are needed at least?"
            ).format(B=B, bound=bound),
        )
    if rank < 16:
        raise Wrong(
            "rank",
            _(
                "{B} states, but the dimension of what they span is {rank}; p0 up to {bound:.3f} "
                "is possible."
            ).format(B=B, rank=rank, bound=bound),
        )
    raise Wrong(
        "uneven",
        _(
            "They span all 16 dimensions, but not evenly: p0 up to {bound:.3f} is possible. "
            "When are all eigenvalues of ρ the same?"
        ).format(bound=bound),
    )


def _refuse_small_amplitudes(states: Tensor) -> None:
    size = states.abs()
    if float(size.min()) < LEAST_AMPLITUDE:
        i, j = (int(index) for index in torch.unravel_index(size.argmin(), size.shape))
        raise Wrong(
            "small-amplitude",
            _(
                "It resists. But amplitude {j} of state {i}, both counted from 0, has the size "
                "{got:.2g}, and at least {least:g} was asked for."
            ).format(i=i, j=j, got=float(size[i, j]), least=LEAST_AMPLITUDE),
        )
