"""Planted wrong answers of chapter 6: each gets the message that was meant for it."""

import numpy as np
import pytest
import torch

import vqvae_lib as vq
from vqvae_lib.course.exercises import check

# Exercise 1 ---------------------------------------------------------------------------------------


def swap(a, b, shots, generator, *, conj=True):
    overlap = (a.conj() if conj else a) @ b
    p = 0.5 * (1 + overlap.abs().square())
    return 2 * torch.bernoulli(p.expand(shots), generator=generator).mean() - 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *a: 0.5 * (1 + swap(*a)), "probability"),
        (lambda *a: swap(*a).abs().sqrt(), "not-squared"),
        (lambda *a: -swap(*a), "of-ones"),
        (lambda *a: 1 - swap(*a), "complement"),
        (lambda *a: swap(*a) / 2, "half"),
        (lambda *a: swap(*a, conj=False), "no-conjugate"),
        (lambda *a: swap(*a).clamp(min=0), "clipped"),
        (lambda a, b, shots, g: (a.conj() @ b).abs().square(), "exact"),
        (lambda a, b, shots, g: swap(a, b, shots, None), "generator-unused"),
        (lambda a, b, shots, g: swap(a, b, 20, g), "spread"),
        (lambda *a: swap(*a) + 0.1, "value"),
        (lambda a, b, shots, g: a, "type"),
    ],
)
def test_wrong_fidelities_are_recognised(answer, kind):
    verdict = check.ex_06_1(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_right_fidelity_passes():
    assert check.ex_06_1(swap).passed


# Exercise 2 ---------------------------------------------------------------------------------------


def eigenvalues(states):
    return torch.linalg.eigvalsh(states.T @ states.conj() / len(states)).flip(0)


def centred(states, k):
    states = states - states.mean(0)
    return eigenvalues(states)[: 2**k].sum()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda s, k: eigenvalues(s)[:k].sum(), "k-values"),
        (lambda s, k: eigenvalues(s).flip(0)[: 2**k].sum(), "smallest"),
        (lambda s, k: len(s) * eigenvalues(s)[: 2**k].sum(), "sum"),
        (centred, "centred"),
        (lambda s, k: torch.linalg.svdvals(s)[: 2**k].sum(), "singular"),
        (lambda s, k: eigenvalues(s.real)[: 2**k].sum(), "real"),
        (lambda s, k: 1 - eigenvalues(s)[: 2**k].sum(), "lost"),
        (lambda s, k: eigenvalues(s)[: len(s[0]) // 2**k].sum(), "trash"),
        (lambda s, k: 0.5, "value"),
        (lambda s, k: eigenvalues(s), "type"),
    ],
)
def test_wrong_bounds_are_recognised(answer, kind):
    verdict = check.ex_06_2(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_the_librarys_bound_passes():
    assert check.ex_06_2(vq.compression_bound).passed


# Exercise 3 ---------------------------------------------------------------------------------------


def trash_first(states, k):
    U = vq.best_unitary(states, k)
    size = len(U)
    return U[torch.arange(size).reshape(2**k, -1).T.flatten()]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (trash_first, "other-end"),
        (lambda s, k: vq.best_unitary(s, k).conj(), "no-conjugate"),
        (lambda s, k: vq.best_unitary(s, k).mH, "columns"),
        (lambda s, k: vq.best_unitary(s, k).T, "columns"),
        (lambda s, k: vq.best_unitary(s, k).flip(0), "smallest"),
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


def test_the_librarys_unitary_passes():
    assert check.ex_06_3(vq.best_unitary).passed
    assert check.ex_06_3(lambda s, k: vq.best_unitary(s, k).numpy()).passed


# Exercise 4 ---------------------------------------------------------------------------------------


def random(B):
    states = torch.randn(B, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return vq.amplitude_states(states)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda: torch.eye(16)[:12], "few"),
        (lambda: torch.eye(16)[:15].repeat(2, 1), "rank"),
        (lambda: random(16), "uneven"),
        (lambda: torch.eye(16).repeat(2, 1), "many"),
        (lambda: 2 * torch.eye(16), "length"),
        (lambda: torch.eye(8), "shape"),
        (lambda: "states", "shape"),
    ],
)
def test_wrong_families_are_recognised(answer, kind):
    verdict = check.ex_06_4(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_any_orthonormal_basis_passes():
    assert check.ex_06_4(lambda: torch.eye(16)).passed
    assert check.ex_06_4(lambda: 1.0003 * np.eye(16, dtype=complex)).passed
    assert check.ex_06_4(lambda: torch.linalg.qr(random(16)).Q).passed
