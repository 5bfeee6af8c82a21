"""Two values and a relation: whether it holds between them, and how that was found out.

Values are numbers, arrays, SymPy expressions or Monte Carlo estimates. Derivations and equations
are both checked by this one comparison.
"""

import math
from typing import Any

import numpy as np

from vqvae_lib.course.words import _
from vqvae_lib.metrics import Estimate

__all__ = [
    "RTOL",
    "STANDARD_ERRORS",
    "Disagreement",
    "compare",
    "is_symbolic",
    "show",
    "to_array",
    "vanishes",
]

RTOL = 1e-9
# A Monte Carlo value must lie within this many standard errors: one false alarm in 16,000.
STANDARD_ERRORS = 4.0
RANDOM_POINTS = 50


class Disagreement(Exception):
    """Two values differ; the message says how."""


def compare(
    left: Any, right: Any, relation: str, rtol: float, *, atol: float = 0.0, prove: bool = True
) -> str:
    r"""Compare two values, and name the kind of check.

    Parameters
    ----------
    left, right : SymPy expression, number, array or Estimate
        What stands on the two sides.
    relation : {"=", "\\le", "\\ge", "<", ">"}
        What must hold between them, entry by entry.
    rtol : float
        Tolerance, relative to the largest entry of the two.
    atol : float
        What numbers may differ by in any case: the rounding error of what they were made of.
    prove : bool
        Whether to try a proof before SymPy expressions are compared at random points.

    Raises
    ------
    Disagreement
        If the relation does not hold, or the two cannot be compared.
    """
    if is_symbolic(left) and is_symbolic(right):
        return _compare_symbolic(left, right, relation, rtol, prove)
    for value in (left, right):
        if is_symbolic(value) and value.free_symbols:
            raise Disagreement(
                _("a formula with free symbols cannot be compared with a number: {value}").format(
                    value=value
                )
            )
    if isinstance(left, Estimate) or isinstance(right, Estimate):
        return _compare_estimates(_estimate(left), _estimate(right), relation)
    return _compare_numeric(to_array(left), to_array(right), relation, rtol, atol)


def _compare_symbolic(left: Any, right: Any, relation: str, rtol: float, prove: bool) -> str:
    import sympy

    if getattr(left, "shape", ()) != getattr(right, "shape", ()):
        raise Disagreement(
            _("the shapes {left} and {right} differ").format(
                left=getattr(left, "shape", ()), right=getattr(right, "shape", ())
            )
        )
    if prove and relation == "=" and vanishes(left - right):
        return _("symbolically")
    # Undecided, or an inequality: evaluate both sides at random points of their domain.
    rng = np.random.default_rng(0)
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    for _point in range(RANDOM_POINTS):
        values = {symbol: _draw(symbol, rng) for symbol in symbols}
        a, b = (to_array(sympy.sympify(side).subs(values).evalf(30)) for side in (left, right))
        try:
            _compare_numeric(a, b, relation, rtol)
        except Disagreement as disagreement:
            where = ", ".join(f"{symbol} = {value}" for symbol, value in values.items())
            raise Disagreement(f"{disagreement} at {where}" if where else disagreement) from None
    return _("at {n} random points").format(n=RANDOM_POINTS)


def vanishes(difference: Any) -> bool:
    """Whether SymPy can show that an expression, or each entry of a matrix, is zero."""
    import sympy

    difference = sympy.sympify(difference)
    if difference.is_Matrix:
        return all(vanishes(entry) for entry in difference)
    # Rewriting functions as exponentials over one denominator decides most cases in a hundredth of
    # the time that `simplify` takes.
    numerator, _denominator = sympy.fraction(
        sympy.together(sympy.expand(difference.rewrite(sympy.exp)))
    )
    return sympy.expand(numerator) == 0 or sympy.simplify(difference) == 0


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
        raise Disagreement(
            _("they differ by {difference:.3g}, but at most {allowed:.3g} is allowed").format(
                difference=difference, allowed=tolerance
            )
        )
    return _("by Monte Carlo within {n:g} standard errors").format(n=STANDARD_ERRORS)


def _compare_numeric(
    left: np.ndarray, right: np.ndarray, relation: str, rtol: float, atol: float = 0.0
) -> str:
    if left.shape != right.shape and left.size != 1 and right.size != 1:
        raise Disagreement(
            _("the shapes {left} and {right} differ").format(left=left.shape, right=right.shape)
        )
    if left.size == 0 or right.size == 0:
        raise Disagreement(_("a value is empty"))
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise Disagreement(_("a value is not finite"))
    scale = max(float(np.abs(left).max(initial=0)), float(np.abs(right).max(initial=0)), 1e-300)
    tolerance = max(rtol * scale, atol)
    difference = np.asarray(left - right)
    # The entry that comes closest to breaking the relation.
    worst = {
        "=": difference.flat[np.abs(difference).argmax()],
        r"\le": difference.max(),
        r"\ge": difference.min(),
        "<": difference.max(),
        ">": difference.min(),
    }[relation]
    if not _relation_holds(float(worst), tolerance, relation):
        raise Disagreement(
            _("they differ by {difference:.3g}, but at most {allowed:.3g} is allowed").format(
                difference=float(worst), allowed=tolerance
            )
        )
    return _("numerically to {rtol:.0e}").format(rtol=rtol)


def _relation_holds(difference: float, tolerance: float, relation: str) -> bool:
    """Whether left − right = `difference` agrees with the relation, up to a tolerance."""
    return {
        "=": abs(difference) <= tolerance,
        r"\le": difference <= tolerance,
        r"\ge": difference >= -tolerance,
        "<": difference < -tolerance,
        ">": difference > tolerance,
    }[relation]


def is_symbolic(value: Any) -> bool:
    """Whether a value is a SymPy expression or matrix."""
    import sympy

    return isinstance(value, sympy.Basic | sympy.MatrixBase)


def _estimate(value: Any) -> Estimate:
    if isinstance(value, Estimate):
        return value
    number = to_array(value)
    if number.size != 1:
        raise Disagreement(
            _("the shapes {left} and {right} differ").format(left=number.shape, right=())
        )
    return Estimate(number.item(), 0.0)


def to_array(value: Any) -> np.ndarray:
    """Convert any value to a float64 array; torch tensors may carry a gradient."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        elif is_symbolic(value):
            value = np.array(value.evalf().tolist() if hasattr(value, "tolist") else value.evalf())
        if np.iscomplexobj(value):  # NumPy would drop the imaginary part
            raise TypeError
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise Disagreement(_("a value is not real: {value}").format(value=value)) from None


def show(value: Any) -> str:
    """Write a value on one line, with long arrays shortened."""
    if is_symbolic(value) or isinstance(value, Estimate):
        return str(value)
    try:
        return np.array2string(to_array(value), threshold=8, precision=10).replace("\n", " ")
    except Disagreement:  # not a real value
        return str(value).replace("\n", " ")
