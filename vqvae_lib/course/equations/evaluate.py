r"""What a formula is worth, given the values of its symbols.

Everything is an array whose last two axes are the rows and columns of a matrix: a number is 1 × 1,
a vector a column. Axes before those, if there are any, are draws or grid points (`Samples`), and
all arithmetic goes through them one by one. If a value is symbolic, the arrays hold SymPy
expressions.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np

from vqvae_lib.course.compare import STANDARD_ERRORS, compare, is_symbolic, vanishes
from vqvae_lib.course.equations.syntax import PLACE, FormulaError, Node, Series, read_key
from vqvae_lib.course.words import _
from vqvae_lib.metrics import Estimate

__all__ = ["Case", "Misfit", "Samples"]

# What a value's own function may raise when it is called with a misprint's argument.
FAILURES = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
# A thousand times the precision of a float.
ROUNDING = 2e-13


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


class Case:
    """The symbols' values: what `values` or one of its items says.

    Parameters
    ----------
    values : mapping
        From the LaTeX of symbols to values.
    """

    def __init__(self, values: Mapping[str, Any]):
        self.values = values
        self.exact = any(map(_has_symbols, values.values()))
        self.arrays = {
            name: _read(name, value, self.exact)
            for name, value in values.items()
            if not isinstance(value, range | Estimate) and not callable(value)
        }
        # Of the argument places of each function, which are indices.
        self.scripts = {
            name: [
                before in ("_", "^")
                for before, place in pairwise(read_key(name).tokens)
                if place == PLACE
            ]
            for name, value in values.items()
            if callable(value)
        }
        # Estimates that took part since this was last emptied, and the one moved by its error.
        self.estimates: set[Any] = set()
        self.moved: Any = None
        self.largest = 0.0  # of the terms that were added up, since this was last set to zero
        self.shapes: dict[Node, tuple[int, ...]] = {}
        self._known: dict[Any, Any] = {}  # symbols as arrays, results of calls

    def holds(self, left: Node, right: Node, relation: str, rtol: float, *, prove: bool) -> str:
        """Compare two sides; name the kind of check, or raise `Disagreement`."""
        self.estimates, self.largest = set(), 0.0
        a, b = self.value(left), self.value(right)
        if a.shape[-2:] != b.shape[-2:] and "0" not in (left.tex, right.tex):
            raise Misfit(
                _("the shapes {left} and {right} differ").format(
                    left=a.shape[-2:], right=b.shape[-2:]
                )
            )
        if not self.estimates:
            a, b = _plain(a), _plain(b)
            if relation == "=" and (np.iscomplexobj(a) or np.iscomplexobj(b)):
                a, b = _split_complex(a, b)
            return compare(a, b, relation, rtol, atol=self._rounding(), prove=prove)
        error = self._standard_error(left, right, _number(a - b))
        return compare(Estimate(_number(a), error), _number(b), relation, rtol)

    def is_attained(self, left: Node, right: Node, rtol: float) -> bool:
        """Whether an inequality that holds is an equality here, in one entry at least."""
        self.estimates, self.largest = set(), 0.0
        a, b = self.plain(left), self.plain(right)
        if is_symbolic(a):
            return vanishes(a - b)
        scale = max(np.abs(a).max(), np.abs(b).max(), 1e-300)
        tolerance = max(rtol * scale, self._rounding())
        if self.estimates:
            tolerance = STANDARD_ERRORS * self._standard_error(left, right, float(a - b))
        return bool((np.abs(np.asarray(a) - b) <= tolerance).any())

    def _note(self, *terms: np.ndarray) -> None:
        """Remember the size of terms, of which a little is left where they cancel."""
        if not self.exact:
            sizes = [float(np.abs(term).max()) for term in terms]
            self.largest = max([self.largest, *filter(math.isfinite, sizes)])

    def _rounding(self) -> float:
        """Return what rounding may have left of terms that cancel."""
        return ROUNDING * self.largest

    def _standard_error(self, left: Node, right: Node, difference: float) -> float:
        """Move each estimate by its standard error in turn: the changes add in squares."""
        changes = []
        for estimate in list(self.estimates):
            self.moved = estimate
            changes.append(_number(self.value(left) - self.value(right)) - difference)
        self.moved = None
        return math.hypot(*changes)

    def plain(self, node: Node) -> Any:
        """Evaluate one side, and write it as its author would: numbers are no matrices."""
        return _plain(self.value(node))

    def value(self, node: Node) -> np.ndarray:
        """Evaluate one side; note the shapes of its nodes."""
        with np.errstate(all="ignore"):  # what is not finite is found by the comparison
            return self._value(node, {})

    def _value(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        method: Callable[[Node, dict[str, int]], np.ndarray] = getattr(
            self, "_" + node.kind.replace(" ", "_").replace("-", "_")
        )
        value = method(node, bound)
        self.shapes[node] = value.shape[-2:]
        return value

    def _parts(self, node: Node, bound: dict[str, int]) -> list[np.ndarray]:
        return [self._value(part, bound) for part in node.parts]

    def _lift(self, number: Any) -> np.ndarray:
        return _matrix(_convert(np.asarray(number), self.exact))

    # Symbols.

    def _symbol(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        value = self.values[node.data]
        if isinstance(value, Estimate):
            return self._estimate(node.data, value)
        if node.data not in self._known:
            array = self.arrays[node.data]
            if isinstance(array, list):
                raise Misfit(_("{tex} is a list: it needs an index").format(tex=node.tex))
            self._known[node.data] = _lift_array(node.tex, array, value)
        return self._known[node.data]

    def _estimate(self, key: Any, estimate: Estimate) -> np.ndarray:
        self.estimates.add(key)
        shift = estimate.standard_error if self.moved == key else 0.0
        return self._lift(float(estimate.mean) + float(shift))

    def _call(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        arguments = [
            self._whole(part, bound) if script else _plain(self._value(part, bound))
            for part, script in zip(node.parts, self.scripts[node.data], strict=True)
        ]
        key = (node.data, *map(_fingerprint, arguments))
        if key not in self._known:
            try:
                result = self.values[node.data](*arguments)
            except FAILURES as error:
                raise Misfit(f"{node.tex}: {type(error).__name__}: {error}") from error
            if not isinstance(result, Estimate):
                result = _lift_array(node.tex, _read(node.data, result, self.exact), result)
            self._known[key] = result
        result = self._known[key]
        return self._estimate(key, result) if isinstance(result, Estimate) else result

    def _index(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        """Take one item of a vector, matrix or family; the first is item 1."""
        base, *indices = node.parts
        places = [self._whole(index, bound) for index in indices]
        array = self.arrays.get(base.data) if base.kind == "symbol" else None
        if array is None:
            array = _plain(self._value(base, bound))
        value = self.values.get(base.data)
        if len(indices) == 1 < np.ndim(array) == len(indices[0].tex) and indices[0].tex.isdigit():
            places = [int(digit) for digit in indices[0].tex]  # C_{12}
        key = (node.tex, base.data, *places)
        if base.kind != "symbol" or key not in self._known:
            before = 1 if isinstance(value, Samples) else 0
            for place in places:
                sizes = (len(array),) if isinstance(array, list) else np.shape(array)[before:]
                if not sizes or not 1 <= place <= sizes[0]:
                    raise Misfit(
                        _("{tex}: there is no item {place}").format(tex=node.tex, place=place)
                    )
                array = array[:, place - 1] if before else array[place - 1]
            self._known[key] = _lift_array(node.tex, array, value)
        return self._known[key]

    def _bound(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        return self._lift(bound[node.data])

    def _whole(self, node: Node, bound: dict[str, int]) -> int:
        """Evaluate an index or a bound."""
        value = _plain(self._value(node, bound))
        if np.ndim(value) or value != (whole := round(_real(value))):
            raise Misfit(
                _("{tex}: expected a whole number, not {value}").format(tex=node.tex, value=value)
            )
        return whole

    # Numbers.

    def _number(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        if self.exact:
            import sympy

            return self._lift(sympy.Rational(node.data))
        return self._lift(float(node.data))

    def _constant(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        import sympy

        if self.exact:
            return self._lift(sympy.pi if node.data == r"\pi" else sympy.I)
        return self._lift(math.pi if node.data == r"\pi" else 1j)

    # Arithmetic.

    def _sum(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        first, *rest = self._parts(node, bound)
        self._note(first, *rest)
        total = -first if node.data[0] == "-" else first
        for sign, term in zip(node.data[1:], rest, strict=True):
            total = _add(node, total, -term if sign == "-" else term)
        return total

    def _product(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        first, *rest = self._parts(node, bound)
        for factor in rest:
            first = _multiply(node, first, factor)
        return first

    def _fraction(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        above, below = self._parts(node, bound)
        return above / _scalar(node, below)

    def _power(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        base, exponent = self._parts(node, bound)
        exponent = _scalar(node, exponent)
        if _is_scalar(base):
            return np.asarray(base**exponent)
        return self._repeat(node, base, exponent, lambda a, b: _multiply(node, a, b))

    def _repeat(self, node: Node, base: Any, exponent: Any, combine: Any) -> np.ndarray:
        times = _plain(exponent)
        if np.ndim(times) or times != (times := round(_real(times))) or not 1 <= times <= 64:
            raise Misfit(_("{tex}: expected a whole exponent").format(tex=node.tex))
        total = base
        for _again in range(times - 1):
            total = combine(total, base)
        return total

    def _inverse(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        (base,) = self._parts(node, bound)
        if _is_scalar(base):
            return 1 / base
        if base.shape[-1] != base.shape[-2]:
            raise Misfit(_("{tex}: only square matrices have inverses").format(tex=node.tex))
        if base.dtype == object:
            return _matrix(_convert(_sympy_matrix(base).inv(), True))
        try:
            return np.linalg.inv(base)
        except np.linalg.LinAlgError:
            raise Misfit(_("{tex}: the matrix is singular").format(tex=node.tex)) from None

    def _transpose(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        (base,) = self._parts(node, bound)
        turned = base if node.data == "conjugate" else np.swapaxes(base, -1, -2)
        return turned if node.data == "transpose" else np.conj(turned)

    def _root(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        return self._apply(node, "sqrt", *self._parts(node, bound))

    def _absolute(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        return self._apply(node, "abs", *self._parts(node, bound))

    def _norm(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        (inner,) = self._parts(node, bound)
        squares = np.real(inner * np.conj(inner)) if inner.dtype != object else inner * inner.conj()
        return self._apply(node, "sqrt", squares.sum((-2, -1), keepdims=True))

    def _extreme(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        parts = [_scalar(node, part) for part in self._parts(node, bound)]
        if self.exact:
            import sympy

            extreme = sympy.Max if node.data == r"\max" else sympy.Min
            return self._lift(extreme(*map(_plain, parts)))
        extremes = np.maximum if node.data == r"\max" else np.minimum
        total = parts[0]
        for part in parts[1:]:
            total = extremes(total, part)
        return total

    # Functions.

    def _function(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        (inner,) = self._parts(node, bound)
        name = node.data.removeprefix(r"\operatorname{").strip("\\}")
        if name in MATRIX_FUNCTIONS:
            if inner.shape[-1] != inner.shape[-2]:
                raise Misfit(_("{tex}: the matrix is not square").format(tex=node.tex))
            return MATRIX_FUNCTIONS[name](inner)
        if name == "Re":
            return (inner + np.conj(inner)) / 2 if self.exact else np.real(inner)
        if name == "Im":
            return (inner - np.conj(inner)) / self._lift(2j) if self.exact else np.imag(inner)
        return self._apply(node, NAMES.get(name, name), inner)

    def _apply(self, node: Node, name: str, inner: np.ndarray) -> np.ndarray:
        """Apply a function of numbers."""
        _scalar(node, inner)
        if self.exact:
            import sympy

            function = getattr(sympy, "Abs" if name == "abs" else name.replace("arc", "a"))
            return np.asarray(np.frompyfunc(function, 1, 1)(inner), dtype=object)
        if name in ("erf", "erfc"):
            import scipy.special

            return np.asarray(getattr(scipy.special, name)(inner))
        return np.asarray(getattr(np, name)(inner))

    # Sums over indices.

    def _series(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        total = None
        series: Series = node.data
        for indices in self._run(node, bound):
            value = self._value(node.parts[0], bound | indices)
            self._note(value)
            if total is None:
                total = value
            elif series.operator == r"\sum":
                total = _add(node, total, value)
            else:
                total = _multiply(node, total, value)
        return self._lift(int(series.operator == r"\prod")) if total is None else total

    def _run(self, node: Node, bound: dict[str, int]) -> Iterator[dict[str, int]]:
        """Give the values of the indices, one after the other."""
        series: Series = node.data
        body, *bounds = node.parts
        if series.relation == "=":
            low, high = (self._whole(part, bound) for part in bounds)
            yield from ({series.names[0]: i} for i in range(low, high + 1))
            return
        if not bounds:
            ranges = [self._range_of(node, name) for name in series.names]
            for together in product(*ranges):
                yield dict(zip(series.names, together, strict=True))
            return
        (name,) = series.names
        end = _real(_plain(self._value(bounds[0], bound)))
        indices: range
        if series.absolute:
            most = math.floor(end)
            indices = range(-most, most + 1)
        elif series.relation in (r"\le", "<") and not self._sizes(body, name):
            indices = self.values.get(name, range(1, math.floor(end) + 1))
        else:
            indices = self._range_of(node, name)
        fits = {
            r"\le": lambda i: i <= end,
            "<": lambda i: i < end,
            r"\ge": lambda i: i >= end,
            ">": lambda i: i > end,
        }[series.relation]
        yield from ({name: i} for i in indices if fits(abs(i) if series.absolute else i))

    def _range_of(self, node: Node, name: str) -> range:
        """Find how far an index runs: over all items of what it is an index of."""
        if name in self.values and isinstance(self.values[name], range):
            return self.values[name]
        sizes = self._sizes(node.parts[0], name)
        if len(sizes) != 1:
            raise FormulaError(
                _(
                    "{tex}: how far does {name} run? Nothing tells, or things of different length "
                    "do; give values[{name!r}] a range"
                ).format(tex=node.tex, name=name)
            )
        return range(1, sizes.pop() + 1)

    def _sizes(self, node: Node, name: str) -> set[int]:
        """Collect the lengths of the axes on which `name` is an index within `node`."""
        sizes = set()
        if node.kind == "index" and node.parts[0].kind == "symbol":
            base, *indices = node.parts
            array = self.arrays.get(base.data)
            before = isinstance(self.values[base.data], Samples)
            for axis, index in enumerate(indices):
                if index.kind == "bound" and index.data == name and array is not None:
                    shape = (len(array),) if isinstance(array, list) else array.shape[before:]
                    sizes |= set(shape[axis : axis + 1])
        return sizes.union(*(self._sizes(part, name) for part in node.parts))

    # Matrices and states.

    def _vector(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        return np.concatenate([_scalar(node, part) for part in self._parts(node, bound)], -2)

    def _matrix(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        entries = [_scalar(node, part)[..., 0, 0] for part in self._parts(node, bound)]
        entries = list(np.broadcast_arrays(*entries))
        return np.stack(entries, -1).reshape(*entries[0].shape, *node.data)

    def _kron(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        first, *rest = self._parts(node, bound)
        for factor in rest:
            first = np.kron(first, factor)
        return first

    def _kron_power(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        base, times = self._parts(node, bound)
        return self._repeat(node, base, times, np.kron)

    def _ket(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        state = np.zeros(2 ** len(node.data), dtype=int)
        state[int(node.data, 2)] = 1
        return _matrix(_convert(state, self.exact))

    def _bra(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        return self._ket(node, bound).T

    def _bra_ket(self, node: Node, bound: dict[str, int]) -> np.ndarray:
        left, right = self._parts(node, bound)
        return _multiply(node, np.conj(np.swapaxes(left, -1, -2)), right)


NAMES = {"ln": "log"}


def _trace(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.trace(x, axis1=-2, axis2=-1))[..., None, None]


def _determinant(x: np.ndarray) -> np.ndarray:
    if x.dtype == object:
        return np.array([[_sympy_matrix(x).det()]], dtype=object)
    return np.asarray(np.linalg.det(x))[..., None, None]


MATRIX_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tr": _trace,
    "det": _determinant,
    "rank": lambda x: np.asarray(np.linalg.matrix_rank(x), float)[..., None, None],
}


# Arrays -------------------------------------------------------------------------------------------


def _read(name: str, value: Any, exact: bool) -> Any:
    """Convert a value to an array, or a list of arrays of different shapes."""
    if isinstance(value, Samples):
        value = value.values
    if isinstance(value, list | tuple):
        items = [_read(f"{name}[{i}]", item, exact) for i, item in enumerate(value)]
        same = len({np.shape(item) for item in items}) == 1
        return np.stack(items) if same else items
    if is_symbolic(value):
        return _convert(value, exact)
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
    return _convert(array, exact)


def _has_symbols(value: Any) -> bool:
    return is_symbolic(value) or (isinstance(value, list | tuple) and any(map(_has_symbols, value)))


def _convert(value: Any, exact: bool) -> np.ndarray:
    if is_symbolic(value):
        array = np.array(value.tolist() if hasattr(value, "tolist") else value, dtype=object)
        return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    array = np.asarray(value)
    if exact:
        import sympy

        return np.asarray(np.frompyfunc(sympy.sympify, 1, 1)(array.tolist()), dtype=object)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _lift_array(tex: str, array: Any, value: Any) -> np.ndarray:
    """Give an array its last two axes; a family needs an index first."""
    draws = 1 if isinstance(value, Samples) else 0
    axes = np.ndim(array) - draws
    if isinstance(array, list) or not 0 <= axes <= 2:
        raise Misfit(_("{tex} has {n} axes: it needs an index").format(tex=tex, n=axes))
    return array.reshape(*array.shape, *(1,) * (2 - axes))


def _matrix(array: np.ndarray) -> np.ndarray:
    return array.reshape(*array.shape, *(1,) * (2 - array.ndim))


def _sympy_matrix(array: np.ndarray) -> Any:
    import sympy

    return sympy.Matrix(array.tolist())


def _plain(array: np.ndarray) -> Any:
    """Undo the lifting: a number, a vector or a matrix, or an array of them."""
    if array.dtype == object:
        return array[0, 0] if array.shape == (1, 1) else _sympy_matrix(array)
    if array.shape[-1] == 1:
        array = array[..., 0]
        if array.shape[-1] == 1:
            array = array[..., 0]
    return array.item() if array.ndim == 0 else array


def _split_complex(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Put real and imaginary parts beside each other, since a comparison takes real numbers."""
    try:
        a, b = np.broadcast_arrays(a, b)
    except ValueError:
        raise Misfit(
            _("the shapes {left} and {right} differ").format(left=np.shape(a), right=np.shape(b))
        ) from None
    return np.stack([np.real(a), np.imag(a)]), np.stack([np.real(b), np.imag(b)])


def _number(array: np.ndarray) -> float:
    """Read the one real number that an expression with estimates must be."""
    if array.size != 1:
        raise Misfit(_("an estimate is compared with something of shape {s}").format(s=array.shape))
    return _real(array.item())


def _real(value: Any) -> float:
    try:
        return float(value)
    except TypeError:
        raise Misfit(_("expected one real number, not {value}").format(value=value)) from None


def _fingerprint(argument: Any) -> Any:
    if isinstance(argument, np.ndarray):
        return argument.shape, argument.tobytes()
    return argument


def _is_scalar(array: np.ndarray) -> bool:
    return array.shape[-2:] == (1, 1)


def _scalar(node: Node, array: np.ndarray) -> np.ndarray:
    if not _is_scalar(array):
        raise Misfit(
            _("{tex}: expected a number, not a matrix of shape {shape}").format(
                tex=node.tex, shape=array.shape[-2:]
            )
        )
    return array


def _add(node: Node, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.shape[-2:] != b.shape[-2:]:
        raise Misfit(
            _("{tex}: the shapes {left} and {right} do not fit").format(
                tex=node.tex, left=a.shape[-2:], right=b.shape[-2:]
            )
        )
    return np.asarray(a + b)


def _multiply(node: Node, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if _is_scalar(a) or _is_scalar(b):
        return np.asarray(a * b)
    if a.shape[-1] != b.shape[-2]:
        raise Misfit(
            _("{tex}: the shapes {left} and {right} do not fit").format(
                tex=node.tex, left=a.shape[-2:], right=b.shape[-2:]
            )
        )
    return np.asarray(a @ b)
