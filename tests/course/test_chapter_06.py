"""Planted wrong answers of chapter 6: each gets the message that was meant for it."""

import math
import re

import numpy as np
import pennylane as qml
import pytest
import torch

import vqvae_lib as vq
from vqvae_lib.course.exercises import check

# Exercise 1 ---------------------------------------------------------------------------------------


def zeros(a, b, shots, generator, *, fidelity=lambda overlap: overlap.abs().square()):
    p = 0.5 * (1 + fidelity(a.conj() @ b))
    return torch.bernoulli(p.expand(shots), generator=generator).sum()


def swap(a, b, shots, generator, **how):
    return 2 * zeros(a, b, shots, generator, **how) / shots - 1


def of_zeros(estimate):
    """An answer that makes its estimate of the number of zeros z and the shots."""
    return lambda a, b, shots, g: estimate(zeros(a, b, shots, g), shots)


def normal(a, b, shots, generator):
    F = (a.conj() @ b).abs().square()
    return F + ((1 - F * F) / shots).sqrt() * torch.randn(1, generator=generator)


def copied(a, b, shots, generator):
    return swap(a, b, shots, torch.Generator().manual_seed(generator.initial_seed()))


@qml.qnode(qml.device("default.qubit", wires=5))
def helper(a, b):
    """The chapter's own circuit."""
    qml.StatePrep(a, wires=[1, 2])
    qml.StatePrep(b, wires=[3, 4])
    qml.Hadamard(wires=0)
    for i in (0, 1):
        qml.CSWAP(wires=[0, 1 + i, 3 + i])
    qml.Hadamard(wires=0)
    return qml.probs(wires=0)


def by_pennylane(a, b, shots, generator):
    p = torch.as_tensor(helper(a.numpy(), b.numpy())[0])
    return float(2 * torch.bernoulli(p.expand(shots), generator=generator).mean() - 1)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *a: 0.5 * (1 + swap(*a)), "probability"),
        (lambda *a: swap(*a).abs().sqrt(), "not-squared"),
        (lambda *a: -swap(*a), "of-ones"),
        (lambda *a: 1 - swap(*a), "complement"),
        (lambda *a: swap(*a) / 2, "half"),
        (lambda a, *rest: swap(a.conj(), *rest), "no-conjugate"),
        (lambda *a: swap(*a, fidelity=lambda o: o.real**2), "real-part"),
        (lambda *a: swap(*a, fidelity=lambda o: (o * o).real), "real-part"),
        (lambda *a: swap(*a).clamp(min=0), "clipped"),
        (lambda a, b, shots, g: (a.conj() @ b).abs().square(), "exact"),
        (lambda a, b, shots, g: swap(a, b, shots, None), "generator-unused"),
        (copied, "generator-copied"),
        (normal, "not-counted"),
        (of_zeros(lambda z, shots: 2 * z / (shots - 1) - 1), "not-counted"),
        (of_zeros(lambda z, shots: 2 * z / (shots + 1) - 1), "not-counted"),
        (of_zeros(lambda z, shots: 2 * (z + 1) / (shots + 2) - 1), "not-counted"),
        (of_zeros(lambda z, shots: (2 * z / shots - 1) * shots / (shots - 1)), "not-counted"),
        (of_zeros(lambda z, shots: 2 * (z - 1) / shots - 1), "biased"),
        (of_zeros(lambda z, shots: 2 * z / shots - (1 if shots > 20 else 2)), "biased"),
        (of_zeros(lambda z, n: 2 * z / n - (1 if n > 20 or z == n else 1.1)), "biased"),
        (of_zeros(lambda z, n: 2 * z / n - 1 if z < n else 0.9), "biased"),
        (lambda a, b, shots, g: swap(a, b, 20, g), "spread"),
        (lambda *a: swap(*a) + 0.1, "value"),
        (lambda a, b, shots, g: a, "type"),
    ],
)
def test_wrong_fidelities_are_recognised(answer, kind):
    verdict = check.ex_06_1(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


@pytest.mark.parametrize(
    "answer",
    [swap, lambda *a: float(swap(*a)), lambda *a: swap(*a).float().numpy(), by_pennylane],
    ids=["tensor", "number", "single precision", "PennyLane"],
)
def test_right_fidelity_passes(answer):
    verdict = check.ex_06_1(answer)
    assert verdict.passed, verdict


def test_what_never_varies_hears_of_both_reasons():
    message = check.ex_06_1(lambda a, b, shots, g: 1.0).message
    assert "nothing is drawn from `generator`, or the helper is always 0." in message


# Exercise 2 ---------------------------------------------------------------------------------------


def rho(states):
    return states.T @ states.conj() / len(states)


def eigenvalues(states):
    return torch.linalg.eigvalsh(rho(states)).flip(0)


def as_they_come(matrix):
    """Eigenvalues and -vectors of a routine that does not sort."""
    # A diagonal matrix leaves them in its own order; else large ones often come first.
    if int(matrix.count_nonzero()) == len(matrix):
        return matrix.diagonal().real, torch.eye(len(matrix), dtype=matrix.dtype)
    values, vectors = torch.linalg.eigh(matrix)
    return values.flip(0), vectors.flip(1)


def bound(states, k):
    return eigenvalues(states)[: 2**k].sum()


def centred(states, k):
    return bound(states - states.mean(0), k)


def by_cov(states, k):
    return np.linalg.eigvalsh(np.cov(states.numpy().T))[-(2**k) :].sum()


def shares(states, k):
    singular = torch.linalg.svdvals(states)
    return singular[: 2**k].sum() / singular.sum()


def bare(states):
    """No factor is conjugated."""
    return states.T @ states / len(states)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda s, k: eigenvalues(s)[:k].sum(), "k-values"),
        (lambda s, k: eigenvalues(s)[: 2 * k].sum(), "k-values"),
        (lambda s, k: eigenvalues(s)[0], "largest"),
        (lambda s, k: torch.linalg.eigvals(rho(s)).real[: 2**k].sum(), "unsorted"),
        (lambda s, k: as_they_come(rho(s))[0][: 2**k].sum(), "unsorted"),
        (lambda s, k: np.linalg.eig(rho(s).numpy())[0].real[: 2**k].sum(), "unsorted"),
        (lambda s, k: eigenvalues(s).flip(0)[: 2**k].sum(), "smallest"),
        (lambda s, k: len(s) * eigenvalues(s)[: 2**k].sum(), "sum"),
        (lambda s, k: bound(s, k) * len(s) / (len(s) - 1), "one-less"),
        (centred, "centred"),
        (by_cov, "centred"),
        (shares, "singular"),
        (lambda s, k: torch.linalg.eigvalsh(bare(s))[-(2**k) :].sum(), "no-conjugate"),
        (lambda s, k: torch.linalg.eigvals(bare(s)).abs()[: 2**k].sum(), "no-conjugate"),
        (lambda s, k: torch.linalg.svdvals(bare(s))[: 2**k].sum(), "no-conjugate"),
        (lambda s, k: bound(s, k) ** 2, "squared"),
        (lambda s, k: torch.linalg.svdvals(s)[: 2**k].sum(), "singular"),
        (lambda s, k: bound(s.real, k), "real"),
        (lambda s, k: torch.linalg.eigvalsh(rho(s).real)[-(2**k) :].sum(), "real"),
        (lambda s, k: 1 - eigenvalues(s)[: 2**k].sum(), "lost"),
        (lambda s, k: eigenvalues(s)[: len(s[0]) // 2**k].sum(), "trash"),
        (lambda s, k: eigenvalues(s)[: k * (k + 1) // 2 + 1].sum(), "value"),
        (lambda s, k: 0.5, "value"),
        (lambda s, k: eigenvalues(s), "type"),
        (vq.compression_bound, "library"),
    ],
)
def test_wrong_bounds_are_recognised(answer, kind):
    verdict = check.ex_06_2(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_right_bounds_pass():
    assert check.ex_06_2(bound).passed
    assert check.ex_06_2(
        lambda s, k: torch.linalg.svdvals(s)[: 2**k].square().sum() / len(s)
    ).passed
    # A value without a recognised mistake names the case.
    assert "For n = 5, k = 3: expected" in check.ex_06_2(lambda s, k: 0.5).message


# Exercise 3 ---------------------------------------------------------------------------------------


def trash_first(states, k):
    U = vq.best_unitary(states, k)
    size = len(U)
    return U[torch.arange(size).reshape(2**k, -1).T.flatten()]


def eigenvectors(states):
    """Eigenvectors of ρ in columns, eigenvalues rising."""
    return torch.linalg.eigh(rho(states)).eigenvectors


def placed(rows, k):
    """The first 2**k rows where the trash is 0."""
    clean = torch.arange(len(rows)) % (len(rows) // 2**k) == 0
    U = torch.empty_like(rows)
    U[clean], U[~clean] = rows[: 2**k], rows[2**k :]
    return U


def trash_ones(states, k):
    """The best rows where the trash is 1…1."""
    U = vq.best_unitary(states, k)
    return U.reshape(2**k, -1, len(U)).flip(1).reshape(len(U), len(U))


def unsorted(states, k):
    vectors = np.linalg.eig(rho(states).numpy()).eigenvectors
    return placed(torch.as_tensor(np.linalg.qr(vectors).Q).mH, k)


def smallest(states, k):
    """The smallest eigenvalues where the trash is 0, the largest next to them."""
    up = eigenvectors(states).mH
    return placed(torch.cat([up[: 2**k], up[2**k :].flip(0)]), k)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (trash_first, "other-end"),
        (lambda s, k: eigenvectors(s).mH.flip(0), "other-end"),
        (lambda s, k: eigenvectors(s).mH, "smallest"),
        (lambda s, k: placed(eigenvectors(s).mH, k), "smallest"),
        (smallest, "smallest"),
        (lambda s, k: smallest(s, k).conj(), "smallest"),
        (trash_ones, "ones"),
        (unsorted, "unsorted"),
        (lambda s, k: placed(as_they_come(rho(s))[1].mH, k), "unsorted"),
        (lambda s, k: placed(torch.linalg.eigh(bare(s))[1].mH.flip(0), k), "rho-no-conjugate"),
        (lambda s, k: placed(torch.linalg.eigh(bare(s))[1].T.flip(0), k), "rho-no-conjugate"),
        (lambda s, k: placed(torch.linalg.svd(s).Vh, k), "no-conjugate"),
        (vq.best_unitary, "library"),
        (lambda s, k: vq.best_unitary(s, k).conj(), "no-conjugate"),
        (lambda s, k: vq.best_unitary(s, k).mH, "columns"),
        (lambda s, k: vq.best_unitary(s, k).T, "columns"),
        (lambda s, k: vq.best_unitary(s, k).flip(0), "ones"),
        (lambda s, k: vq.density_matrix(s), "not-unitary"),
        (lambda s, k: vq.best_unitary(s, k)[: 2**k].abs(), "shape"),
        (lambda s, k: torch.eye(s.shape[1]), "value"),
        (lambda s, k: vq.best_unitary(s, k) * float("nan"), "not-finite"),
        (lambda s, k: "U", "type"),
    ],
)
def test_wrong_compressors_are_recognised(answer, kind):
    verdict = check.ex_06_3(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


@pytest.mark.parametrize(
    ("turned", "hint"),
    [
        (lambda V: V.T, "conjugate it"),
        (lambda V: V, "This is the inverse"),
        (lambda V: V.conj(), "eigenvectors are columns"),
    ],
    ids=["conjugate", "inverse", "columns"],
)
def test_two_mistakes_of_a_compressor_are_named_together(turned, hint):
    up = check.ex_06_3(lambda s, k: turned(eigenvectors(s)))
    assert "ascending order" in up.message
    assert hint in up.message
    down = check.ex_06_3(lambda s, k: turned(eigenvectors(s).flip(1)))
    assert "The trash is clean" in down.message
    assert hint in down.message


def test_right_unitaries_pass():
    assert check.ex_06_3(lambda s, k: placed(eigenvectors(s).mH.flip(0), k)).passed
    assert check.ex_06_3(lambda s, k: placed(torch.linalg.svd(s).Vh.conj(), k)).passed
    assert check.ex_06_3(lambda s, k: vq.best_unitary(s, k).to(torch.complex64)).passed
    assert check.ex_06_3(lambda s, k: vq.best_unitary(s, k).numpy()).passed


# Exercise 4 ---------------------------------------------------------------------------------------


def random(B):
    states = torch.randn(B, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return vq.amplitude_states(states)


def hadamard(count=16):
    """The first of sixteen orthogonal states, all of whose amplitudes are ±1/4."""
    H = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64) / math.sqrt(2)
    pair = torch.kron(H, H)
    return torch.kron(pair, pair)[:count]


def one_long(B=16):
    states = hadamard(B).clone()
    states[5] *= 2
    return states


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (lambda: hadamard(12), "few", "number of states is 12"),
        (lambda: hadamard(1), "few", "number of states is 1, so"),
        (lambda: hadamard(15).repeat(2, 1), "rank", "number of states is 30, .* is only 15"),
        (lambda: hadamard(1).repeat(17, 1), "rank", "number of states is 17, .* is only 1,"),
        (lambda: random(16), "uneven", "not evenly"),
        (lambda: hadamard().repeat(2, 1), "many", "32 states"),
        (lambda: torch.eye(16), "small-amplitude", "amplitude 1 of state 0, .* absolute value 0,"),
        (lambda: torch.linalg.qr(random(16)).Q, "small-amplitude", "at least 0.01"),
        (one_long, "length", "state number 5, .* squared length 4"),
        (lambda: torch.eye(8), "shape", r"got a tensor of shape \(8, 8\)"),
        (lambda: "states", "shape", "got str 'states'"),
        (lambda: hadamard() * float("nan"), "not-finite", "NaN"),
    ],
)
def test_wrong_families_are_recognised(answer, kind, said):
    verdict = check.ex_06_4(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict
    assert re.search(said, verdict.message), verdict


@pytest.mark.parametrize(
    "answer",
    [
        hadamard,
        lambda: list(hadamard().float()),
        lambda: 1.0003 * hadamard().numpy(),
        lambda: torch.fft.fft(torch.eye(16), norm="ortho"),
        lambda: np.fft.fft(np.eye(16), norm="ortho")[::-1],
    ],
    ids=["Hadamard", "rows", "NumPy", "Fourier", "backwards"],
)
def test_bases_without_small_amplitudes_pass(answer):
    verdict = check.ex_06_4(answer)
    assert verdict.passed, verdict
