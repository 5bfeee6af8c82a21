"""Planted wrong answers of chapter 5: each gets the message that was meant for it."""

import math

import pytest
import torch

from vqvae_lib.course.exercises import check

PI = math.pi


# Exercise 1 ---------------------------------------------------------------------------------------


def shift(f, theta, *, by=PI / 2, factor=0.5, other=-1.0):
    found = []
    for i in range(len(theta)):
        step = torch.zeros_like(theta)
        step[i] = by
        found.append(factor * (f(theta + step) - f(theta + other * step)))
    return torch.stack(found)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda f, t: shift(f, t, factor=1), "no-half"),
        (lambda f, t: -shift(f, t), "sign"),
        (lambda f, t: shift(f, t, by=PI / 4), "eighth"),
        (lambda f, t: shift(f, t, by=PI), "half-turn"),
        (lambda f, t: shift(f, t, other=0.0), "one-sided"),
        (lambda f, t: shift(f, t, other=0.0, factor=1), "one-sided"),
        (lambda f, t: shift(f, t, factor=1 / PI), "divided"),
        (lambda f, t: shift(f, t, by=1e-5, factor=0.5e5), "finite-difference"),
        (  # five points
            lambda f, t: (
                8 / 6 * shift(f, t, by=0.15, factor=0.5 / 0.15)
                - 2 / 6 * shift(f, t, by=0.3, factor=0.25 / 0.15)
            ),
            "finite-difference",
        ),
        (
            lambda f, t: torch.full_like(t, 0.5 * float(f(t + PI / 2) - f(t - PI / 2))),
            "together",
        ),
        (lambda f, t: shift(f, t)[:3], "shape"),
        (lambda f, t: 0 * t + 7, "value"),
        (lambda f, t: torch.stack([f(t[:2])]), "raises"),
        (lambda f, t: torch.autograd.grad(f(t.requires_grad_()), t)[0], "raises"),
    ],
)
def test_wrong_shift_rules_are_recognised(answer, kind):
    verdict = check.ex_05_1(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_right_shift_rules_pass():
    assert "36 runs" in check.ex_05_1(shift).message
    # The general rule, with another shift.
    s = PI / 3
    assert check.ex_05_1(lambda f, t: shift(f, t, by=s, factor=0.5 / math.sin(s))).passed


# Exercise 2 ---------------------------------------------------------------------------------------


def fourier(f, L, M=None):
    M = M or 2 * L + 1
    return torch.fft.fft(f(2 * PI * torch.arange(M, dtype=torch.float64) / M))[: L + 1] / M


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda f, L: fourier(f, L) * (2 * L + 1), "unnormalised"),
        (lambda f, L: fourier(f, L).conj(), "conjugate"),
        (lambda f, L: torch.cat([fourier(f, L)[:1], 2 * fourier(f, L)[1:]]), "doubled"),
        (lambda f, L: fourier(f, L).flip(0), "reversed"),
        (lambda f, L: fourier(f, L, L + 1), "too-few"),
        (lambda f, L: fourier(f, L).real, "real"),
        (lambda f, L: torch.fft.fft(f(torch.linspace(0, 1, 2 * L + 1))), "both-sides"),
        (lambda f, L: fourier(f, L)[:1], "shape"),
        (lambda f, L: torch.zeros(L + 1, dtype=torch.complex128), "unused"),
        (lambda f, L: fourier(f, L) + 0.1, "value"),
    ],
)
def test_wrong_coefficients_are_recognised(answer, kind):
    verdict = check.ex_05_2(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_right_coefficients_pass():
    assert "13 evaluations" in check.ex_05_2(fourier).message
    assert "64 evaluations" in check.ex_05_2(lambda f, L: fourier(f, L, 64)).message


# Exercise 3 ---------------------------------------------------------------------------------------


def drawn(slopes, shape, generator, *, n=200, scale=2 * PI):
    return torch.stack(
        [
            slopes(scale * torch.rand(shape, generator=generator, dtype=torch.float64)).flatten()
            for _ in range(n)
        ]
    )


def active(found):
    return found.var(0)[found.var(0) > 1e-12]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *a: drawn(*a).var(0).mean(), "all-weights"),
        (lambda *a: active(drawn(*a)).sqrt().mean(), "std"),
        (lambda *a: active(drawn(*a)).mean().sqrt(), "std"),
        (lambda *a: drawn(*a).var(1).mean(), "over-weights"),
        (lambda *a: drawn(*a).mean(), "mean"),
        (lambda *a: active(drawn(*a)).sum(), "sum"),
        (lambda *a: active(drawn(*a)).max(), "largest"),
        (lambda *a: active(drawn(*a, n=50)).mean(), "draws"),
        (lambda *a: active(drawn(*a, scale=1.0)).mean(), "range"),
        (lambda *a: active(drawn(*a, scale=PI)).mean(), "range"),
        (lambda s, shape, g: active(drawn(s, shape, None)).mean(), "generator-unused"),
        (
            lambda s, shape, g: torch.stack([s(torch.ones(shape)) for _ in range(200)]).mean(),
            "one-draw",
        ),
        (lambda *a: active(drawn(*a)).mean() + 1, "value"),
        (lambda *a: active(drawn(*a)), "type"),
        (lambda s, shape, g: s(torch.ones(3)), "raises"),
    ],
)
def test_wrong_plateaus_are_recognised(answer, kind):
    verdict = check.ex_05_3(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_right_plateau_passes():
    assert check.ex_05_3(lambda *a: active(drawn(*a)).mean()).passed
    assert check.ex_05_3(lambda *a: active(drawn(*a)).mean() * 199 / 200).passed


# Exercise 4 ---------------------------------------------------------------------------------------


def cone(gates, qubit):
    reached = {qubit}
    for pair in reversed(gates):
        if reached & set(pair):
            reached |= set(pair)
    return reached


def connected(gates, qubit):
    reached = {qubit}
    for _ in gates:
        reached |= cone(gates, qubit).union(*(p for p in gates if reached & set(p)))
    return reached


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda g, q: cone(g[::-1], q), "forward"),
        (lambda g, q: {q}.union(*(p for p in g if q in p)), "neighbours"),
        (connected, "connected"),
        (lambda g, q: cone(g, q) - {q}, "no-self"),
        (lambda g, q: set(range(8)), "value"),
        (lambda g, q: len(cone(g, q)), "type"),
        (lambda g, q: {"a"}, "type"),
    ],
)
def test_wrong_cones_are_recognised(answer, kind):
    verdict = check.ex_05_4(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_right_cones_pass_as_sets_and_lists():
    assert check.ex_05_4(cone).passed
    assert check.ex_05_4(lambda g, q: sorted(cone(g, q))).passed
