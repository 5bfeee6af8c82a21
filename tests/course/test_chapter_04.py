"""Planted wrong answers of chapter 4: each gets the message that was meant for it."""

import math

import numpy as np
import pytest
import torch

from vqvae_lib.course.exercises import check

PI = math.pi


# Exercise 1 ---------------------------------------------------------------------------------------


def budget(sample, eps, *, pilot=None, smooth=1, most=math.inf):
    pilot = pilot or math.ceil(1 / eps**2) // 6
    seen = sample(pilot)
    ups = float((seen > 0).sum()) + smooth
    o = 2 * ups / (pilot + 2 * smooth) - 1
    more = min(math.ceil((1 - o**2) / eps**2), most) - pilot
    if more > 0:
        seen = torch.cat([seen, sample(more)])
    return float(seen.mean()), len(seen)


def fixed(n):
    def estimate(sample, eps):
        shots = math.ceil(n(eps))
        return sample(shots).mean(), shots

    return estimate


def of(change):
    def estimate(sample, eps):
        o, shots = budget(sample, eps)
        return change(o), shots

    return estimate


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fixed(lambda eps: 1 / eps), "too-few"),
        (fixed(lambda eps: 0.5 / eps**2), "too-few"),
        (fixed(lambda eps: 1 / eps**2), "wasteful"),
        (fixed(lambda eps: 4 / eps**2), "too-many"),
        (lambda sample, eps: budget(sample, eps, pilot=20, smooth=0), "pilot"),
        (of(lambda o: -o), "sign"),
        (of(lambda o: (1 + o) / 2), "probability"),
        (of(lambda o: (1 - o) / 2), "probability"),
        (lambda sample, eps: (sample(100).mean(), 2500), "miscounted"),
        (lambda sample, eps: (0.3, 0), "unused"),
        (lambda sample, eps: sample(100).mean(), "pair"),
        (lambda sample, eps: (sample(100), 100), "type"),
        (lambda sample, eps: (sample(1 / eps + 0.5).mean(), 50), "raises"),
    ],
)
def test_wrong_budgets_are_recognised(answer, kind):
    verdict = check.ex_04_1(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


@pytest.mark.parametrize("share", [5, 6, 8])
def test_looking_first_passes(share):
    def estimate(sample, eps):
        return budget(sample, eps, pilot=math.ceil(1 / eps**2) // share)

    assert check.ex_04_1(estimate).passed


def test_an_answer_for_one_accuracy_alone_is_refused():
    verdict = check.ex_04_1(lambda sample, eps: budget(sample, 0.02))
    assert verdict.kind in ("too-many", "wasteful")
    assert check.ex_04_1(lambda sample, eps: budget(sample, 0.05)).kind == "too-few"


# Exercise 2 ---------------------------------------------------------------------------------------


def controlled(state, gate, control, target, *, on=1, everywhere=False, keep=True, end=False):
    B, n = len(state), int(math.log2(state.shape[1]))
    if end:
        control, target = n - 1 - control, n - 1 - target
    axes = state.reshape(B, 2**target, 2, -1)
    turned = torch.einsum("ij,bljr->blir", gate, axes).reshape(B, -1)
    bit = (torch.arange(2**n) >> (n - 1 - control)) & 1
    if everywhere:
        return turned
    return torch.where(bit == on, turned, state if keep else 0 * state)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda s, g, c, t: controlled(s, g, t, c), "swapped"),
        (lambda s, g, c, t: controlled(s, g, c, t, on=0), "on-zero"),
        (lambda s, g, c, t: controlled(s, g, c, t, everywhere=True), "uncontrolled"),
        (lambda s, g, c, t: controlled(s, g.T, c, t), "transposed"),
        (lambda s, g, c, t: controlled(s, g.conj().T, c, t), "adjoint"),
        (lambda s, g, c, t: controlled(s, g, c, t, end=True), "other-end"),
        (lambda s, g, c, t: controlled(s, g, c, t, keep=False), "dropped"),
        (lambda s, g, c, t: s, "unchanged"),
        (lambda s, g, c, t: controlled(s, g, c, t).real, "real"),
        (lambda s, g, c, t: controlled(s, g, c, t)[0], "shape"),
        (lambda s, g, c, t: controlled(s, g, c, t) * 1.1, "value"),
        (lambda s, g, c, t: g @ s, "raises"),
    ],
)
def test_wrong_controlled_gates_are_recognised(answer, kind):
    verdict = check.ex_04_2(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_right_controlled_gate_passes():
    assert check.ex_04_2(controlled).passed
    assert check.ex_04_2(lambda *a: controlled(*a).numpy()).passed
    assert check.ex_04_2(lambda s, g, c, t: ...).status == "unattempted"


# Exercise 3 ---------------------------------------------------------------------------------------


def chain(n):
    return [("H", 0), *(("CNOT", i, i + 1) for i in range(n - 1))]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda n: [("H", i) for i in range(n)], "product"),
        (lambda n: [*chain(n)[1:], ("H", 0)], "left-out"),
        (lambda n: chain(n)[1:], "certain"),
        (lambda n: chain(n)[:-1], "left-out"),
        (lambda n: [("H", 0), *(("CNOT", i + 1, i) for i in range(n - 1))], "left-out"),
        (lambda n: [*chain(n), ("Z", 0)], "phase"),
        (lambda n: [*chain(n), ("X", n - 1)], "flipped"),
        (lambda n: [*chain(n), ("CNOT", 0, 1), ("CNOT", 0, 1)], "too-many"),
        (lambda n: [*chain(n), ("H", 1)], "value"),
        (lambda n: [("H", 0), ("CNOT", 0)], "gate"),
        (lambda n: [("h", 0)], "gate"),
        (lambda n: ["H", 0], "gate"),
        (lambda n: [("H", n)], "qubit"),
        (lambda n: [("CNOT", 1, 1)], "qubit"),
        (lambda n: "H0", "type"),
    ],
)
def test_wrong_cats_are_recognised(answer, kind):
    verdict = check.ex_04_3(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_chains_and_stars_pass_and_depth_is_told():
    assert "need 8 steps" in check.ex_04_3(chain).message
    assert check.ex_04_3(lambda n: ((g, *map(np.int64, q)) for g, *q in chain(n))).passed

    def doubling(n):
        gates, done = [("H", 0)], 1
        while done < n:
            new = range(done, min(2 * done, n))
            gates += [("CNOT", i - done, i) for i in new]
            done += len(new)
        return gates

    assert "need 4 steps" in check.ex_04_3(doubling).message


# Exercise 4 ---------------------------------------------------------------------------------------

BEST = torch.tensor([0, PI / 2, PI / 4, -PI / 4])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (BEST * 180 / PI, "degrees"),
        (BEST / 2, "half-angle"),
        (BEST[[0, 2, 1, 3]], "order"),
        (BEST[[1, 0, 3, 2]], "order"),
        (BEST + torch.tensor([PI, PI, 0, 0]), "sign"),
        (BEST + torch.tensor([0.3, 0.0, 0.0, 0.0]), "not-best"),
        (torch.zeros(4), "classical"),
        (torch.zeros(3), "shape"),
        ("angles", "type"),
        ([0.0, float("nan"), 0.0, 0.0], "not-finite"),
    ],
)
def test_wrong_angles_are_recognised(answer, kind):
    verdict = check.ex_04_4(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_best_angles_pass_and_nothing_is_better():
    verdict = check.ex_04_4(tuple(BEST.tolist()))
    assert verdict.passed
    assert "S = 2.8284" in verdict.message
    assert check.ex_04_4(BEST + 0.7).passed  # only differences count
