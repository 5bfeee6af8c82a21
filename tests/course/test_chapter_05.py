"""Planted wrong answers of chapter 5: each gets the message that was meant for it."""

import math

import numpy as np
import pytest
import torch

from vqvae_lib.course.exercises import check
from vqvae_lib.course.exercises.chapter_05.exercise_3 import _judge_draws

PI = math.pi


# Exercise 1 ---------------------------------------------------------------------------------------


def per_gate(f, angles, *, by=PI / 2, factor=0.5, other=-1.0):
    """Slopes in the angle of each gate."""
    found = []
    for k in range(len(angles)):
        step = torch.zeros_like(angles)
        step[k] = by
        found.append(factor * (f(angles + step) - f(angles + other * step)))
    return torch.stack(found)


def shift(f, theta, which, **options):
    return torch.zeros_like(theta).index_add(0, which, per_gate(f, theta[which], **options))


def assigned(f, theta, which, *, order=1):
    """The slope of the last gate of each weight, or of the first."""
    found = torch.zeros_like(theta)
    each = per_gate(f, theta[which])
    for k in range(len(which))[::order]:
        found[which[k]] = each[k]
    return found


def of_weights(f, which):
    return lambda theta: f(theta[which])


def neighbours(f, t, w, *, step=1e-5, turn=0.0):
    steps = step * torch.eye(len(w), dtype=t.dtype)
    each = torch.stack([(f(t[w] + turn + e) - f(t[w] + turn - e)) / (2 * step) for e in steps])
    return torch.zeros_like(t).index_add(0, w, each)


def zeros_after_a_call(f, t, w):
    f(t[w] + 1)
    return torch.zeros_like(t)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *a: shift(*a, factor=1), "no-half"),
        (lambda *a: -shift(*a), "sign"),
        (lambda *a: shift(*a, by=PI / 4), "eighth"),
        (lambda *a: shift(*a, by=PI), "half-turn"),
        (lambda *a: shift(*a, by=3 * PI), "half-turn"),
        (lambda *a: shift(*a, other=0.0), "one-sided"),
        (lambda *a: shift(*a, other=0.0, factor=1), "one-sided"),
        (lambda *a: shift(*a, factor=1 / PI), "divided"),
        (lambda *a: shift(*a, by=1e-5, factor=0.5e5), "finite-difference"),
        (neighbours, "finite-difference"),
        (lambda *a: neighbours(*a, turn=2 * PI), "finite-difference"),
        (lambda *a: neighbours(*a, turn=-4 * PI, step=1e-8), "finite-difference"),
        (  # five points
            lambda *a: (
                8 / 6 * shift(*a, by=0.15, factor=0.5 / 0.15)
                - 2 / 6 * shift(*a, by=0.3, factor=0.25 / 0.15)
            ),
            "finite-difference",
        ),
        (  # what the chapter's own function gives without a change
            lambda f, t, w: per_gate(of_weights(f, w), t),
            "together",
        ),
        (
            lambda f, t, w: torch.full_like(t, 0.5 * float(f(t[w] + PI / 2) - f(t[w] - PI / 2))),
            "together",
        ),
        (lambda f, t, w: per_gate(f, t[w]), "per-gate"),
        (assigned, "one-gate"),
        (lambda *a: assigned(*a, order=-1), "one-gate"),
        (lambda f, t, w: shift(f, t, w) / torch.bincount(w), "mean"),
        (lambda f, t, w: shift(f, t, w)[:3], "shape"),
        (lambda f, t, w: 0 * t + 7 * float(f(t[w])), "value"),
        (lambda f, t, w: 0 * t, "unused"),
        (zeros_after_a_call, "zeros"),
        (lambda f, t, w: torch.autograd.functional.jacobian(of_weights(f, w), t), "zeros"),
        (lambda f, t, w: torch.func.grad(of_weights(f, w))(t), "zeros"),
        (lambda f, t, w: torch.autograd.grad(f(t.requires_grad_()[w]), t)[0], "autograd"),
        (lambda f, t, w: f(t.requires_grad_()[w]).backward() or t.grad, "autograd"),
        (lambda f, t, w: torch.autograd.grad(f(t[w]), t.requires_grad_())[0], "autograd"),
        (lambda f, t, w: torch.vmap(f)(t[w] + PI / 2 * torch.eye(len(w))), "autograd"),
        (lambda f, t, w: torch.stack([f(t)]), "raises"),
        (lambda f, t, w: f.no_such_thing, "raises"),
    ],
)
def test_wrong_shift_rules_are_recognised(answer, kind):
    verdict = check.ex_05_1(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def as_a_series(f, theta, which):
    """The slope of each weight from the Fourier series in it, the given point among its points."""
    found = torch.zeros_like(theta)
    for j in range(len(theta)):
        L = int((which == j).sum())
        M = 2 * L + 1
        values = []
        for m in range(M):
            moved = theta.clone()
            moved[j] += 2 * PI * (m or M) / M  # once a whole turn
            values.append(float(f(moved[which])))
        c = torch.fft.fft(torch.tensor(values, dtype=theta.dtype))[: L + 1] / M
        found[j] = -2 * (torch.arange(L + 1) * c.imag).sum()
    return found


def test_right_shift_rules_pass():
    assert "36 runs of a circuit with 18 gates" in check.ex_05_1(shift).message
    # The general rule, with another shift.
    s = PI / 3
    assert check.ex_05_1(lambda *a: shift(*a, by=s, factor=0.5 / math.sin(s))).passed
    # A whole turn away is where one was, and so is theta itself.
    assert check.ex_05_1(lambda f, t, w: shift(f, t + 2 * PI, w)).passed
    verdict = check.ex_05_1(as_a_series)
    assert verdict.passed, verdict
    assert check.ex_05_1(lambda *a: shift(*a).numpy()).passed
    assert check.ex_05_1(lambda f, t, w: shift(f, t.requires_grad_(), w)).passed


# Exercise 2 ---------------------------------------------------------------------------------------


def fourier(f, L, M=None):
    M = M or 2 * L + 1
    return torch.fft.fft(f(2 * PI * torch.arange(M, dtype=torch.float64) / M))[: L + 1] / M


def on_grid(f, L, points):
    return torch.fft.fft(f(points.double()))[: L + 1] / len(points)


def least_squares(f, L, points):
    j = torch.arange(-L, L + 1)
    points = points.double()
    waves = torch.exp(1j * j * points[:, None])
    return torch.linalg.lstsq(waves, f(points).to(waves.dtype)).solution[L:]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda f, L: fourier(f, L) * (2 * L + 1), "unnormalised"),
        (lambda f, L: fourier(f, L).conj(), "conjugate"),
        (lambda f, L: torch.cat([fourier(f, L)[:1], 2 * fourier(f, L)[1:]]), "doubled"),
        (lambda f, L: fourier(f, L).flip(0), "reversed"),
        (lambda f, L: (f(torch.zeros(3)), fourier(f, L, 20) * 20)[1], "unnormalised"),
        (lambda f, L: fourier(f, L) * math.sqrt(2 * L + 1), "ortho"),
        (lambda f, L: on_grid(f, L, torch.linspace(0, 2 * PI, 2 * L + 1)), "end-point"),
        (lambda f, L: on_grid(f, L, torch.linspace(-PI, PI, 2 * L + 1)), "end-point"),
        (lambda f, L: least_squares(f, L, torch.linspace(0, 2 * PI, 20)).conj(), "conjugate"),
        (lambda f, L: on_grid(f, L, torch.arange(40) * 2 * PI / 40 - PI), "phase"),
        (lambda f, L: on_grid(f, L, torch.arange(40) / 40), "period"),
        (lambda f, L: fourier(f, L, L + 1), "too-few"),
        (lambda f, L: fourier(f, L).real, "real"),
        (lambda f, L: torch.fft.fft(f(torch.linspace(0, 1, 2 * L + 1))), "both-sides"),
        (lambda f, L: fourier(f, L)[:1], "shape"),
        (lambda f, L: torch.zeros(L + 1, dtype=torch.complex128), "unused"),
        (lambda f, L: fourier(f, L) + 0.1, "value"),
        (lambda f, L: 2 * fourier(f, L), "value"),
        (lambda f, L: (f(torch.zeros(20)), "abc")[1], "type"),
    ],
)
def test_wrong_coefficients_are_recognised(answer, kind):
    verdict = check.ex_05_2(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_right_coefficients_pass():
    assert "13 evaluations" in check.ex_05_2(fourier).message
    assert "64 evaluations" in check.ex_05_2(lambda f, L: fourier(f, L, 64)).message
    # A grid that would mislead `fft` is no fault where nobody was misled.
    points = torch.linspace(0, 2 * PI, 15)
    assert check.ex_05_2(lambda f, L: least_squares(f, L, points)).passed
    # NumPy's arrays, also those that run backwards.
    back = check.ex_05_2(lambda f, L: fourier(f, L).flip(0).numpy()[::-1])
    assert back.passed, back


def test_messages_show_coefficients_in_the_shape_of_the_answer():
    said = check.ex_05_2(lambda f, L: fourier(f, L)[:1]).message
    assert "expected shape (2,), got (1,)" in said
    said = check.ex_05_2(lambda f, L: fourier(f, L) + 0.1j).message
    assert said.count("j") == 2, said  # expected and got, both complex


# Exercise 3 ---------------------------------------------------------------------------------------


def drawn(slopes, shape, generator, *, n=200, scale=2 * PI):
    return told(
        slopes,
        [scale * torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(n)],
    )


def told(slopes, sets):
    """Slopes (draws, weights) at some sets of angles."""
    return torch.stack([slopes(angles).flatten() for angles in sets])


def active(found):
    return found.var(0)[found.var(0) > 1e-12]


def seen(found):
    return found[:, found.var(0) > 1e-12]


def plateau_of(sets):
    """The right number from `sets(shape, generator)`, whatever these are."""
    return lambda s, shape, g: active(told(s, sets(shape, g))).mean()


def uniform(shape, g):
    return 2 * PI * torch.rand(shape, generator=g, dtype=torch.float64)


def common(shape, g):
    return uniform((200,), g).reshape(-1, 1, 1, 1).expand(200, *shape)


def by_layer(shape, g):
    return uniform((200, shape[0], 1, 1), g).expand(200, *shape)


def by_gate(shape, g):
    return uniform((200, *shape[:2], 1), g).expand(200, *shape)


def lattice(shape, g):
    """One random angle in each set, the others equally spaced from it."""
    count = math.prod(shape)
    spaced = 2 * PI * torch.arange(count, dtype=torch.float64).reshape(shape) / count
    return (common(shape, g) + spaced).remainder(2 * PI)


def by_numpy(shape, g):
    return torch.tensor(np.random.default_rng(0).uniform(0, 2 * PI, (200, *shape)))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *a: drawn(*a).var(0).mean(), "all-weights"),
        (lambda *a: active(drawn(*a)).sqrt().mean(), "std"),
        (lambda *a: active(drawn(*a)).mean().sqrt(), "std"),
        (lambda *a: seen(drawn(*a)).std(0, correction=0).mean(), "std"),
        (lambda *a: drawn(*a).var(1).mean(), "over-weights"),
        (lambda *a: seen(drawn(*a)).var(1, correction=0).mean(), "over-weights"),
        (lambda *a: drawn(*a).var(), "pooled"),
        (lambda *a: seen(drawn(*a)).var(), "pooled"),
        (lambda *a: seen(drawn(*a)).square().mean(), "squares"),
        (lambda *a: drawn(*a).mean(), "mean"),
        (lambda *a: seen(drawn(*a)).mean(), "mean"),
        (lambda *a: active(drawn(*a)).sum(), "sum"),
        (lambda *a: active(drawn(*a)).max(), "largest"),
        (lambda *a: active(drawn(*a, n=50)).mean(), "draws"),
        (lambda *a: active(drawn(*a, scale=1.0)).mean(), "range"),
        (lambda *a: active(drawn(*a, scale=PI)).mean(), "range"),
        (lambda *a: active(drawn(*a, scale=6.0)).mean(), "range"),
        (lambda *a: active(drawn(*a, scale=2.02 * PI)).mean(), "range"),
        (lambda *a: active(drawn(*a, scale=4 * PI)).mean(), "range"),
        (lambda *a: active(drawn(*a, scale=360)).mean(), "range"),
        (
            plateau_of(lambda sh, g: torch.randint(0, 7, (200, *sh), generator=g).double()),
            "range",
        ),
        (plateau_of(lambda sh, g: uniform((200, *sh), g) - PI), "range"),
        (plateau_of(lambda sh, g: uniform((200, *sh), g) ** 2 / (2 * PI)), "range"),
        (plateau_of(common), "correlated"),
        (plateau_of(by_layer), "correlated"),
        (plateau_of(by_gate), "correlated"),
        (plateau_of(lattice), "correlated"),
        (
            plateau_of(lambda sh, g: [torch.full(sh, k * 2 * PI / 200) for k in range(200)]),
            "correlated",
        ),
        (plateau_of(lambda sh, g: uniform((20, *sh), g).repeat(10, 1, 1, 1)), "repeated"),
        (lambda s, shape, g: active(drawn(s, shape, None)).mean(), "generator-unused"),
        (plateau_of(by_numpy), "generator-unused"),
        (
            lambda s, shape, g: active(drawn(s, shape, torch.Generator().manual_seed(0))).mean(),
            "generator-unused",
        ),
        (plateau_of(lambda sh, g: torch.ones(200, *sh)), "one-draw"),  # the mean of none
        (
            lambda s, shape, g: told(s, torch.ones(200, *shape)).mean(),
            "one-draw",
        ),
        (lambda s, shape, g: active(drawn(s, (3, 8, 3), g)).mean(), "raises"),
        (lambda *a: drawn(*a).var(0)[1:].mean() * 1.5, "value"),
        (lambda s, sh, g: drawn(s, sh, g).reshape(200, -1, 3)[:, :, 1:].var(0).mean(), "value"),
        (lambda *a: active(drawn(*a)).mean() + 1, "value"),
        (lambda *a: 1.003 * active(drawn(*a)).mean(), "value"),
        (lambda *a: active(drawn(*a)), "type"),
        (lambda s, shape, g: s(torch.ones(3)), "raises"),
    ],
)
def test_wrong_plateaus_are_recognised(answer, kind):
    verdict = check.ex_05_3(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_right_plateaus_pass():
    for answer in (
        lambda *a: active(drawn(*a)).mean(),
        lambda *a: active(drawn(*a)).mean() * 199 / 200,
        lambda *a: float(active(drawn(*a).float()).mean()),
        plateau_of(lambda sh, g: 2 * PI * torch.rand(200, *sh, generator=g)),  # in float32
        plateau_of(lambda sh, g: 6.283 * torch.rand(200, *sh, generator=g)),
    ):
        verdict = check.ex_05_3(answer)
        assert verdict.passed, verdict


@pytest.mark.parametrize("shape", [(3, 8, 3), (2, 5, 3)])
def test_no_draw_of_a_right_answer_is_refused(shape):
    for seed in range(200):
        _judge_draws(uniform((200, *shape), torch.Generator().manual_seed(seed)))


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


def interval(gates, qubit):
    low = high = qubit
    for pair in reversed(gates):
        if any(low <= q <= high for q in pair):
            low, high = min(low, *pair), max(high, *pair)
    return set(range(low, high + 1))


def depth_first(gates, qubit, seen=None):
    """Follows a qubit only from where it was met first."""
    seen = {qubit} if seen is None else seen
    for k in reversed(range(len(gates))):
        if qubit in gates[k]:
            (other,) = set(gates[k]) - {qubit}
            if other not in seen:
                seen.add(other)
                depth_first(gates[:k], other, seen)
    return seen


def of_neighbours(gates, qubit):
    return cone([(i, j) for i, j in gates if abs(i - j) == 1], qubit)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda g, q: set(range(min(cone(g, q)), max(cone(g, q)) + 1)), "range"),
        (interval, "range"),
        (of_neighbours, "adjacent"),
        (depth_first, "depth-first"),
        (lambda g, q: [x + 0.4 for x in cone(g, q)], "type"),
        (lambda g, q: [float("inf")], "type"),
        (lambda g, q: "".join(map(str, sorted(cone(g, q)))), "type"),
        (lambda g, q: set(map(str, cone(g, q))), "type"),
        (lambda g, q: torch.ones(2, 3), "type"),
        (lambda g, q: [i in cone(g, q) for i in range(8)], "mask"),
        (lambda g, q: np.array([i in cone(g, q) for i in range(8)]), "mask"),
        (lambda g, q: torch.tensor([i in cone(g, q) for i in range(8)]), "mask"),
        (lambda g, q: (1 // (x - q) for x in cone(g, q)), "raises"),
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
    for form in (sorted, frozenset, iter, np.array, torch.tensor):
        verdict = check.ex_05_4(lambda g, q, form=form: form(sorted(cone(g, q))))
        assert verdict.passed, verdict
    assert check.ex_05_4(lambda g, q: {np.int64(x) for x in cone(g, q)}).passed
    assert check.ex_05_4(lambda g, q: {float(x) for x in cone(g, q)}).passed
