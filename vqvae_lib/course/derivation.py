r"""Derivations that run: a chain of steps, each verified by a second route.

A step is a formula and its *value*, computed by code of its own: a SymPy expression, a number, an
array, or a Monte Carlo estimate. `derive` compares the value of each step with that of the step
before it. If two disagree it raises an error that names the step and both values; if all agree it
returns an aligned derivation, which shows itself in the book and in JupyterLab alike.

>>> import sympy as sp
>>> a, b = sp.symbols("a b", real=True)
>>> derive(
...     "eq-square",
...     start(r"(a + b)^2", (a + b) ** 2),
...     equals(r"a^2 + 2ab + b^2", a**2 + 2 * a * b + b**2, because="multiply out"),
... )
eq-square: 1 step verified (1 symbolically)
"""

import html
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from vqvae_lib._checks import check_choice, check_instance, check_number
from vqvae_lib.course.words import _
from vqvae_lib.metrics import Estimate

__all__ = [
    "Derivation",
    "DerivationError",
    "Estimate",
    "at_least",
    "at_most",
    "derive",
    "equals",
    "start",
    "verify",
]

RTOL = 1e-9
# A Monte Carlo value must lie within this many standard errors: one false alarm in 16,000.
STANDARD_ERRORS = 4.0
RANDOM_POINTS = 50


class DerivationError(AssertionError):
    """A step does not follow from the one before it."""


@dataclass(frozen=True)
class Step:
    """One line of a derivation, as `start`, `equals`, `at_most` and `at_least` return it."""

    tex: str
    value: Any
    relation: str
    because: str
    rtol: float

    def __post_init__(self) -> None:
        check_instance("tex", self.tex, str, "a formula in LaTeX, as text")
        check_instance("because", self.because, str, "the reason, as text")
        check_number("rtol", self.rtol, least=0, below=1)


def start(tex: str, value: Any) -> Step:
    """Begin a derivation with the left-hand side `tex`, whose value is `value`."""
    return Step(tex, value, "", "", RTOL)


def equals(tex: str, value: Any, *, because: str, rtol: float = RTOL) -> Step:
    """Go on to an equal expression.

    Parameters
    ----------
    tex : str
        The formula, in LaTeX, without the relation sign.
    value : SymPy expression, number, array or Estimate
        Its value, computed independently of the step before it.
    because : str
        Why it follows; may contain inline mathematics between dollar signs.
    rtol : float
        Tolerance, relative to the largest entry of the two values.
    """
    return Step(tex, value, "=", because, rtol)


def at_most(tex: str, value: Any, *, because: str, rtol: float = RTOL) -> Step:
    r"""Go on to an expression that is at least as large: the line reads ``\le tex``."""
    return Step(tex, value, r"\le", because, rtol)


def at_least(tex: str, value: Any, *, because: str, rtol: float = RTOL) -> Step:
    r"""Go on to an expression that is at most as large: the line reads ``\ge tex``."""
    return Step(tex, value, r"\ge", because, rtol)


@dataclass(frozen=True, repr=False)
class Derivation:
    """A verified chain of steps; shows itself as an aligned derivation."""

    label: str
    steps: tuple[Step, ...]
    routes: tuple[str, ...]

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {route}" for route, n in Counter(self.routes).items())
        n = len(self.routes)
        steps = _("1 step verified") if n == 1 else _("{n} steps verified").format(n=n)
        return f"{self.label}: {steps} ({counts})"

    def _repr_html_(self) -> str:
        rows = "".join(self._rows())
        aria = html.escape(_("Derivation of {label}").format(label=self.label))
        return (
            f'<div class="vq-derivation" id="derivation-{self.label}" '
            f'data-vq-proves="{self.label}" role="group" aria-label="{aria}">'
            f'<table style="border-collapse:collapse"><tbody>{rows}</tbody></table></div>'
        )

    def _rows(self) -> Iterator[str]:
        cell = "padding:.35em .6em .35em 0;vertical-align:middle;text-align:left"
        lhs = f'<td class="vq-lhs" style="{cell};text-align:right">'
        first, *rest = self.steps
        left = f"{lhs}{_typeset(first.tex)}</td>"
        for step, route in zip(rest, self.routes, strict=True):
            note = _("checked {route}").format(route=route)
            yield (
                f'<tr class="vq-step" style="background:none">{left}'
                f'<td class="vq-rhs" style="{cell}">{_typeset(f"{step.relation} {step.tex}")}</td>'
                f'<td class="vq-reason" style="{cell}">{_escape(step.because)} '
                f'<small class="vq-checked">✓ {html.escape(note)}</small></td></tr>'
            )
            left = f"{lhs}</td>"


def derive(label: str, *steps: Step) -> Derivation:
    """Verify a chain of steps, and return the derivation to show.

    Parameters
    ----------
    label : str
        Label of the equation that the chain proves, `eq-…`.
    *steps : Step
        `start(…)`, then at least one of `equals`, `at_most`, `at_least`. Each is compared with
        the step before it: SymPy expressions symbolically (at random points where SymPy cannot
        decide), numbers and arrays to `rtol`, estimates within four standard errors. That the
        values are computed independently is the author's duty; nothing here can see it.

    Returns
    -------
    Derivation
        Shows itself in a notebook and in the book.

    Raises
    ------
    DerivationError
        At the first step that does not hold, naming the step and both values.
    ValueError
        If the label or the chain is malformed.
    """
    check_instance("label", label, str, "the label of an equation, as text")
    if not re.fullmatch(r"eq-[a-z0-9-]+", label):
        raise ValueError(f"label={label!r}: expected 'eq-' and lower-case words with hyphens")
    for number, step in enumerate(steps):
        check_instance(f"steps[{number}]", step, Step, "what start, equals or the like give")
    if len(steps) < 2 or steps[0].relation or not all(step.relation for step in steps[1:]):
        raise ValueError(f"{label}: expected start(…) and then at least one further step")
    routes = []
    for number, (previous, step) in enumerate(pairwise(steps), start=1):
        try:
            routes.append(_compare(previous.value, step.value, step.relation, step.rtol))
        except _Disagreement as disagreement:
            raise DerivationError(
                _(
                    "{label}, step {number} does not hold.\n"
                    "  from   {before}\n  to     {relation} {after}\n  reason {because}\n"
                    "  values {left}\n     and {right}\n  {detail}"
                ).format(
                    label=label,
                    number=number,
                    before=previous.tex,
                    relation=step.relation,
                    after=step.tex,
                    because=step.because or "–",
                    left=_show(previous.value),
                    right=_show(step.value),
                    detail=disagreement,
                )
            ) from None
    return Derivation(label, steps, tuple(routes))


@dataclass(frozen=True, repr=False)
class Verification:
    """An equation that an independent route confirms; shows itself as one line."""

    label: str
    route: str
    kind: str

    def __repr__(self) -> str:
        return _("{label} holds: {route} ({how})").format(
            label=self.label, route=self.route, how=self.kind
        )

    def _repr_html_(self) -> str:
        return (
            f'<div class="vq-derivation vq-verified" data-vq-proves="{self.label}">'
            f"✓ {_escape(repr(self))}</div>"
        )


def verify(
    label: str,
    claimed: Any,
    independent: Any,
    *,
    route: str,
    relation: str = "=",
    rtol: float = RTOL,
) -> Verification:
    r"""Check one equation against an independent route, without a chain to show.

    Parameters
    ----------
    label : str
        Label of the equation, `eq-…`.
    claimed, independent : SymPy expression, number, array or Estimate
        The equation's value, and that of the other route.
    route : str
        The other route in words, such as `"quadrature"`.
    relation : {"=", "\\le", "\\ge"}
        How `claimed` relates to `independent`.
    rtol : float
        As in `equals`.

    Returns
    -------
    Verification
        Shows itself in one line.

    Raises
    ------
    DerivationError
        If the two disagree.
    """
    check_instance("route", route, str, "the other route in words")
    check_choice("relation", relation, ("=", r"\le", r"\ge"))
    step = Step(_("independently: {route}").format(route=route), independent, relation, "", rtol)
    chain = derive(label, start(_("as claimed"), claimed), step)
    return Verification(label, route, chain.routes[0])


# Comparing two values -----------------------------------------------------------------------------


class _Disagreement(Exception):
    """Two values differ; the message says how."""


def _compare(left: Any, right: Any, relation: str, rtol: float) -> str:
    """Compare two values, and name the kind of check; raise `_Disagreement` if they differ."""
    if _is_symbolic(left) and _is_symbolic(right):
        return _compare_symbolic(left, right, relation, rtol)
    for value in (left, right):
        if _is_symbolic(value) and value.free_symbols:
            raise _Disagreement(
                _("a formula with free symbols cannot be compared with a number: {value}").format(
                    value=value
                )
            )
    if isinstance(left, Estimate) or isinstance(right, Estimate):
        return _compare_estimates(_estimate(left), _estimate(right), relation)
    return _compare_numeric(_array(left), _array(right), relation, rtol)


def _compare_symbolic(left: Any, right: Any, relation: str, rtol: float) -> str:
    import sympy

    if getattr(left, "shape", ()) != getattr(right, "shape", ()):
        raise _Disagreement(
            _("the shapes {left} and {right} differ").format(
                left=getattr(left, "shape", ()), right=getattr(right, "shape", ())
            )
        )
    difference = sympy.sympify(left - right)
    entries = difference if difference.is_Matrix else [difference]
    if relation == "=" and all(_vanishes(entry) for entry in entries):
        return _("symbolically")
    # Undecided, or an inequality: evaluate both sides at random points of their domain.
    rng = np.random.default_rng(0)
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    for _point in range(RANDOM_POINTS):
        values = {symbol: _draw(symbol, rng) for symbol in symbols}
        a, b = (_array(sympy.sympify(side).subs(values).evalf(30)) for side in (left, right))
        try:
            _compare_numeric(a, b, relation, rtol)
        except _Disagreement as disagreement:
            where = ", ".join(f"{symbol} = {value}" for symbol, value in values.items())
            raise _Disagreement(f"{disagreement} at {where}" if where else disagreement) from None
    return _("at {n} random points").format(n=RANDOM_POINTS)


def _vanishes(expression: Any) -> bool:
    """Whether SymPy can show that `expression` is zero."""
    import sympy

    # Rewriting functions as exponentials over one denominator decides most cases in a hundredth of
    # the time that `simplify` takes.
    numerator, _denominator = sympy.fraction(
        sympy.together(sympy.expand(expression.rewrite(sympy.exp)))
    )
    return sympy.expand(numerator) == 0 or sympy.simplify(expression) == 0


def _draw(symbol: Any, rng: np.random.Generator) -> Any:
    """Draw a value that satisfies what SymPy assumes about `symbol`."""
    if symbol.is_integer:
        return int(rng.integers(1 if symbol.is_positive else -5, 6))
    low = 0.1 if symbol.is_positive else 0.0 if symbol.is_nonnegative else -3.0
    high = -0.1 if symbol.is_negative else 0.0 if symbol.is_nonpositive else 3.0
    return round(float(rng.uniform(low, high)), 6)


def _compare_estimates(left: Estimate, right: Estimate, relation: str) -> str:
    tolerance = STANDARD_ERRORS * math.hypot(left.standard_error, right.standard_error)
    difference = left.mean - right.mean
    if not _relation_holds(difference, tolerance, relation):
        raise _Disagreement(
            _("they differ by {difference:.3g}, but at most {allowed:.3g} is allowed").format(
                difference=difference, allowed=tolerance
            )
        )
    return _("by Monte Carlo within {n:g} standard errors").format(n=STANDARD_ERRORS)


def _compare_numeric(left: np.ndarray, right: np.ndarray, relation: str, rtol: float) -> str:
    if left.shape != right.shape and left.size != 1 and right.size != 1:
        raise _Disagreement(
            _("the shapes {left} and {right} differ").format(left=left.shape, right=right.shape)
        )
    if left.size == 0 or right.size == 0:
        raise _Disagreement(_("a value is empty"))
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise _Disagreement(_("a value is not finite"))
    scale = max(float(np.abs(left).max(initial=0)), float(np.abs(right).max(initial=0)), 1e-300)
    difference = np.asarray(left - right)
    # The entry that comes closest to breaking the relation.
    worst = {
        "=": difference.flat[np.abs(difference).argmax()],
        r"\le": difference.max(),
        r"\ge": difference.min(),
    }[relation]
    if not _relation_holds(float(worst), rtol * scale, relation):
        raise _Disagreement(
            _("they differ by {difference:.3g}, but at most {allowed:.3g} is allowed").format(
                difference=float(worst), allowed=rtol * scale
            )
        )
    return _("numerically to {rtol:.0e}").format(rtol=rtol)


def _relation_holds(difference: float, tolerance: float, relation: str) -> bool:
    """Whether left − right = `difference` agrees with the relation, up to a tolerance."""
    return {
        "=": abs(difference) <= tolerance,
        r"\le": difference <= tolerance,
        r"\ge": difference >= -tolerance,
    }[relation]


def _is_symbolic(value: Any) -> bool:
    import sympy

    return isinstance(value, sympy.Basic | sympy.MatrixBase)


def _estimate(value: Any) -> Estimate:
    if isinstance(value, Estimate):
        return value
    number = _array(value)
    if number.size != 1:
        raise _Disagreement(
            _("the shapes {left} and {right} differ").format(left=number.shape, right=())
        )
    return Estimate(number.item(), 0.0)


def _array(value: Any) -> np.ndarray:
    """Convert any value to a float64 array; torch tensors may carry a gradient."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        elif _is_symbolic(value):
            value = np.array(value.evalf().tolist() if hasattr(value, "tolist") else value.evalf())
        if np.iscomplexobj(value):  # NumPy would drop the imaginary part
            raise TypeError
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise _Disagreement(_("a value is not real: {value}").format(value=value)) from None


# Showing ------------------------------------------------------------------------------------------


def _show(value: Any) -> str:
    """Write a value on one line, with long arrays shortened."""
    if _is_symbolic(value) or isinstance(value, Estimate):
        return str(value)
    try:
        return np.array2string(_array(value), threshold=8, precision=10).replace("\n", " ")
    except _Disagreement:  # not a real value
        return str(value).replace("\n", " ")


def _typeset(tex: str) -> str:
    return rf"\(\displaystyle {html.escape(tex)}\)"


def _escape(text: str) -> str:
    r"""Escape, and turn ``$…$`` into ``\(…\)``, which the book and JupyterLab both typeset."""
    return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", html.escape(text))
