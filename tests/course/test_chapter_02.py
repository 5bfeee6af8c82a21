"""Planted wrong answers of chapter 2: each gets the message that was meant for it."""

import math

import pytest
import torch

import vqvae_lib as vq
from vqvae_lib.course.exercises import check

LOG_2PI = math.log(2 * math.pi)


def normal(z, mu, log_var):
    return -0.5 * ((z - mu) ** 2 / math.exp(log_var) + log_var + LOG_2PI)


# Exercise 1 ---------------------------------------------------------------------------------------


def gap(
    log_joint,
    z,
    mu,
    log_var,
    *,
    entropy=True,
    step=(True, True),
    scale=1.0,
    sign=1,
    reverse=False,
    dz=None,
):
    dz = z[1] - z[0] if dz is None else torch.tensor(dz)
    log_px = log_joint.logsumexp(0) + (dz.log() if step[0] else 0)
    log_q = normal(z, mu, scale * log_var)
    if reverse:
        posterior = log_joint - log_px
        return (posterior.exp() * (posterior - log_q)).sum() * dz
    terms = log_q.exp() * (log_joint - (log_q if entropy else 0))
    elbo = terms.sum() * (dz if step[1] else 1)
    return sign * (log_px - elbo)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *a: gap(*a, entropy=False), "no-entropy"),
        (lambda *a: gap(*a, sign=-1), "sign"),
        (lambda *a: gap(*a, step=(False, False)), "no-step"),
        (lambda *a: gap(*a, step=(False, True)), "no-step-in-evidence"),
        (lambda *a: gap(*a, step=(True, False)), "no-step-in-elbo"),
        (lambda *a: gap(*a, scale=2.0), "std-is-variance"),
        (lambda *a: gap(*a, scale=0.0), "unit-variance"),
        (lambda *a: gap(*a, reverse=True), "reverse"),
        (lambda j, z, m, v: j.logsumexp(0) + (z[1] - z[0]).log() - gap(j, z, m, v), "elbo"),
        (lambda *a: gap(*a, dz=0.002), "notebook-step"),
        (lambda z, j, m, v: gap(j, z, m, v), "exchanged"),
        (lambda j, z, m, v: gap(j, z, m, math.log(abs(v))), "log-var-is-variance"),
        (lambda j, z, m, v: gap(j, z, m, 2 * math.log(abs(v))), "log-var-is-std"),
        (lambda j, z, m, v: j, "type"),
        (lambda j, z, m, v: "0.3", "type"),
        (lambda j, z, m, v: 0.123, "value"),
        (lambda j, z, m, v: float("nan"), "not-finite"),
    ],
)
def test_wrong_gaps_are_recognised(answer, kind):
    verdict = check.ex_02_1(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_an_unrecognised_gap_is_told_the_case_and_both_numbers():
    said = check.ex_02_1(lambda *a: 0.123).message
    assert said.startswith("For mu = -0.5, log_var = 0.3: expected ")
    assert said.endswith("got 0.1230.")


def test_right_gaps_pass(recwarn):
    assert check.ex_02_1(gap).passed
    assert check.ex_02_1(lambda *a: float(gap(*a))).passed
    assert check.ex_02_1(lambda *a: gap(*a).requires_grad_()).passed
    assert check.ex_02_1(lambda *a: gap(*a).numpy()).passed
    assert not recwarn.list
    assert check.ex_02_1(lambda *a: None).status == "unattempted"


# Exercise 2 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v).mean(1), "mean"),
        (lambda m, v: (m**2 + v.exp() - 1 - v).sum(1), "no-half"),
        (lambda m, v: -0.5 * (m**2 + v.exp() - 1 - v).sum(1), "sign"),
        (lambda m, v: 0.5 * (m**2 + (v / 2).exp() - 1 - v / 2).sum(1), "std"),
        (lambda m, v: 0.5 * (m**2 + (2 * v).exp() - 1 - 2 * v).sum(1), "log-var-is-log-std"),
        (lambda m, v: 0.5 * (m + v.exp() - 1 - v).sum(1), "abs-mu"),
        (lambda m, v: 0.5 * (m**2 + v.exp() - v).sum(1), "no-one"),
        (lambda m, v: 0.5 * (v + (1 + m**2) / v.exp() - 1).sum(1), "reverse"),
        (lambda m, v: 0.5 * (m**2 + v.exp() - 1 + v).sum(1), "plus-log"),
        (lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v), "per-dimension"),
        (lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v).sum(), "averaged-over-batch"),
        (lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v).sum(0), "wrong-axis"),
        (lambda m, v: 0.5 * ((m**2 + v.exp() - v).sum(1) - 1), "one-once"),
        (lambda v, m: vq.gaussian_kl(m, v), "exchanged"),
        (lambda m, v: 0.5 * (m**2 + v - 1 - v.log()).sum(1), "log-var-is-variance"),
        (lambda m, v: 0.5 * (m**2 + v**2 - 1 - (v**2).log()).sum(1), "log-var-is-std"),
        (lambda m, v: torch.zeros(len(m)), "value"),
        (lambda m, v: "kl", "type"),
    ],
)
def test_wrong_kls_are_recognised(answer, kind):
    verdict = check.ex_02_2(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_the_librarys_kl_passes():
    assert check.ex_02_2(vq.gaussian_kl).passed


# Exercise 3 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda w: w.mean(0), "elbo"),
        (lambda w: w.logsumexp(0), "sum"),
        (lambda w: w.logsumexp(0) / len(w), "divided-outside"),
        (lambda w: w.exp().mean(0), "no-logarithm"),
        (lambda w: -vq.importance_bound(w), "sign"),
        (lambda w: w.amax(0), "max"),
        (lambda w: (w - w.amax(0)).exp().mean(0).log(), "max-left-out"),
        (lambda w: w.logsumexp(0) + math.log(len(w)), "plus-log-k"),
        (lambda w: w.logsumexp(0) - math.log(w.shape[1]), "another-k"),
        (lambda w: w.logsumexp(0) - math.log(1000), "another-k"),
        (lambda w: w.logsumexp(1) - math.log(w.shape[1]), "wrong-axis"),
        (lambda w: vq.importance_bound(w).mean(), "averaged-over-batch"),
        (lambda w: w.exp().mean(0).log(), "leaves-the-logarithm"),
        (lambda w: w.double().exp().mean(0).log(), "leaves-the-logarithm"),
        (lambda w: w[0] * 0 + 3, "value"),
    ],
)
def test_wrong_bounds_are_recognised(answer, kind):
    verdict = check.ex_02_3(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_the_librarys_bound_passes():
    assert check.ex_02_3(vq.importance_bound).passed


# Exercise 4 ---------------------------------------------------------------------------------------


def mixture(z, place=2.01, std=0.2):
    parts = [normal(z, sign * place, 2 * math.log(std)) for sign in (-1, 1)]
    return torch.stack(parts).logsumexp(0) - math.log(2)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda z: normal(z, 2.01, 2 * math.log(0.2)), "one-hump"),
        (lambda z: normal(z, 0.0, 1.0), "too-wide"),
        (lambda z: mixture(z) + math.log(2), "too-much-mass"),
        (lambda z: mixture(z) - 1.0, "too-little-mass"),
        (lambda z: 0.5 * (normal(z, -2.0, -3.2) + normal(z, 2.0, -3.2)), "too-little-mass"),
        (lambda z: mixture(z).log_softmax(0), "no-step"),
        (lambda z: mixture(z).exp(), "density"),
        (lambda z: mixture(z).log_softmax(0) - math.log(0.001), "grid"),
        (lambda z: mixture(z, 2.09, 0.35), "not-close"),
        (lambda z: mixture(z)[:5], "shape"),
        (lambda z: z * float("nan"), "not-finite"),
        (lambda z: 3.0, "shape"),
    ],
)
def test_wrong_guesses_are_recognised(answer, kind):
    verdict = check.ex_02_4(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_two_humps_pass():
    verdict = check.ex_02_4(mixture)
    assert verdict.passed
    assert "A gap of 0.0" in verdict.message


@pytest.mark.parametrize("as_other", [lambda value: value.numpy(), lambda value: value.tolist()])
def test_arrays_and_lists_pass(as_other):
    assert check.ex_02_4(lambda z: as_other(mixture(z))).passed


def test_a_density_with_jumps_is_a_density():
    """Two uniform pieces: off by more than one per cent on a coarse grid, and still a density."""

    def pieces(z):
        inside = (z.abs() > 1.6) & (z.abs() < 2.4)
        return torch.where(inside, -math.log(1.6), -math.inf)

    assert check.ex_02_4(pieces).kind == "not-close"


def test_the_exact_posterior_passes_and_minus_infinity_is_no_mass():
    def box(z):
        inside = ((z.abs() > 1.7) & (z.abs() < 2.4)).double() * mixture(z).exp()
        return (inside / (inside.sum() * (z[1] - z[0]))).log()

    assert check.ex_02_4(box).passed
