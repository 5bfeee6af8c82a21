"""Derivations: right chains pass by every route, and a wrong step is named with both values."""

import re

import numpy as np
import pytest
import sympy as sp
import torch

from vqvae_lib.course.derivation import (
    DerivationError,
    Estimate,
    at_least,
    at_most,
    derive,
    equals,
    start,
    verify,
)

a, b = sp.symbols("a b", real=True)
p = sp.Symbol("p", positive=True)
k = sp.Symbol("k", integer=True, positive=True)


def two_steps(left, right, **options):
    return derive("eq-test", start("l", left), equals("r", right, because="test", **options))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((a + b) ** 2, a**2 + 2 * a * b + b**2),
        (sp.sin(a) ** 2, 1 - sp.cos(a) ** 2),
        (sp.tanh(p), (sp.exp(2 * p) - 1) / (sp.exp(2 * p) + 1)),
        (sp.log(p**2), 2 * sp.log(p)),
        (sp.Matrix([[a, b]]) * sp.Matrix([a, b]), sp.Matrix([a**2 + b**2])),
        (sp.Integer(4), sp.sqrt(16)),
    ],
)
def test_symbolic_identities_are_found(left, right):
    assert two_steps(left, right).routes == ("symbolically",)


def test_undecided_identity_is_checked_at_random_points():
    # The integral stays unevaluated for SymPy, and evaluates to the error function's complement.
    t = sp.Symbol("t", real=True)
    left = sp.Integral(sp.exp(-(t**2)) / (1 + t**2), (t, 0, sp.oo))
    (route,) = two_steps(left, sp.pi * sp.E / 2 * sp.erfc(1)).routes
    assert route in ("symbolically", "at 50 random points")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((a + b) ** 2, a**2 - 2 * a * b + b**2),  # a flipped sign
        (sp.sin(a) ** 2, 1 + sp.cos(a) ** 2),
        (p / 2, p),  # a dropped factor
        (sp.Matrix([a, b]), sp.Matrix([b, a])),
        (k, k + sp.Rational(1, 10**6)),
    ],
)
def test_wrong_symbolic_step_is_named_with_both_values(left, right):
    with pytest.raises(DerivationError) as raised:
        derive(
            "eq-test",
            start("first", left),
            equals("second", left, because="nothing changed"),
            equals("third", right, because="a slip"),
        )
    said = str(raised.value)
    for part in ("eq-test, step 2", "second", "third", "a slip", str(left), str(right)):
        assert part in said


@pytest.mark.parametrize("value", [2.0, np.arange(6.0).reshape(2, 3), torch.ones(4)])
def test_numbers_arrays_and_tensors_are_compared(value):
    assert two_steps(value, value * 1).routes == ("numerically to 1e-09",)
    with pytest.raises(DerivationError, match="differ by"):
        two_steps(value, value + 1e-6)


def test_tolerance_is_relative_to_the_largest_entry():
    two_steps(np.array([1e6, 0.0]), np.array([1e6, 1e-4]))
    with pytest.raises(DerivationError):
        two_steps(np.array([1.0, 0.0]), np.array([1.0, 1e-4]))
    two_steps(np.array([1.0, 0.0]), np.array([1.0, 1e-4]), rtol=1e-3)


def test_zero_is_not_close_to_everything():
    with pytest.raises(DerivationError):
        two_steps(0.0, 1e-30)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_never_agree(bad):
    with pytest.raises(DerivationError, match="not finite"):
        two_steps(bad, bad)


def test_shapes_must_agree():
    with pytest.raises(DerivationError, match=r"\(2,\).*\(3,\)"):
        two_steps(np.zeros(2), np.zeros(3))


@pytest.mark.parametrize(("step", "right"), [(at_most, 2.0), (at_least, 0.5), (at_most, 1.0)])
def test_inequalities_that_hold(step, right):
    derive("eq-test", start("l", 1.0), step("r", right, because="test"))


@pytest.mark.parametrize(("step", "right"), [(at_most, 0.5), (at_least, 2.0)])
def test_inequalities_that_fail(step, right):
    with pytest.raises(DerivationError):
        derive("eq-test", start("l", 1.0), step("r", right, because="test"))


def test_inequality_of_arrays_must_hold_in_every_entry():
    with pytest.raises(DerivationError):
        derive(
            "eq-test",
            start("l", np.array([1.0, 3.0])),
            at_most("r", np.array([2.0, 2.0]), because="one entry breaks it"),
        )


def test_symbolic_inequality_is_tried_at_random_points():
    derive("eq-test", start("l", 2 * a * b), at_most("r", a**2 + b**2, because="square"))
    with pytest.raises(DerivationError, match="at a ="):
        derive("eq-test", start("l", a**2 + b**2), at_most("r", 2 * a * b, because="wrong way"))


def test_monte_carlo_within_its_stated_confidence():
    rng = np.random.default_rng(0)
    estimate = Estimate.of(torch.from_numpy(rng.normal(3.0, 2.0, size=10_000)))
    assert estimate.standard_error == pytest.approx(0.02, rel=0.05)
    assert two_steps(3.0, estimate).routes == ("by Monte Carlo within 4 standard errors",)
    with pytest.raises(DerivationError, match="±"):
        two_steps(3.2, estimate)


def test_standard_errors_add_in_squares():
    one = Estimate(0.0, 0.1)
    two_steps(one, Estimate(0.56, 0.1))  # allowed: 4 · 0.1414
    with pytest.raises(DerivationError):
        two_steps(one, Estimate(0.58, 0.1))


@pytest.mark.parametrize("label", ["square", "eq_square", "eq:square", "def-square", "eq-Square"])
def test_label_must_be_that_of_a_claim(label):
    with pytest.raises(ValueError, match="label="):
        derive(label, start("l", 1), equals("r", 1, because="test"))


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (start("l", 1),),
        (equals("l", 1, because="no start"), equals("r", 1, because="test")),
        (start("l", 1), start("r", 1)),
    ],
)
def test_chain_needs_a_start_and_a_step(steps):
    with pytest.raises(ValueError, match="expected start"):
        derive("eq-test", *steps)


def test_shows_every_step_with_its_reason_and_escapes_tex():
    shown = derive(
        "eq-test",
        start(r"a < b", 1.0),
        equals(r"x & y", 1.0, because="since $a < 1$ & more"),
    )._repr_html_()
    assert r"\(\displaystyle a &lt; b\)" in shown
    assert r"\(\displaystyle = x &amp; y\)" in shown
    assert r"since \(a &lt; 1\) &amp; more" in shown
    assert 'data-vq-proves="eq-test"' in shown
    assert len(re.findall(r'class="vq-step"', shown)) == 1


def test_verify_holds_and_fails():
    shown = verify("eq-test", 1.0, 1.0 + 1e-12, route="by hand")
    assert repr(shown) == "eq-test holds: by hand (numerically to 1e-09)"
    assert 'data-vq-proves="eq-test"' in shown._repr_html_()
    with pytest.raises(DerivationError, match="independently: by hand"):
        verify("eq-test", 1.0, 1.1, route="by hand")
    verify("eq-test", 1.0, 1.1, route="by hand", relation=r"\le")


f = sp.Function("f")


def test_applied_functions_are_symbolic():
    assert two_steps(f(a) + f(a), 2 * f(a)).routes == ("symbolically",)


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        (a + 1, 2.0, "free symbols"),
        (sp.Matrix([a, b]), sp.Matrix([[a, b]]), "shapes"),
        (sp.Matrix([a, b]), a, "shapes"),
        (np.zeros(0), np.zeros(0), "empty"),
        (sp.sqrt(-1 - a**2), sp.sqrt(-2 - a**2), "not real"),
        (1.0, np.array(1 + 2j), "not real"),  # NumPy would drop the imaginary part
        (1.0, torch.tensor(1 + 2j), "not real"),
        (1.0, torch.eye(2).to_sparse(), "not real"),
        (1.0, "one", "not real"),
        (1.0, 10**400, "not real"),
        (Estimate(1.0, 0.1), np.ones(3), "shapes"),
    ],
)
def test_what_cannot_be_compared_is_a_wrong_step_too(left, right, said):
    with pytest.raises(DerivationError, match=said):
        two_steps(left, right)


def test_random_points_honour_the_sign_of_a_symbol():
    n = sp.Symbol("n", negative=True)
    derive("eq-test", start("n", n), at_most("0", sp.Integer(0), because="it is negative"))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: start(None, 1.0), "tex is .*None.*: expected a formula"),
        (lambda: equals("a", 1.0, because=3), "because is an? int.*: expected the reason"),
        (lambda: equals("a", 1.0, because="b", rtol=np.inf), "rtol=inf: expected a finite number"),
        (lambda: equals("a", 1.0, because="b", rtol=1.5), "rtol=1.5: expected .* below 1"),
        (lambda: derive(7, start("a", 1), equals("a", 1, because="")), "label is an? int"),
        (lambda: derive("eq-a", start("a", 1), 1), r"steps\[1\] is an? int"),
        (lambda: verify("eq-a", 1.0, 1.0, route=None), "route is .*None"),
        (
            lambda: verify("eq-a", 1.0, 2.0, route="sum", relation="<"),
            "relation='<': expected one of",
        ),
    ],
)
def test_bad_arguments_are_named(call, said):
    with pytest.raises((TypeError, ValueError), match=said):
        call()
