"""What changes a state: gather with phases, layers of RY, phases of the data, product states.

Each piece stands beside its way back. The way back takes the state *after* the piece and the
gradient λ = ∂loss/∂ψ, carries both to before the piece, and collects the gradients of the angles
on the way. Since gates are unitary, no intermediate state is ever stored.

A state of n qubits is an array of 2 · 2**n rows (see `lanes`): row 2k is Re ψ[k], row 2k + 1 is
Im ψ[k].
"""

from __future__ import annotations

from typing import Any

from numba import njit

from vqvae_lib.quantum.compiled.lanes import (
    FAST,
    full,
    load,
    load_rows,
    store,
    store_rows,
    total,
    turn,
    turn_back,
)

__all__ = [
    "append",
    "apply_phases",
    "apply_phases_back",
    "clear",
    "copy",
    "fold",
    "gather",
    "gather_back",
    "product",
    "product_back",
    "ry",
    "ry_back",
    "sweep",
    "sweep_back",
    "times",
    "z_phases",
]

# Pieces become part of the kernel that uses them. Were they functions of their own, code that was
# just compiled and code that was read from disk could differ in how they round.
# Arrays belong to the caller: counting references to them (`_nrt`) would take longer than the
# gates of four qubits.
piece = njit(forceinline=True, fastmath=set(FAST), error_model="numpy", _nrt=False)
inline = njit(inline="always", _nrt=False)


@inline
def times(a: Any, b: Any, c: Any, d: Any) -> Any:
    """(a + ib)(c + id)."""
    return a * c - b * d, a * d + b * c


@piece
def clear(rows, count):
    """Set the first `count` rows to zero."""
    zero = full(rows.dtype.type(0))
    for i in range(count):
        store(rows, i, zero)


@piece
def copy(target, rows, count):
    """Copy the first `count` rows."""
    for i in range(count):
        store(target, i, load(rows, i))


# ------------------------------------------------------------------- permutation and phases


@piece
def gather(target, state, source, cos, sin):
    """Entangle and turn by RZ: target[k] = phase[k] · state[source[k]], phase = cos + i sin."""
    for k in range(source.size):
        j = source[k]
        re, im = times(cos[k], sin[k], load(state, 2 * j), load(state, 2 * j + 1))
        store(target, 2 * k, re)
        store(target, 2 * k + 1, im)


@piece
def gather_back(target, costate_target, state, costate, source, cos, sin, sums):
    """Undo `gather`, and add to sums[k] the gradient with respect to an angle t_k, phase e^{it_k}.

    With ψ'[k] = e^{it} ψ[j], dψ'[k]/dt = i ψ'[k]: the loss changes by Re(conj(λ) i ψ') =
    Im λ Re ψ' - Re λ Im ψ'.
    """
    for k in range(source.size):
        j = source[k]
        re, im = load(state, 2 * k), load(state, 2 * k + 1)
        x, y = load(costate, 2 * k), load(costate, 2 * k + 1)
        sums[k] += total(y * re - x * im)
        re, im = times(cos[k], -sin[k], re, im)
        x, y = times(cos[k], -sin[k], x, y)
        store(target, 2 * j, re)
        store(target, 2 * j + 1, im)
        store(costate_target, 2 * j, x)
        store(costate_target, 2 * j + 1, y)


# ------------------------------------------------------------------------------ layers of RY


@inline
def pair(a: Any, i: int) -> Any:
    """Rows i, i + 1."""
    return load(a, i), load(a, i + 1)


@inline
def triple(a: Any, i: int) -> Any:
    """Rows i, i + 1, i + 2."""
    return load(a, i), load(a, i + 1), load(a, i + 2)


@piece
def sweep(state, n, bit, tan, sin):
    """Turn len(tan) neighbouring qubits in one pass over the state, beginning at `bit`."""
    stride = 2 << bit
    for head in range(0, 2 << n, stride << len(tan)):
        for row in range(head, head + stride):
            store_rows(state, row, stride, turn(load_rows(state, row, stride, tan), tan, sin))


@piece
def ry(state, n, low, high, tan, sin, first):
    """RY on the bits [low, high): tan(t/2) and sin(t) of half angles t in rows first + bit.

    RY is a real rotation: it acts on real and imaginary parts alike. Three qubits a pass, since
    eight rows and their angles are what fits into registers: a third of the traffic to memory.
    """
    bit = low
    while bit < high:
        i, left = first + bit, high - bit
        if left >= 3 and left != 4:
            sweep(state, n, bit, triple(tan, i), triple(sin, i))
            bit += 3
        elif left >= 2:
            sweep(state, n, bit, pair(tan, i), pair(sin, i))
            bit += 2
        else:
            sweep(state, n, bit, (load(tan, i),), (load(sin, i),))
            bit += 1


@piece
def sweep_back(state, costate, n, bit, tan, sin, sums):
    """Undo `sweep`; the qubits' gradients are added to `sums`, which is returned."""
    stride = 2 << bit
    for head in range(0, 2 << n, stride << len(tan)):
        for row in range(head, head + stride):
            rows = load_rows(state, row, stride, tan)
            grads = load_rows(costate, row, stride, tan)
            rows, grads, sums = turn_back(rows, grads, tan, sin, sums)
            store_rows(state, row, stride, rows)
            store_rows(costate, row, stride, grads)
    return sums


@piece
def ry_back(state, costate, n, low, high, tan, sin, first, sums):
    """Undo `ry`; gradients of the half angles are added to rows first + bit of `sums`.

    Two qubits a pass: the gradient doubles what has to be held in registers.
    """
    bit = low
    while bit < high:
        i = first + bit
        if high - bit >= 2:
            g0, g1 = sweep_back(state, costate, n, bit, pair(tan, i), pair(sin, i), pair(sums, i))
            store(sums, i, g0)
            store(sums, i + 1, g1)
            bit += 2
        else:
            (g0,) = sweep_back(
                state, costate, n, bit, (load(tan, i),), (load(sin, i),), (load(sums, i),)
            )
            store(sums, i, g0)
            bit += 1


# ----------------------------------------------------------------------- phases of the data


@piece
def z_phases(phases, n, rows):
    """Rows 2k, 2k + 1 of `phases`: Re, Im of Π_bit exp(-i z_bit(k) t_bit).

    Rows bit and n + bit of `rows` hold cosine and sine of the half angles t.

    Doubling: with the phases of m bits known, those of m + 1 bits are the same times e^{-it}
    where the new bit is 0, and times e^{it} where it is 1.
    """
    one = phases.dtype.type(1)
    store(phases, 0, full(one))
    store(phases, 1, full(one - one))
    for bit in range(n):
        half = 1 << bit
        c, s = load(rows, bit), load(rows, n + bit)
        for k in range(half):
            re, im = load(phases, 2 * k), load(phases, 2 * k + 1)
            store(phases, 2 * (k + half), c * re - s * im)
            store(phases, 2 * (k + half) + 1, c * im + s * re)
            store(phases, 2 * k, c * re + s * im)
            store(phases, 2 * k + 1, c * im - s * re)


@piece
def apply_phases(state, phases, count):
    """Multiply: state[k] *= phases[k]."""
    for k in range(count):
        re, im = times(
            load(phases, 2 * k),
            load(phases, 2 * k + 1),
            load(state, 2 * k),
            load(state, 2 * k + 1),
        )
        store(state, 2 * k, re)
        store(state, 2 * k + 1, im)


@piece
def apply_phases_back(state, costate, phases, n, scratch, sums):
    """Undo `apply_phases`; rows `bit` of `sums` become the gradients of the half angles.

    exp(-i z t) has the derivative -i z: the loss changes by -z (Im λ Re ψ - Re λ Im ψ).
    """
    for k in range(1 << n):
        re, im = load(state, 2 * k), load(state, 2 * k + 1)
        x, y = load(costate, 2 * k), load(costate, 2 * k + 1)
        store(scratch, k, x * im - y * re)
        c, s = load(phases, 2 * k), load(phases, 2 * k + 1)
        store(state, 2 * k, c * re + s * im)
        store(state, 2 * k + 1, c * im - s * re)
        store(costate, 2 * k, c * x + s * y)
        store(costate, 2 * k + 1, c * y - s * x)
    for bit in range(n - 1, -1, -1):
        store(sums, bit, fold(scratch, bit))


@piece
def fold(a, bit):
    """Σ_k z_bit(k) a[k] over the 2**(bit + 1) rows of a, which are folded onto the lower half.

    Called from the highest bit to the lowest, it gives the sums for all bits in the time of one:
    each call halves what is left.
    """
    half = 1 << bit
    difference = load(a, 0) - load(a, half)
    store(a, 0, load(a, 0) + load(a, half))
    for k in range(1, half):
        low, high = load(a, k), load(a, k + half)
        difference = difference + (low - high)
        store(a, k, low + high)
    return difference


# --------------------------------------------------------------------------- product states


@piece
def append(target, state, half, qubit, bit):
    """target = qubit ⊗ state, a state of `half` amplitudes; `target` may be `state`."""
    a, b = load(qubit, 4 * bit), load(qubit, 4 * bit + 1)
    c, d = load(qubit, 4 * bit + 2), load(qubit, 4 * bit + 3)
    for k in range(half):
        re, im = load(state, 2 * k), load(state, 2 * k + 1)
        upper, upper_im = times(c, d, re, im)
        lower, lower_im = times(a, b, re, im)
        store(target, 2 * (k + half), upper)
        store(target, 2 * (k + half) + 1, upper_im)
        store(target, 2 * k, lower)
        store(target, 2 * k + 1, lower_im)


@piece
def product(state, n, qubit):
    """State of n independent qubits; qubit's rows 4·bit + 0…3: Re, Im of its two amplitudes."""
    one = state.dtype.type(1)
    store(state, 0, full(one))
    store(state, 1, full(one - one))
    for bit in range(n):
        append(state, state, 1 << bit, qubit, bit)


@piece
def product_back(costate, n, qubit, grads, prefixes):
    """Gradients of the qubits' amplitudes from that of their product.

    From the highest bit down: state = qubit ⊗ prefix, so that the gradient of qubit is the
    product of conj(prefix) with λ, and the gradient of prefix that of conj(qubit) with λ. The
    prefixes of all lengths are computed first, that of m qubits from row 2 (2**m - 1) on.
    """
    one = prefixes.dtype.type(1)
    zero = full(one - one)
    lanes = prefixes.size // (2 << n)
    store(prefixes, 0, full(one))
    store(prefixes, 1, zero)
    for bit in range(n - 1):
        here, there = 2 * ((1 << bit) - 1), 2 * ((2 << bit) - 1)
        append(prefixes[there * lanes :], prefixes[here * lanes :], 1 << bit, qubit, bit)
    for bit in range(n - 1, -1, -1):
        half = 1 << bit
        prefix = prefixes[2 * (half - 1) * lanes :]
        a, b = load(qubit, 4 * bit), load(qubit, 4 * bit + 1)
        c, d = load(qubit, 4 * bit + 2), load(qubit, 4 * bit + 3)
        g0, g1, g2, g3 = zero, zero, zero, zero
        for k in range(half):
            re, im = load(prefix, 2 * k), load(prefix, 2 * k + 1)
            x, y = load(costate, 2 * k), load(costate, 2 * k + 1)
            u, v = load(costate, 2 * (k + half)), load(costate, 2 * (k + half) + 1)
            g0 = g0 + (re * x + im * y)
            g1 = g1 + (re * y - im * x)
            g2 = g2 + (re * u + im * v)
            g3 = g3 + (re * v - im * u)
            store(costate, 2 * k, (a * x + b * y) + (c * u + d * v))
            store(costate, 2 * k + 1, (a * y - b * x) + (c * v - d * u))
        store(grads, 4 * bit, g0)
        store(grads, 4 * bit + 1, g1)
        store(grads, 4 * bit + 2, g2)
        store(grads, 4 * bit + 3, g3)
