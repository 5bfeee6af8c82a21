r"""What a formula is worth, given the values of its symbols.

A method for each kind of node turns the values of its parts into its own.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise, product
from typing import Any

import numpy as np

from vqvae_lib.course.compare import STANDARD_ERRORS, compare, is_symbolic, vanishes
from vqvae_lib.course.equations.arrays import (
    Misfit,
    Samples,
    add,
    as_matrix,
    convert,
    fingerprint,
    has_symbols,
    is_scalar,
    lift,
    multiply,
    need_scalar,
    plain,
    read_value,
    split_complex,
    to_number,
    to_real,
    to_sympy,
)
from vqvae_lib.course.equations.syntax import PLACE, FormulaError, Node, Series, read_key
from vqvae_lib.course.words import _
from vqvae_lib.metrics import Estimate

__all__ = ["Case"]

# What a value's own function may raise when it is called with a misprint's argument.
FAILURES = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
# A thousand times the precision of a float.
ROUNDING = 2e-13
# Nodes that can have an axis of indices before those of the matrix, and how many at a time.
AT_ONCE = {
    *("index", "bound", "number", "constant", "sum", "product", "fraction", "inverse", "transpose"),
    *("root", "absolute", "norm", "function"),
}
BLOCK = 256


class Case:
    """The symbols' values: what `values` or one of its items says.

    Parameters
    ----------
    values : mapping
        From the LaTeX of symbols to values.
    """

    def __init__(self, values: Mapping[str, Any]):
        self.values = values
        self.exact = any(map(has_symbols, values.values()))
        self.arrays = {
            name: read_value(name, value, self.exact)
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
            a, b = plain(a), plain(b)
            if relation == "=" and (np.iscomplexobj(a) or np.iscomplexobj(b)):
                a, b = split_complex(a, b)
            return compare(a, b, relation, rtol, atol=self._rounding(), prove=prove)
        error = self._standard_error(left, right, to_number(a - b))
        return compare(Estimate(to_number(a), error), to_number(b), relation, rtol)

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
            changes.append(to_number(self.value(left) - self.value(right)) - difference)
        self.moved = None
        return math.hypot(*changes)

    def plain(self, node: Node) -> Any:
        """Evaluate one side, and write it as its author would: numbers are no matrices."""
        return plain(self.value(node))

    def value(self, node: Node) -> np.ndarray:
        """Evaluate one side; note the shapes of its nodes."""
        with np.errstate(all="ignore"):  # what is not finite is found by the comparison
            return self._value(node, {})

    def _value(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        method: Callable[[Node, dict[str, int]], np.ndarray] = getattr(
            self, "_" + node.kind.replace(" ", "_").replace("-", "_")
        )
        value = method(node, bound)
        self.shapes[node] = value.shape[-2:]
        return value

    def _parts(self, node: Node, bound: dict[str, Any]) -> list[np.ndarray]:
        return [self._value(part, bound) for part in node.parts]

    def _lift(self, number: Any) -> np.ndarray:
        return as_matrix(convert(np.asarray(number), self.exact))

    # Symbols.

    def _symbol(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        value = self.values[node.data]
        if isinstance(value, Estimate):
            return self._estimate(node.data, value)
        if node.data not in self._known:
            array = self.arrays[node.data]
            if isinstance(array, list):
                raise Misfit(_("{tex} is a list: it needs an index").format(tex=node.tex))
            self._known[node.data] = lift(node.tex, array, value)
        return self._known[node.data]

    def _estimate(self, key: Any, estimate: Estimate) -> np.ndarray:
        self.estimates.add(key)
        shift = estimate.standard_error if self.moved == key else 0.0
        return self._lift(float(estimate.mean) + float(shift))

    def _call(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        arguments = [
            self._whole(part, bound) if script else plain(self._value(part, bound))
            for part, script in zip(node.parts, self.scripts[node.data], strict=True)
        ]
        key = (node.data, *map(fingerprint, arguments))
        if key not in self._known:
            try:
                result = self.values[node.data](*arguments)
            except FAILURES as error:
                raise Misfit(f"{node.tex}: {type(error).__name__}: {error}") from error
            if not isinstance(result, Estimate):
                result = lift(node.tex, read_value(node.data, result, self.exact), result)
            self._known[key] = result
        result = self._known[key]
        return self._estimate(key, result) if isinstance(result, Estimate) else result

    def _index(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        """Take one item of a vector, matrix or family; the first is item 1."""
        base, *indices = node.parts
        places = [self._whole(index, bound) for index in indices]
        array = self.arrays.get(base.data) if base.kind == "symbol" else None
        if array is None:
            array = plain(self._value(base, bound))
        value = self.values.get(base.data)
        if len(indices) == 1 < np.ndim(array) == len(indices[0].tex) and indices[0].tex.isdigit():
            places = [int(digit) for digit in indices[0].tex]  # C_{12}
        if any(isinstance(place, np.ndarray) for place in places):
            return self._items(node, array, places)
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
            self._known[key] = lift(node.tex, array, value)
        return self._known[key]

    def _items(self, node: Node, array: np.ndarray, places: list[Any]) -> np.ndarray:
        """Take many items at once: an index of a sum that is evaluated in one go."""
        for place, size in zip(places, (*array.shape, 0, 0), strict=False):
            if np.min(place) < 1 or np.max(place) > size:
                raise Misfit(
                    _("{tex}: there is no item {place}").format(tex=node.tex, place=np.max(place))
                )
        items = array[tuple(place - 1 for place in places)]
        return lift(node.tex, items, Samples(items))

    def _bound(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        index = bound[node.data]
        return self._lift(index[:, None, None] if isinstance(index, np.ndarray) else index)

    def _whole(self, node: Node, bound: dict[str, Any]) -> Any:
        """Evaluate an index or a bound."""
        if node.kind == "bound":
            return bound[node.data]
        array = self._value(node, bound)
        if array.ndim == 3 and (array == np.round(array)).all():
            return array[:, 0, 0].astype(int)
        value = plain(array)
        if np.ndim(value) or value != (whole := round(to_real(value))):
            raise Misfit(
                _("{tex}: expected a whole number, not {value}").format(tex=node.tex, value=value)
            )
        return whole

    # Numbers.

    def _number(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        if self.exact:
            import sympy

            return self._lift(sympy.Rational(node.data))
        return self._lift(float(node.data))

    def _constant(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        import sympy

        if self.exact:
            return self._lift(sympy.pi if node.data == r"\pi" else sympy.I)
        return self._lift(math.pi if node.data == r"\pi" else 1j)

    # Arithmetic.

    def _sum(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        first, *rest = self._parts(node, bound)
        self._note(first, *rest)
        total = -first if node.data[0] == "-" else first
        for sign, term in zip(node.data[1:], rest, strict=True):
            total = add(node, total, -term if sign == "-" else term)
        return total

    def _product(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        first, *rest = self._parts(node, bound)
        for factor in rest:
            first = multiply(node, first, factor)
        return first

    def _fraction(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        above, below = self._parts(node, bound)
        return above / need_scalar(node, below)

    def _power(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        base, exponent = self._parts(node, bound)
        exponent = need_scalar(node, exponent)
        if is_scalar(base):
            return np.asarray(base**exponent)
        return self._repeat(node, base, exponent, lambda a, b: multiply(node, a, b))

    def _repeat(self, node: Node, base: Any, exponent: Any, combine: Any) -> np.ndarray:
        times = plain(exponent)
        if np.ndim(times) or times != (times := round(to_real(times))) or not 1 <= times <= 64:
            raise Misfit(_("{tex}: expected a whole exponent").format(tex=node.tex))
        total = base
        for _again in range(times - 1):
            total = combine(total, base)
        return total

    def _inverse(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        (base,) = self._parts(node, bound)
        if is_scalar(base):
            return 1 / base
        if base.shape[-1] != base.shape[-2]:
            raise Misfit(_("{tex}: only square matrices have inverses").format(tex=node.tex))
        if base.dtype == object:
            return as_matrix(convert(to_sympy(base).inv(), True))
        try:
            return np.linalg.inv(base)
        except np.linalg.LinAlgError:
            raise Misfit(_("{tex}: the matrix is singular").format(tex=node.tex)) from None

    def _transpose(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        (base,) = self._parts(node, bound)
        turned = base if node.data == "conjugate" else np.swapaxes(base, -1, -2)
        return turned if node.data == "transpose" else np.conj(turned)

    def _root(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        return self._apply(node, "sqrt", *self._parts(node, bound))

    def _absolute(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        return self._apply(node, "abs", *self._parts(node, bound))

    def _norm(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        (inner,) = self._parts(node, bound)
        squares = np.real(inner * np.conj(inner)) if inner.dtype != object else inner * inner.conj()
        return self._apply(node, "sqrt", squares.sum((-2, -1), keepdims=True))

    def _extreme(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        parts = [need_scalar(node, part) for part in self._parts(node, bound)]
        if self.exact:
            import sympy

            extreme = sympy.Max if node.data == r"\max" else sympy.Min
            return self._lift(extreme(*map(plain, parts)))
        extremes = np.maximum if node.data == r"\max" else np.minimum
        total = parts[0]
        for part in parts[1:]:
            total = extremes(total, part)
        return total

    # Functions.

    def _function(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
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
        need_scalar(node, inner)
        if self.exact:
            import sympy

            function = getattr(sympy, "Abs" if name == "abs" else name.replace("arc", "a"))
            return np.asarray(np.frompyfunc(function, 1, 1)(inner), dtype=object)
        if name in ("erf", "erfc"):
            import scipy.special

            return np.asarray(getattr(scipy.special, name)(inner))
        return np.asarray(getattr(np, name)(inner))

    # Sums over indices.

    def _series(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        total = None
        series: Series = node.data
        if self._goes_at_once(node.parts[0], series):
            return self._sum_at_once(node, bound)
        for indices in self._run(node, bound):
            value = self._value(node.parts[0], bound | indices)
            self._note(value)
            if total is None:
                total = value
            elif series.operator == r"\sum":
                total = add(node, total, value)
            else:
                total = multiply(node, total, value)
        return self._lift(int(series.operator == r"\prod")) if total is None else total

    def _goes_at_once(self, body: Node, series: Series) -> bool:
        """Whether an index may be an array of all its values, on an axis before the matrix."""
        if self.exact or series.operator != r"\sum" or len(series.names) > 1:
            return False

        def is_plain(node: Node) -> bool:
            if node.kind == "symbol":
                value, array = self.values[node.data], self.arrays.get(node.data)
                return not isinstance(value, Samples) and not isinstance(array, list)
            if node.kind == "index" and node.parts[0].kind != "symbol":
                return False
            if node.kind == "power":
                return node.parts[1].kind == "number" and is_plain(node.parts[0])
            return node.kind in AT_ONCE and all(map(is_plain, node.parts))

        return is_plain(body)

    def _sum_at_once(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        (name,) = node.data.names
        indices = np.array([run[name] for run in self._run(node, bound)], dtype=int)
        total = None
        for start in range(0, len(indices), BLOCK):
            block = indices[start : start + BLOCK]
            values = self._value(node.parts[0], bound | {name: block})
            self._note(values)
            part = values.sum(0) if values.ndim == 3 else len(block) * values
            total = part if total is None else total + part
        return self._lift(0) if total is None else total

    def _run(self, node: Node, bound: dict[str, Any]) -> Iterator[dict[str, int]]:
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
        end = to_real(plain(self._value(bounds[0], bound)))
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

    def _vector(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        return np.concatenate([need_scalar(node, part) for part in self._parts(node, bound)], -2)

    def _matrix(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        entries = [need_scalar(node, part)[..., 0, 0] for part in self._parts(node, bound)]
        entries = list(np.broadcast_arrays(*entries))
        return np.stack(entries, -1).reshape(*entries[0].shape, *node.data)

    def _kron(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        first, *rest = self._parts(node, bound)
        for factor in rest:
            first = np.kron(first, factor)
        return first

    def _kron_power(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        base, times = self._parts(node, bound)
        return self._repeat(node, base, times, np.kron)

    def _ket(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        state = np.zeros(2 ** len(node.data), dtype=int)
        state[int(node.data, 2)] = 1
        return as_matrix(convert(state, self.exact))

    def _bra(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        return self._ket(node, bound).T

    def _bra_ket(self, node: Node, bound: dict[str, Any]) -> np.ndarray:
        left, right = self._parts(node, bound)
        return multiply(node, np.conj(np.swapaxes(left, -1, -2)), right)


NAMES = {"ln": "log"}


def _trace(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.trace(x, axis1=-2, axis2=-1))[..., None, None]


def _determinant(x: np.ndarray) -> np.ndarray:
    if x.dtype == object:
        return np.array([[to_sympy(x).det()]], dtype=object)
    return np.asarray(np.linalg.det(x))[..., None, None]


MATRIX_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tr": _trace,
    "det": _determinant,
    "rank": lambda x: np.asarray(np.linalg.matrix_rank(x), float)[..., None, None],
}
