r"""Equations as displayed: read right, right ones pass, misprints and wrong ones are found out."""

import re
import time

import numpy as np
import pytest
import sympy as sp
import torch

from tests.bad_inputs.attack import Call, attack
from tests.course.course_equations import EQUATIONS
from vqvae_lib.course.derivation import DerivationError
from vqvae_lib.course.equations import FormulaError, Samples, check_equation
from vqvae_lib.course.equations.evaluate import Case
from vqvae_lib.course.equations.syntax import parse
from vqvae_lib.metrics import Estimate

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 3, 3))
S = A @ A.T + np.eye(3)
u, v = RNG.normal(size=(2, 3))
x = RNG.normal(size=(5, 3))
c, d = RNG.normal(size=2) + 1j * RNG.normal(size=2)
X = np.array([[0, 1], [1, 0]])


def worth(tex, **values):
    """The value of an expression."""
    values = {rf"\{name}" if len(name) > 1 else name: value for name, value in values.items()}
    (claim,) = parse(f"{tex} = 0", values)
    return Case(values).plain(claim.sides[0])


def check(formula, values, **options):
    return check_equation("eq-test", formula, values, **{"route": "by hand", **options})


# What a formula means ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tex", "values", "expected"),
    [
        # sums, products, fractions, powers
        (r"1 - 2 + 12", {}, 11),
        (r"-2^2", {}, -4),
        (r"2^{-1}", {}, 0.5),
        (r"2^{3 + 1} \cdot 3", {}, 48),
        (r"\frac12 + \tfrac{1}{4} + \dfrac 3 8", {}, 1.125),
        (r"3 a b^2", {"a": 2.0, "b": 3.0}, 54),
        (r"a / b + 1", {"a": 3.0, "b": 4.0}, 1.75),
        (r"a b / 2", {"a": 3.0, "b": 4.0}, 6),
        (r"2.5 a", {"a": 2.0}, 5),
        (r"\sqrt2 \sqrt{a + 2}", {"a": 6.0}, 4),
        (r"\bigl( a - b \bigr)\, \left[ a + b \right]", {"a": 3.0, "b": 2.0}, 5),
        (r"a\,\underbrace{(a + 1)}_{\text{one more}} \text{ in words }", {"a": 3.0}, 12),
        # functions
        (r"\log 2\pi a", {"a": 3.0}, np.log(6 * np.pi)),
        (r"\log a - b", {"a": 3.0, "b": 1.0}, np.log(3) - 1),
        (r"\sin^2 a + \cos^2 a", {"a": 0.3}, 1),
        (r"\sin a \cos b", {"a": 0.3, "b": 0.4}, np.sin(0.3) * np.cos(0.4)),
        (r"a \cos(b) a", {"a": 0.3, "b": 0.4}, 0.09 * np.cos(0.4)),
        (r"e^{-a/2}", {"a": 3.0}, np.exp(-1.5)),
        (r"\exp(a)", {"a": 3.0}, np.exp(3)),
        (r"\max(0,\; a, 2) \min(a, 4)", {"a": 3.0}, 9),
        (r"\operatorname{erfc}(a) + \operatorname{erf}(a)", {"a": 0.2}, 1),
        (r"\operatorname{Re}(c^* d) + \operatorname{Im} c", {"c": c, "d": d}, None),
        (r"|c|^2", {"c": c}, abs(c) ** 2),
        (r"4\, |c d - 1|", {"c": c, "d": d}, 4 * abs(c * d - 1)),
        (r"e^{i a}", {"a": 0.3}, np.exp(0.3j)),
        # matrices
        (r"A B u", {"A": A, "B": B, "u": u}, A @ B @ u),
        (r"u^{\mathsf T} A^\top v", {"A": A, "u": u, "v": v}, u @ A.T @ v),
        (r"u v^\top", {"u": u, "v": v}, np.outer(u, v)),
        (r"A^{-1} u", {"A": A, "u": u}, np.linalg.solve(A, u)),
        (r"A^3", {"A": A}, A @ A @ A),
        (r"\operatorname{tr}(A - B)", {"A": A, "B": B}, np.trace(A - B)),
        (r"\log\det S", {"S": S}, np.linalg.slogdet(S)[1]),
        (r"\operatorname{rank} A", {"A": np.outer(u, v)}, 1),
        (r"\lVert u - v \rVert^2", {"u": u, "v": v}, ((u - v) ** 2).sum()),
        (r"\lVert U \rVert", {"U": torch.tensor([3.0, 4.0])}, 5),
        (
            r"\begin{pmatrix} a & -1 \\ 0 & \phantom{-}2 a \end{pmatrix}",
            {"a": 3.0},
            [[3, -1], [0, 6]],
        ),
        (r"(a, 2 a, 0)", {"a": 3.0}, [3, 6, 0]),
        # indices, counted from one
        (r"u_1 u_3", {"u": u}, u[0] * u[2]),
        (r"A_{12} A_{2, 1}", {"A": A}, A[0, 1] * A[1, 0]),
        (r"\sum_i u_i^2", {"u": u}, u @ u),
        (r"\sum_i S_{ii}", {"S": S}, np.trace(S)),
        (r"\sum_{i, j} u_i A_{ij} v_j", {"A": A, "u": u, "v": v}, u @ A @ v),
        (r"\sum_{i > d} u_i - \sum_{j \ge d} u_j", {"u": u, "d": 2}, -u[1]),
        (r"\sum_{i < 3} u_i + \sum_{i \le 2} u_i", {"u": u}, 2 * u[:2].sum()),
        (r"\sum_{i=1}^{n} i^2", {"n": 4}, 30),
        (r"\prod_{i=1}^{4} i", {}, 24),
        (r"\sum_{|j| \le 2} (j + 1)", {}, 5),
        (r"\frac15 \sum_b x_b x_b^\top", {"x": x}, x.T @ x / 5),
        (r"\sum_b \lVert x_b - u \rVert^2", {"x": x, "u": u}, ((x - u) ** 2).sum()),
        (r"\sum_k f(k)", {"k": range(1, 4)}, None),
        # states
        (r"\ket{10}", {}, [0, 0, 1, 0]),
        (r"(X \otimes I) \ket{00}", {"X": X, "I": np.eye(2)}, [0, 0, 1, 0]),
        (r"X^{\otimes 2} \ket{01}", {"X": X}, [0, 0, 1, 0]),
        (r"\langle a | b \rangle", {"a": [1, 1j], "b": [1j, 1]}, 0),
        (r"|\langle a | b \rangle|^2", {"a": [1, 1j], "b": [1j, 2]}, 1),
        (r"U^\dagger V", {"U": np.array([1, 2j]), "V": np.array([1, 1])}, 1 - 2j),
    ],
)
def test_values_are_those_of_numpy(tex, values, expected):
    if expected is None and "Re" in tex:
        expected = (np.conj(c) * d).real + c.imag
    if "f(k)" in tex:
        values, expected = values | {r"f(\cdot)": lambda k: k**2}, 14
        (claim,) = parse(f"{tex} = 0", [r"f(\cdot)"])
        found = Case(values).plain(claim.sides[0])
    else:
        found = worth(tex, **values)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_symbolic_values_stay_exact():
    a, b = sp.symbols("a b")
    assert worth(r"\tfrac12 a^2 + \frac13 \sin^2 b", a=a, b=b) == a**2 / 2 + sp.sin(b) ** 2 / 3
    m = sp.Matrix([[a, 1], [b, 2]])
    assert worth(r"M^{-1} M", M=m).applyfunc(sp.simplify) == sp.eye(2)
    assert worth(r"\det M + \operatorname{tr} M", M=m) == m.det() + m.trace()


def test_samples_go_draw_by_draw_into_an_average():
    z = RNG.normal(size=(50, 3))
    values = {
        r"\mathbb E[\cdot]": lambda values: values.mean(),
        "z": Samples(z),
        "A": A,
        "s": Samples(torch.arange(50.0)),
    }
    (claim,) = parse(r"\mathbb E[s \lVert A z \rVert^2] = 0", values)
    expected = (np.arange(50) * ((z @ A.T) ** 2).sum(1)).mean()
    assert Case(values).plain(claim.sides[0]) == pytest.approx(expected)


def test_an_integral_is_a_key_with_a_place_for_the_integrand():
    grid = np.linspace(0, 1, 1001)
    values = {
        r"\int \cdot\, \mathrm dz": lambda values: np.trapezoid(values, grid),
        "z": Samples(grid),
        "p(z)": Samples(24 * grid**2 * (1 - grid)),
        "m": 0.6,
    }
    found = check(r"\int z\, p(z)\, \mathrm dz = m \int p(z) \,\mathrm{d}z", values, rtol=1e-5)
    assert "factor z left out" in [m.description for m in found.caught]


def test_the_longest_key_is_read():
    values = {"p": 2.0, "p(0)": 3.0, "p_0": 5.0, r"\hat p": 7.0, r"p(\cdot)": lambda t: 11 * t}
    for tex, expected in (("p", 2), ("p(0)", 3), ("p_{0}", 5), (r"\hat{p}", 7), ("p(p p)", 44)):
        (claim,) = parse(f"{tex} = 0", values)
        assert Case(values).plain(claim.sides[0]) == expected


def test_claims_are_taken_apart():
    names = ["a", "b"]
    for formula, relations in (
        (r"a = b .", [["="]]),
        (r"a \le b < a, \qquad b \geq 0", [[r"\le", "<"], [r"\ge"]]),
        (r"a = b \quad\Longrightarrow\quad a^2 = b^2", [["="], ["="]]),
        (r"\begin{aligned} a &= b \\ &= a + b , \end{aligned}", [["=", "="]]),
        (r"\begin{aligned} a = {}& b \\ & + a \end{aligned}", [["="]]),
        (r"\begin{aligned} a &= b , \\ b &= a . \end{aligned}", [["="], ["="]]),
        (r"a = \pm b", [["="], ["="]]),
        (r"a \ge b \ge \dots", [[r"\ge"]]),
    ):
        assert [list(claim.relations) for claim in parse(formula, names)] == relations, formula


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        (r"a = b \foo", r"\foo is not in values: a = b ▸ \foo"),
        (r"a = \beta", r"\beta is not in values"),
        (r"a = (b", "expected ), not the end"),
        (r"a = b )", ") was not expected here: a = b ▸ )"),
        (r"a \approx b", r"\approx cannot be checked"),
        (r"a", "expected a relation"),
        (r"", "expected a relation"),
        (r"a = ", "the end came too soon"),
        (r"a = \sin b (a + 1)", "does ( belong to the function's argument?"),
        (r"a = \log(b)^2", "does ^ belong to the argument or to the value?"),
        (r"a = \sin b / 2", "does / belong to the function's argument?"),
        (r"a = 1/2 b", "below the fraction bar"),
        (r"a = \sum b", "expected an index"),
        (r"a = \sum_{i=1} b", "needs bounds"),
        (r"a = \ket 2", "size of this basis state"),
        (r"a = b'", "' was not expected here"),
    ],
)
def test_what_cannot_be_read_is_quoted(formula, said):
    with pytest.raises(FormulaError, match=re.escape(said)):
        parse(formula, ["a", "b"])


# Misprints ---------------------------------------------------------------------------------------

a1, a2 = 0.7, 1.9
SINE = {"t": 0.3, r"o(\cdot)": np.sin}


@pytest.mark.parametrize(
    ("misprint", "formula", "values"),
    [
        (r"+ became − before c", "s = b + c", {"s": 2.6, "b": a1, "c": a2}),
        (r"− became + before c", "s = b - c", {"s": -1.2, "b": a1, "c": a2}),
        (r"− left out before cb", "s = -c b", {"s": -a1 * a2, "b": a1, "c": a2}),
        (r"factor \tfrac12 left out", r"s = \tfrac12 c", {"s": 0.95, "c": a2}),
        (r"fraction \tfrac12 turned over", r"s = \tfrac12 c", {"s": 0.95, "c": a2}),
        (r"2 became 3", r"s = \tfrac12 c", {"s": 0.95, "c": a2}),
        (r"exponent 2 left out of c^2", "s = c^2", {"s": 3.61, "c": a2}),
        (r"root left out of \sqrt c", r"s = \sqrt c", {"s": 3.0, "c": 9.0}),
        (r"\sin c became \cos c", r"s = \sin c", {"s": np.sin(a2), "c": a2}),
        (
            r"\operatorname{tr}S became \det S",
            r"s = \operatorname{tr} S",
            {"s": np.trace(S), "S": S},
        ),
        (r"\sin c became \cos c", r"s = \sin^2 c", {"s": np.sin(a2) ** 2, "c": a2}),
        (r"logarithm left out of \log c", r"s = \log c", {"s": np.log(a2), "c": a2}),
        (r"\max became \min", r"s = \max(0, c)", [{"s": a2, "c": a2}, {"s": 0, "c": -a2}]),
        (r"absolute value left out of |c|", "s = |c|", {"s": a2, "c": -a2}),
        (r"transpose left out of A^\top", r"s = A^\top", {"s": A.T, "A": A}),
        (r"inverse left out of A^{-1}", "s = A^{-1}", {"s": np.linalg.inv(A), "A": A}),
        (r"dagger left out of c^\dagger", r"s = c^\dagger", {"s": 1 - 2j, "c": 1 + 2j}),
        (r"conjugation left out of c^*", "s = c^*", {"s": 1 - 2j, "c": 1 + 2j}),
        (r"factors A and B exchanged", "s = A B", {"s": A @ B, "A": A, "B": B}),
        (r"i > d became i ≥ d", r"s = \sum_{i > d} u_i", {"s": u[2], "u": u, "d": 2}),
        (r"i ≤ d became i < d", r"s = \sum_{i \le d} u_i", {"s": u[0] + u[1], "u": u, "d": 2}),
        (r"|j| ≤ 2 became |j| < 2", r"s = \sum_{|j| \le 2} j^2", {"s": 10}),
        (r"upper bound n became n - 1", r"s = \sum_{i=1}^n u_i", {"s": u.sum(), "u": u, "n": 3}),
        (r"lower bound 1 became 2", r"s = \sum_{i=1}^n u_i", {"s": u.sum(), "u": u, "n": 3}),
        (r"≤ became ≥ before 2c", r"s \le 2c", [{"s": 1.0, "c": a2}, {"s": 3.8, "c": a2}]),
        (r"2 became 3", r"s \le 2c", [{"s": 1.0, "c": a2}, {"s": 3.8, "c": a2}]),
        (r"> became < before c^2", "s > c^2", {"s": 0.2, "c": 0.3}),
        ("b_1 became b_2", "s = b_1 + 2b_2", {"s": 5.0, "b_1": 1.0, "b_2": 2.0}),
        (r"\hat c became c", r"s = \hat c - c", {"s": 2.0, r"\hat c": 3.0, "c": 1.0}),
        ("c became c'", "s = c - 2c'", {"s": -1.0, "c": 3.0, "c'": 2.0}),
        (r"\ket0 became \ket1", r"s = \ket 0", {"s": np.array([1, 0])}),
        (r"factors A and B exchanged", r"s = A \otimes B", {"s": np.kron(A, B), "A": A, "B": B}),
        # also in what a function is called with
        (r"+ became − before \tfrac\pi2", r"\cos t = o(t + \tfrac\pi2)", SINE),
        (r"2 became 3", r"\cos t = o(t + \tfrac\pi2)", SINE),
    ],
)  # fmt: skip
def test_each_kind_of_misprint_is_tried_and_caught(misprint, formula, values):
    found = check(formula, values)
    assert misprint in [m.description for m in found.caught]
    assert not found.accepted


def test_a_misprint_that_holds_as_well_is_named():
    with pytest.raises(DerivationError, match=r"with a misprint:\n  \+ became − before c\n"):
        check("s = b + c", {"s": 2.0, "b": 2.0, "c": 0.0})
    cases = [{"s": 2.0, "b": 2.0, "c": 0.0}, {"s": 3.0, "b": 2.0, "c": 1.0}]
    assert len(check("s = b + c", cases).caught) == 1


def test_a_misprint_that_only_weakens_a_bound_is_caught():
    assert check(r"s \le 2c", [{"s": 1.0, "c": 1.0}, {"s": 4.0, "c": 2.0}]).caught
    with pytest.raises(DerivationError, match="in no case are the two sides equal"):
        check(r"s \le 2c", {"s": 1.0, "c": 1.0})


def test_unbreakable_misprints_are_listed_with_a_reason():
    values = {"s": 2.0, "b": 2.0, "c": 0.0}
    found = check("s = b + c", values, unbreakable={"+ became − before c": "$c$ is zero"})
    assert "0 of 1 misprints caught" in repr(found)
    assert r"\(c\) is zero" in found._repr_html_()


@pytest.mark.parametrize(
    ("description", "said"),
    [("+ became − before c", "this misprint is caught"), ("− left out", "no such misprint")],
)
def test_the_list_of_unbreakable_misprints_is_never_stale(description, said):
    with pytest.raises(DerivationError, match=said):
        check("s = b + c", {"s": 3.0, "b": 2.0, "c": 1.0}, unbreakable={description: "a reason"})


def test_a_misprint_whose_shapes_do_not_fit_is_caught():
    found = check(r"s = u^\top A v", {"s": u @ A @ v, "u": u, "A": A, "v": v})
    assert "factors u^\\top and A exchanged" in [m.description for m in found.caught]


def test_a_misprint_for_which_a_value_has_no_answer_is_caught():
    table = {1: 0.5, 2: 0.7}
    values = {"s": 1.2, r"f(\cdot)": lambda i: table[int(i)]}
    assert len(check(r"s = f(1) + f(2)", values).caught) == 3


# Right and wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "values", "said"),
    [
        ("s = 2b", {"s": 1.0, "b": 0.6}, "does not hold: s = 2b\n  left  1.*\n  right 1.2"),
        ("s = 2b", [{"s": 2.0, "b": 1.0}, {"s": 1.0, "b": 0.6}], "eq-test, case 2 does not hold"),
        (r"s \ge 2b", {"s": 1.0, "b": 0.6}, "does not hold"),
        ("s < 2b", {"s": 1.2, "b": 0.6}, "does not hold"),
        ("s = 2b = 3b", {"s": 2.0, "b": 1.0}, r"does not hold: 2b = 3b"),
        (r"s = 2b, \qquad b = 2s", {"s": 2.0, "b": 1.0}, r"does not hold: b = 2s"),
        ("s = 2b", {"s": sp.Symbol("s"), "b": sp.Symbol("b")}, "does not hold"),
        ("s = A u", {"s": A @ u + 1e-3, "A": A, "u": u}, "does not hold"),
        ("s = u A", {"s": A @ u, "A": A, "u": u}, "shapes"),
        ("s = 2 c", {"s": u, "c": 0.5}, "shapes"),
        ("s = 1/b", {"s": 1.0, "b": 0.0}, "not finite"),
        ("s = u_4", {"s": 1.0, "u": u}, "there is no item 4"),
        (r"s = \sum_{i=1}^4 u_i", {"s": 1.0, "u": u}, "there is no item 4"),
        ("s = b c", {"s": 1.0, "b": Samples([1, 2]), "c": Samples([1, 2, 3])}, "do not fit"),
        ("s = x + x", {"s": 1.0, "x": np.zeros((2, 2, 2))}, "needs an index"),
        (r"s = f(\tfrac12)", {"s": 1.0, r"f(\cdot)": lambda t: [1, 2][t]}, "TypeError"),
    ],
)
def test_wrong_equations_are_refused(formula, values, said):
    with pytest.raises(DerivationError, match=said):
        check(formula, values)


@pytest.mark.parametrize(
    ("formula", "values", "said"),
    [
        ("s = b", {"s": 1.0, "b": 1.0}, "each side is one symbol"),
        ("s = 2b", {"s": 1.0, "b": 0.5, "c": 1.0}, "values has what the formula does not: c"),
        (r"s = 2\hat b", {"s": 1.0, r"\hat b": 0.5, r"\hat{b}": 0.5}, "the same symbol twice"),
        ("s = f", {"s": 1.0, "f": abs}, "needs argument places"),
        ("s = f(2)", {"s": 1.0, r"f(\cdot)": 1.0}, "has a function"),
        (r"s = \sum_i f(i)", {"s": 1.0, r"f(\cdot)": abs}, "how far does i run"),
        (r"s = \sum_i u_i v_i", {"s": 1.0, "u": u, "v": x[:, 0]}, "different length"),
    ],
)
def test_values_must_fit_the_formula(formula, values, said):
    with pytest.raises(FormulaError, match=said):
        check(formula, values)


def test_a_reason_for_an_inequality_that_is_never_attained():
    values, unbreakable = (
        {"s": 1.0, "c": 1.5},
        dict.fromkeys(
            ("2 became 3", "factor 2 left out", "factor c left out"), "another bound holds too"
        ),
    )
    options = {"attained": "the largest value is not known", "unbreakable": unbreakable}
    assert len(check(r"s \le 2c", values, **options).accepted) == 3
    with pytest.raises(DerivationError, match="but every inequality is attained"):
        check(r"s \le 2c", {"s": 3.0, "c": 1.5}, attained="a reason")


def test_estimates_are_compared_within_their_errors():
    drawn = torch.from_numpy(np.random.default_rng(0).normal(size=100_000))
    values = {"m": Estimate.of(3 + 2 * drawn), "q": Estimate.of((3 + 2 * drawn) ** 2), "s": 2.0}
    assert "Monte Carlo" in repr(check("q - 9 = s^2", {"q": values["q"], "s": 2.0}))
    # Errors go through what is computed with an estimate: that of m² is 2 m times that of m.
    with pytest.raises(DerivationError):
        check("m^2 = s", {"m": values["m"], "s": 9.2})
    check("m^2 = s", {"m": values["m"], "s": 9.05})


def test_an_estimate_too_noisy_to_tell_leaves_misprints_standing():
    with pytest.raises(DerivationError, match="so would it with a misprint"):
        check("m = b + c", {"m": Estimate(2.0, 1.0), "b": 1.5, "c": 0.5})
    check("m = b + c", {"m": Estimate(2.0, 0.2), "b": 1.5, "c": 0.5})


def test_zero_is_not_missed_by_a_rounding_error():
    check("0 = b - c - s", {"s": 0.1, "b": 0.3, "c": 0.2})
    with pytest.raises(DerivationError):
        check("0 = b - c - s", {"s": 0.1 + 1e-9, "b": 0.3, "c": 0.2})


# The course's own equations ----------------------------------------------------------------------


@pytest.mark.parametrize("label", EQUATIONS)
def test_equations_of_the_course_are_read_and_no_misprint_passes(label):
    formula, values, options = EQUATIONS[label]
    found = check_equation(label, formula, values, route="other routes", **options)
    assert found.caught
    assert len(found.accepted) == len(options.get("unbreakable", {}))


# Showing, speed, arguments -----------------------------------------------------------------------


def test_shows_itself_in_one_line_with_the_rest_folded():
    found = check(
        r"\lVert u \rVert^2 = \sum_i u_i^2 < 100",
        {"u": u},
        route="a $3$-vector",
        unbreakable={"100 became 101": "$u$ is short"},
    )
    assert repr(found) == (
        "eq-test holds: 2 steps (numerically to 1e-09), 3 of 4 misprints caught; a $3$-vector"
    )
    html = found._repr_html_()
    assert html.startswith('<details class="vq-check" data-vq-proves="eq-test"><summary>')
    assert '<summary><span data-vq-number="eq-test">test</span> holds' in html
    assert '<p><span class="vq-eq" data-vq-eq="eq-test">test</span>: ' in html
    assert r"a \(3\)-vector" in html
    assert r"<li>exponent \(2\) left out of \(\lVert u\rVert^2\)</li>" in html
    assert r"<li>&lt; became &gt; before \(100\)</li>" in html


def test_many_cases_and_misprints_take_less_than_half_a_second():
    formula = r"s = \frac12 \bigl(a^2 + b^2 - 1\bigr) - \log a + 3 \sin^2 b - \frac{a - 2b}{4 a} ."
    cases = []
    for a, b in RNG.uniform(0.5, 2, size=(200, 2)):
        s = (a * a + b * b - 1) / 2 - np.log(a) + 3 * np.sin(b) ** 2 - (a - 2 * b) / (4 * a)
        cases.append({"s": s, "a": a, "b": b})
    start = time.process_time()
    assert len(check(formula, cases).caught) >= 20
    assert time.process_time() - start < 0.5


def test_bad_arguments_get_one_sentence():
    call = Call(
        make=lambda: {
            "label": "eq-test",
            "formula": "s = 2b",
            "values": {"s": 3.0, "b": 1.5},
            "route": "by hand",
            "rtol": 1e-9,
            "unbreakable": {},
            "attained": True,
        },
        kinds={"route": "text"},
        # Other values, or another formula, are not wrong in themselves.
        named={"values": "values|does not hold|not in values"},
        accepts={"unbreakable": {"empty": "then there are none"}},
    )
    failed = [outcome for outcome in attack(check_equation, call) if outcome.failed]
    assert not failed, "\n".join(map(str, failed))
