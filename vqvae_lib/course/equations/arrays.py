"""Values as arrays: what the evaluation of a formula is made of.

Everything is an array whose last two axes are the rows and columns of a matrix: a number is 1 × 1,
a vector a column. Axes before those, if there are any, are draws or grid points (`Samples`), and
all arithmetic goes through them one by one. If a value is symbolic, the arrays hold SymPy
expressions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vqvae_lib.course.compare import is_symbolic
from vqvae_lib.course.equations.syntax import FormulaError, Node
from vqvae_lib.course.words import _

__all__ = [
    "Misfit",
    "Samples",
    "add",
    "as_matrix",
    "convert",
    "fingerprint",
    "has_symbols",
    "is_scalar",
    "lift",
    "multiply",
    "need_scalar",
    "plain",
    "read_value",
    "split_complex",
    "to_number",
    "to_real",
    "to_sympy",
]


class Misfit(Exception):
    """Values that cannot be put together in this way: their shapes do not fit, or the like."""


@dataclass(frozen=True, eq=False)
class Samples:
    r"""One value for each draw or grid point, such as $z$ within $\mathbb E_q[\,\cdot\,]$.

    Attributes
    ----------
    values : array or tensor, shape (S,), (S, d) or (S, r, c)
        Numbers, vectors or matrices; arithmetic goes draw by draw.
    """

    values: Any


def read_value(name: str, value: Any, exact: bool) -> Any:
    """Convert a value to an array, or a list of arrays of different shapes."""
    if isinstance(value, Samples):
        value = value.values
    if isinstance(value, list | tuple):
        items = [read_value(f"{name}[{i}]", item, exact) for i, item in enumerate(value)]
        same = len({np.shape(item) for item in items}) == 1
        return np.stack(items) if same else items
    if is_symbolic(value):
        return convert(value, exact)
    try:
        value = value.detach().cpu() if hasattr(value, "detach") else value
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # a tensor without numbers, or a sparse one
        array = np.empty(0)
    if array.dtype.kind not in "iufc" or not array.size:
        raise FormulaError(
            _("values[{name!r}] is {value}: expected numbers, or an expression of SymPy's").format(
                name=name, value=str(value)[:80]
            )
        )
    return convert(array, exact)


def has_symbols(value: Any) -> bool:
    """Whether a value, or an item of a list, is an expression of SymPy's."""
    return is_symbolic(value) or (isinstance(value, list | tuple) and any(map(has_symbols, value)))


def convert(value: Any, exact: bool) -> np.ndarray:
    """Convert numbers to floats, or to SymPy's numbers where the rest is symbolic."""
    if is_symbolic(value):
        array = np.array(value.tolist() if hasattr(value, "tolist") else value, dtype=object)
        return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    array = np.asarray(value)
    if exact:
        import sympy

        return np.asarray(np.frompyfunc(sympy.sympify, 1, 1)(array.tolist()), dtype=object)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def lift(tex: str, array: Any, value: Any) -> np.ndarray:
    """Give an array its last two axes; a family needs an index first."""
    draws = 1 if isinstance(value, Samples) else 0
    axes = np.ndim(array) - draws
    if isinstance(array, list) or not 0 <= axes <= 2:
        raise Misfit(_("{tex} has {n} axes: it needs an index").format(tex=tex, n=axes))
    return array.reshape(*array.shape, *(1,) * (2 - axes))


def as_matrix(array: np.ndarray) -> np.ndarray:
    """Give a number, a vector or a matrix two axes."""
    return array.reshape(*array.shape, *(1,) * (2 - array.ndim))


def to_sympy(array: np.ndarray) -> Any:
    """Convert to a matrix of SymPy's."""
    import sympy

    return sympy.Matrix(array.tolist())


def plain(array: np.ndarray) -> Any:
    """Undo the lifting: a number, a vector or a matrix, or an array of them."""
    if array.dtype == object:
        return array[0, 0] if array.shape == (1, 1) else to_sympy(array)
    if array.shape[-1] == 1:
        array = array[..., 0]
        if array.shape[-1] == 1:
            array = array[..., 0]
    return array.item() if array.ndim == 0 else array


def split_complex(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Put real and imaginary parts beside each other, since a comparison takes real numbers."""
    try:
        a, b = np.broadcast_arrays(a, b)
    except ValueError:
        raise Misfit(
            _("the shapes {left} and {right} differ").format(left=np.shape(a), right=np.shape(b))
        ) from None
    return np.stack([np.real(a), np.imag(a)]), np.stack([np.real(b), np.imag(b)])


def to_number(array: np.ndarray) -> float:
    """Read the one real number that an expression with estimates must be."""
    if array.size != 1:
        raise Misfit(_("an estimate is compared with something of shape {s}").format(s=array.shape))
    return to_real(array.item())


def to_real(value: Any) -> float:
    """Read one real number."""
    try:
        return float(value)
    except TypeError:
        raise Misfit(_("expected one real number, not {value}").format(value=value)) from None


def fingerprint(argument: Any) -> Any:
    """Return what tells one argument of a call from another."""
    if isinstance(argument, np.ndarray):
        return argument.shape, argument.tobytes()
    return argument


def is_scalar(array: np.ndarray) -> bool:
    """Whether this is a number, or one for each draw."""
    return array.shape[-2:] == (1, 1)


def need_scalar(node: Node, array: np.ndarray) -> np.ndarray:
    """Refuse what is not a number."""
    if not is_scalar(array):
        raise Misfit(
            _("{tex}: expected a number, not a matrix of shape {shape}").format(
                tex=node.tex, shape=array.shape[-2:]
            )
        )
    return array


def add(node: Node, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Add numbers, or matrices of the same shape."""
    if a.shape[-2:] != b.shape[-2:]:
        raise _misfit(node, a, b)
    return _each(np.add, node, a, b)


def multiply(node: Node, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply matrices, or anything by a number."""
    if is_scalar(a) or is_scalar(b):
        return _each(np.multiply, node, a, b)
    if a.shape[-1] != b.shape[-2]:
        raise _misfit(node, a, b)
    return _each(np.matmul, node, a, b)


def _each(operation: Any, node: Node, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Go draw by draw."""
    try:
        return np.asarray(operation(a, b))
    except ValueError:  # there are not as many draws
        raise _misfit(node, a, b) from None


def _misfit(node: Node, a: np.ndarray, b: np.ndarray) -> Misfit:
    return Misfit(
        _("{tex}: the shapes {left} and {right} do not fit").format(
            tex=node.tex, left=a.shape, right=b.shape
        )
    )
