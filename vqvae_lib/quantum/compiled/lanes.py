"""One value for many samples: a SIMD type for numba.

A processor adds eight or sixteen pairs of float32 numbers in one instruction. To use that here,
`Vec` is one numba value that holds the same quantity of `width(dtype)` *samples*: it lives in one
register of the processor, and ``c * a - s * b`` on such values reads as on plain numbers. Kernels
are therefore written for one sample and run for a register of them. (Plain loops over samples,
left to the compiler's own vectoriser, were 2 to 24 times slower.)

Arrays hold such values as *rows* of `width` neighbouring numbers: ``load(a, i)`` is row i. The
rows of an amplitude, real and imaginary part, lie side by side.

====================  ==================================================================
``load(a, i)``        row i of the array `a` as a Vec
``store(a, i, v)``    write a Vec to row i
``add(a, i, v)``      add a Vec to row i
``full(x)``           a Vec with x for every sample
``total(v)``          the sum over samples, a plain number
``load_rows``         the 2**g rows whose index differs in g neighbouring bits, as a tuple
``store_rows``        write them back
``turn``              rotate such a tuple by g angles
``turn_back``         undo it on a state and its gradient, and collect the angles' gradients
``products``          the products of amplitudes that make ⟨X⟩ and ⟨Y⟩ of g qubits
``products_back``     their gradients
``+ - * /``           of two Vec, or of a Vec and a plain number
====================  ==================================================================

`load_rows` and what acts on such rows are the inner loops of every circuit. Their loops over pairs
of rows run here, while the code is generated: the processor sees straight-line code on registers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

__all__ = [
    "add",
    "full",
    "load",
    "load_rows",
    "products",
    "products_back",
    "store",
    "store_rows",
    "total",
    "turn",
    "turn_back",
    "width",
]

# One register: 64 bytes with AVX-512, 32 with AVX2. Narrower machines spread a Vec over two.
_BYTES = 64 if llvm.get_host_cpu_features().get("avx512f") else 32
# Products may be fused with sums, and sums reordered. NaN and infinity keep their meaning.
FAST = ("contract", "reassoc", "nsz")

_SCALAR = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}
_INT = ir.IntType(32)


def width(itemsize: int) -> int:
    """Samples in one Vec, of numbers of 4 or 8 bytes."""
    return _BYTES // itemsize


class _VecType(types.Type):
    """The numba type; `element` is float32 or float64."""

    def __init__(self, element: types.Float) -> None:
        self.element = element
        self.lanes = 8 * _BYTES // element.bitwidth
        super().__init__(name=f"Vec{self.lanes}x{element}")


_VEC = {element: _VecType(element) for element in _SCALAR}


def _llvm(vec: _VecType) -> ir.VectorType:
    return ir.VectorType(_SCALAR[vec.element], vec.lanes)


@register_model(_VecType)
class _VecModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vec: _VecType) -> None:
        super().__init__(manager, vec, _llvm(vec))


def _splat(builder: Any, number: Any, vec: _VecType) -> Any:
    """The same number in every lane."""
    empty = ir.Constant(_llvm(vec), ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(_INT, 0))
    zeros = ir.Constant(ir.VectorType(_INT, vec.lanes), [0] * vec.lanes)
    return builder.shuffle_vector(first, empty, zeros)


# ------------------------------------------------------------------------------- arithmetic


def _arithmetic(operation: Callable[..., Any], instruction: str) -> None:
    """Teach numba `operation` on two Vec, or on a Vec and a number."""

    @infer_global(operation)
    class _Template(AbstractTemplate):
        def generic(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
            vecs = [t for t in args if isinstance(t, _VecType)]
            plain = [t for t in args if not isinstance(t, _VecType)]
            if len(args) == 2 and vecs and all(isinstance(t, types.Float) for t in plain):
                vec = vecs[0]
                return signature(vec, *(vec if t is vec else vec.element for t in args))
            return None

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vec = sig.return_type
        a, b = (
            value if isinstance(t, _VecType) else _splat(builder, value, vec)
            for t, value in zip(sig.args, args, strict=True)
        )
        return getattr(builder, instruction)(a, b, flags=FAST)

    for pair in ((_VecType, _VecType), (_VecType, types.Float), (types.Float, _VecType)):
        lower_builtin(operation, *pair)(lower)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
_arithmetic(operator.truediv, "fdiv")


@intrinsic
def full(typing: Any, x: Any) -> Any:
    """Vec with the number x for every sample."""
    vec = _VEC[x]
    return vec(x), lambda context, builder, sig, args: _splat(builder, args[0], vec)


@intrinsic
def total(typing: Any, v: Any) -> Any:
    """Sum over the samples of a Vec."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scalar, vector = _SCALAR[v.element], _llvm(v)
        reduce = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(scalar, [scalar, vector]),
            f"llvm.vector.reduce.fadd.v{v.lanes}f{v.element.bitwidth}",
        )
        return builder.call(reduce, [ir.Constant(scalar, -0.0), args[0]], fastmath=FAST)

    return v.element(v), generate


# ----------------------------------------------------------------------------------- memory


def _row(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Address of a row of a one-dimensional contiguous array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(builder.bitcast(data, _llvm(_VEC[array_type.dtype]).as_pointer()), [index])


def _load(builder: Any, address: Any, array_type: Any) -> Any:
    value = builder.load(address)
    value.align = array_type.dtype.bitwidth // 8
    return value


def _store(builder: Any, value: Any, address: Any, array_type: Any) -> None:
    builder.store(value, address, align=array_type.dtype.bitwidth // 8)


@intrinsic
def load(typing: Any, a: Any, i: Any) -> Any:
    """Row i of a."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(builder, _row(context, builder, sig.args[0], *args), a)

    return _VEC[a.dtype](a, types.intp), generate


@intrinsic
def store(typing: Any, a: Any, i: Any, v: Any) -> Any:
    """Write v to row i of a."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, index, value = args
        _store(builder, value, _row(context, builder, sig.args[0], array, index), a)
        return context.get_dummy_value()

    return types.void(a, types.intp, v), generate


@numba.njit(inline="always", _nrt=False)
def add(a: Any, i: Any, v: Any) -> None:
    """Add v to row i of a."""
    store(a, i, load(a, i) + v)


# ----------------------------------------------------- rows that differ in neighbouring bits


def _block(context: Any, builder: Any, sig: Any, args: Any, g: int) -> list[Any]:
    """Addresses of rows first, first + stride, …, first + (2**g - 1) * stride."""
    array, first, stride = args[:3]
    rows = []
    for j in range(2**g):
        offset = builder.mul(stride, ir.Constant(stride.type, j))
        rows.append(_row(context, builder, sig.args[0], array, builder.add(first, offset)))
    return rows


def _pairs(g: int) -> list[tuple[int, int, int]]:
    """(bit, row with the bit 0, row with the bit 1) of a block of 2**g rows."""
    return [(bit, j, j | 1 << bit) for bit in range(g) for j in range(2**g) if not j >> bit & 1]


def _unpack(builder: Any, value: Any, count: int) -> list[Any]:
    return [builder.extract_value(value, j) for j in range(count)]


def _plus(builder: Any, a: Any, factor: Any, b: Any) -> Any:
    """a + factor b, one instruction."""
    return builder.fadd(a, builder.fmul(factor, b, flags=FAST), flags=FAST)


def _minus(builder: Any, a: Any, factor: Any, b: Any) -> Any:
    """a - factor b."""
    return builder.fsub(a, builder.fmul(factor, b, flags=FAST), flags=FAST)


@intrinsic
def load_rows(typing: Any, a: Any, first: Any, stride: Any, like: Any) -> Any:
    """Rows first + j * stride, j < 2**g, where g is the length of the tuple `like`."""
    result = types.UniTuple(_VEC[a.dtype], 2 ** len(like))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        block = _block(context, builder, sig, args, len(like))
        return context.make_tuple(builder, result, [_load(builder, row, a) for row in block])

    return result(a, types.intp, types.intp, like), generate


@intrinsic
def store_rows(typing: Any, a: Any, first: Any, stride: Any, rows: Any) -> Any:
    """Write the tuple `rows` to where `load_rows` takes it from."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        block = _block(context, builder, sig, args, len(rows).bit_length() - 1)
        for address, value in zip(block, _unpack(builder, args[3], len(rows)), strict=True):
            _store(builder, value, address, a)
        return context.get_dummy_value()

    return types.void(a, types.intp, types.intp, rows), generate


@intrinsic
def turn(typing: Any, rows: Any, tan: Any, sin: Any) -> Any:
    """Rotate rows by g angles t: each bit makes (a cos t - b sin t, a sin t + b cos t) of (a, b).

    A rotation is three shears, and so three instructions instead of four:
    a - b tan(t/2), then b + a sin(t), then again a - b tan(t/2). `tan` holds tan(t/2).
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = _unpack(builder, args[0], len(rows))
        t, s = (_unpack(builder, x, len(tan)) for x in args[1:])
        for bit, j, k in _pairs(len(tan)):
            value[j] = _minus(builder, value[j], t[bit], value[k])
            value[k] = _plus(builder, value[k], s[bit], value[j])
            value[j] = _minus(builder, value[j], t[bit], value[k])
        return context.make_tuple(builder, rows, value)

    return rows(rows, tan, sin), generate


@intrinsic
def turn_back(typing: Any, rows: Any, grads: Any, tan: Any, sin: Any, sums: Any) -> Any:
    """Undo `turn` on rows (a, b) and on their gradients (x, y); add y a - x b to each bit's sum.

    A rotation by t has d(a, b)/dt = (-b, a), so that the loss changes with t by y a - x b.
    """
    result = types.Tuple((rows, grads, sums))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, grad = (_unpack(builder, x, len(rows)) for x in args[:2])
        t, s, collected = (_unpack(builder, x, len(tan)) for x in args[2:])
        for bit, j, k in _pairs(len(tan)):
            collected[bit] = _plus(builder, collected[bit], grad[k], value[j])
            collected[bit] = _minus(builder, collected[bit], grad[j], value[k])
            for pair in (value, grad):
                pair[j] = _plus(builder, pair[j], t[bit], pair[k])
                pair[k] = _minus(builder, pair[k], s[bit], pair[j])
                pair[j] = _plus(builder, pair[j], t[bit], pair[k])
        parts = (
            context.make_tuple(builder, kind, values)
            for kind, values in ((rows, value), (grads, grad), (sums, collected))
        )
        return context.make_tuple(builder, result, list(parts))

    return result(rows, grads, tan, sin, sums), generate


@intrinsic
def products(typing: Any, re: Any, im: Any, x: Any, y: Any) -> Any:
    """Add Σ conj(a) b to each bit's sums x (real part) and y, a and b having the bit 0 and 1."""
    result = types.Tuple((x, y))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        r, i = (_unpack(builder, value, len(re)) for value in args[:2])
        sum_x, sum_y = (_unpack(builder, value, len(x)) for value in args[2:])
        for bit, j, k in _pairs(len(x)):
            sum_x[bit] = _plus(builder, sum_x[bit], r[j], r[k])
            sum_x[bit] = _plus(builder, sum_x[bit], i[j], i[k])
            sum_y[bit] = _plus(builder, sum_y[bit], r[j], i[k])
            sum_y[bit] = _minus(builder, sum_y[bit], i[j], r[k])
        sums = [context.make_tuple(builder, t, v) for t, v in ((x, sum_x), (y, sum_y))]
        return context.make_tuple(builder, result, sums)

    return result(re, im, x, y), generate


@intrinsic
def products_back(typing: Any, re: Any, im: Any, gx: Any, gy: Any, u: Any, v: Any) -> Any:
    """Add (gx X + gy Y) ψ of each bit to the rows u + iv; X and Y exchange a and b.

    (X ψ)_a = b, (X ψ)_b = a, (Y ψ)_a = -i b, (Y ψ)_b = i a.
    """
    result = types.Tuple((u, v))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        r, i = (_unpack(builder, value, len(re)) for value in args[:2])
        x, y = (_unpack(builder, value, len(gx)) for value in args[2:4])
        p, q = (_unpack(builder, value, len(re)) for value in args[4:])
        for bit, j, k in _pairs(len(gx)):
            p[j] = _plus(builder, _plus(builder, p[j], x[bit], r[k]), y[bit], i[k])
            q[j] = _minus(builder, _plus(builder, q[j], x[bit], i[k]), y[bit], r[k])
            p[k] = _minus(builder, _plus(builder, p[k], x[bit], r[j]), y[bit], i[j])
            q[k] = _plus(builder, _plus(builder, q[k], x[bit], i[j]), y[bit], r[j])
        rows = [context.make_tuple(builder, t, value) for t, value in ((u, p), (v, q))]
        return context.make_tuple(builder, result, rows)

    return result(re, im, gx, gy, u, v), generate
