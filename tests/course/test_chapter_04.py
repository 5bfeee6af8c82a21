"""Planted wrong answers of chapter 4: each gets the message that was meant for it."""

import math

import numpy as np
import pytest
import torch

from vqvae_lib.course.exercises import check
from vqvae_lib.course.exercises.chapter_04.exercise_1 import _Device

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
        *((lambda s, eps, n=n: budget(s, eps, pilot=n, smooth=0), "pilot") for n in (20, 25, 30)),
        (of(abs), "biased"),
        (of(lambda o: 100 * o), "biased"),
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


def half(round_up):
    """Half of the most, to look; the other half where the outcome is not nearly certain."""

    def estimate(sample, eps):
        first = math.ceil(0.5 / eps**2) if round_up else round(0.5 / eps**2)
        seen = sample(first)
        if abs(float(seen.mean())) < 0.7:
            seen = torch.cat([seen, sample(first)])
        return float(seen.mean()), len(seen)

    return estimate


def one_at_a_time(sample, eps):
    total = shots = 0
    while shots < 20 or (1 - (total / (shots + 4)) ** 2) / shots > eps**2:
        total += int(sample(1))
        shots += 1
    return total / shots, shots


@pytest.mark.parametrize("share", [5, 6, 8])
def test_looking_first_passes(share):
    def estimate(sample, eps):
        return budget(sample, eps, pilot=math.ceil(1 / eps**2) // share)

    assert check.ex_04_1(estimate).passed


@pytest.mark.parametrize("estimate", [half(True), half(False), one_at_a_time])
def test_other_budgets_pass(estimate):
    verdict = check.ex_04_1(estimate)
    assert verdict.passed, verdict


def test_messages_name_the_limits():
    assert "at most 200 are" in check.ex_04_1(fixed(lambda eps: 1 / eps**2)).message
    assert "at most 860 are" in check.ex_04_1(fixed(lambda eps: 4 / eps**2)).message
    said = check.ex_04_1(lambda sample, eps: sample(math.inf)).message
    assert "expected a whole number of shots, got inf" in said


def test_a_device_that_draws_ahead_gives_each_outcome_once():
    at_once, in_parts = _Device(0.3, seed=1), _Device(0.3, seed=1)
    parts = torch.cat([in_parts.sample(n) for n in (1, 0, 95, 4000, 5000)])
    assert torch.equal(at_once.sample(4096), parts[:4096])
    assert in_parts.shots == len(parts) == 9096
    assert abs(float(parts.mean()) - 0.3) < 0.04  # four standard errors


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


def by_kron(state, gate, control, target):
    zero, one = torch.eye(2, dtype=state.dtype)
    off = on = torch.ones(1, 1, dtype=state.dtype)
    for qubit in range(int(math.log2(state.shape[1]))):
        eye = torch.eye(2, dtype=state.dtype)
        off = torch.kron(off, torch.diag(zero) if qubit == control else eye)
        here = gate if qubit == target else eye
        on = torch.kron(on, torch.diag(one) if qubit == control else here)
    return state @ (off + on).T


def test_right_controlled_gates_pass():
    for answer in (controlled, by_kron, lambda *a: controlled(*a).numpy()):
        verdict = check.ex_04_2(answer)
        assert verdict.passed, verdict
    assert check.ex_04_2(lambda s, g, c, t: ...).status == "unattempted"


def test_messages_show_complex_numbers_in_the_shape_of_the_answer():
    said = check.ex_04_2(lambda *a: controlled(*a)[0]).message
    assert "expected shape (3, 16), got (16,)" in said
    said = check.ex_04_2(lambda *a: controlled(*a) * 1.1).message
    assert said.count("j") == 2, said  # expected and got, both complex
    assert "pairs" not in said


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
        (lambda n: [(["H"], 0)], "gate"),
        (lambda n: ["H", 0], "gate"),
        (lambda n: [("H", n)], "qubit"),
        (lambda n: [("CNOT", 1, 1)], "qubit"),
        (lambda n: [("H", n / 2)], "qubit"),
        (lambda n: "H0", "type"),
        (lambda n: (("H", 1 // i) for i in range(n)), "raises"),
    ],
)
def test_wrong_cats_are_recognised(answer, kind):
    verdict = check.ex_04_3(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_messages_about_gates_are_plain():
    assert "whole numbers" in check.ex_04_3(lambda n: [("H", n / 2)]).message
    said = check.ex_04_3(lambda n: [*chain(n), ("CNOT", 0, 1), ("CNOT", 0, 1)]).message
    assert "the least is 1." in said
    # A generator fails after the function has returned: still a line of the learner's.
    assert "Your code raised ZeroDivisionError" in (
        check.ex_04_3(lambda n: (("H", 1 // i) for i in range(n))).message
    )


def test_a_global_sign_passes():
    # Z X Z X on |0> gives -|0>.
    minus = [("Z", 0), ("X", 0), ("Z", 0), ("X", 0)]
    assert check.ex_04_3(lambda n: minus + chain(n)).passed


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
        (BEST[[1, 0, 3, 2]], "minus"),
        ([0, PI / 2, PI / 4, 3 * PI / 4], "minus"),  # as in textbooks
        (BEST[[0, 1, 3, 2]], "minus"),
        ([0, PI / 4, PI / 8, 3 * PI / 8], "half-angle"),  # of photons, as in textbooks
        (2 * BEST, "double-angle"),
        ([0, 90, 45, 135], "degrees"),
        (BEST + torch.tensor([PI, PI, 0, 0]), "sign"),
        (BEST + torch.tensor([0.3, 0.0, 0.0, 0.0]), "not-best"),
        (torch.zeros(4), "classical"),
        (torch.zeros(3), "shape"),
        ("angles", "type"),
        ([0.0, float("nan"), 0.0, 0.0], "not-finite"),
        ([0.0, 0.0, 0.0, 1j], "type"),
    ],
)
def test_wrong_angles_are_recognised(answer, kind):
    verdict = check.ex_04_4(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_two_faults_are_both_told_and_complex_angles_are_called_so():
    said = check.ex_04_4([0, 90, 45, 135]).message
    assert "degrees" in said
    assert "minus sign at E_01" in said
    assert "complex" in check.ex_04_4([0.0, 0.0, 0.0, 1j]).message


def test_best_angles_pass_and_nothing_is_better():
    verdict = check.ex_04_4(tuple(BEST.tolist()))
    assert verdict.passed
    assert "S = 2.8284" in verdict.message
    assert check.ex_04_4(BEST + 0.7).passed  # only differences count
