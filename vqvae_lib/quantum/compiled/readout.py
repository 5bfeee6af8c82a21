"""From a state to features, and from the features' gradients back to the state's.

⟨Z⟩ of every qubit comes from the probabilities, ⟨X⟩ and ⟨Y⟩ from products of the amplitudes that
differ in one bit. The three form the qubit's Bloch vector. A Rot gate that comes last only rotates
this vector, so it is applied here: the measured ⟨Z⟩ and ⟨X⟩ are its products with two rows of a
3 x 3 rotation matrix, the qubit's *frame*.
"""

from __future__ import annotations

import numpy as np

from vqvae_lib.quantum.compiled.gates import clear, fold, piece
from vqvae_lib.quantum.compiled.lanes import (
    full,
    load,
    load_rows,
    products,
    products_back,
    store,
    store_rows,
    total,
)

__all__ = ["from_features", "read_bloch", "read_z", "seed_bloch", "seed_z", "to_features"]

# Numbers of a frame: the row of <Z>, then the row of <X>.
FRAME = 6
# Amplitudes in their own order.
NO_ORDER = np.empty(0, np.int32)


@piece
def read_z(values, state, n, order, scratch):
    """Rows `bit` of `values`: ⟨Z⟩ of each bit, of the amplitudes in the given order."""
    for k in range(1 << n):
        j = order[k] if order.size else k
        re, im = load(state, 2 * j), load(state, 2 * j + 1)
        store(scratch, k, re * re + im * im)
    for bit in range(n - 1, -1, -1):
        store(values, bit, fold(scratch, bit))


@piece
def seed_z(costate, state, n, order, scratch, grads):
    """λ = 2 Σ_bit grads[bit] Z_bit ψ; the diagonal of the sum is built by doubling."""
    zero = full(state.dtype.type(0))
    two = state.dtype.type(2)
    store(scratch, 0, zero)
    for bit in range(n):
        half = 1 << bit
        g = two * load(grads, bit)
        for k in range(half):
            d = load(scratch, k)
            store(scratch, k + half, d - g)
            store(scratch, k, d + g)
    for k in range(1 << n):
        j = order[k] if order.size else k
        d = load(scratch, k)
        store(costate, 2 * j, d * load(state, 2 * j))
        store(costate, 2 * j + 1, d * load(state, 2 * j + 1))


@piece
def read_xy(state, n, bit, x, y):
    """Σ conj(ψ[k0]) ψ[k1] of len(x) neighbouring bits, added to the sums x + iy."""
    stride = 2 << bit
    for head in range(0, 2 << n, stride << len(x)):
        for row in range(head, head + stride, 2):
            re = load_rows(state, row, stride, x)
            im = load_rows(state, row + 1, stride, x)
            x, y = products(re, im, x, y)
    return x, y


@piece
def read_bloch(bloch, state, n, low, high, scratch):
    """Bloch vectors of the bits [low, high).

    Rows bit, n + bit, 2n + bit of `bloch` become ⟨X⟩, ⟨Y⟩ and ⟨Z⟩.
    """
    zero = full(state.dtype.type(0))
    two = state.dtype.type(2)
    read_z(bloch[2 * n * (state.size >> (n + 1)) :], state, n, NO_ORDER, scratch)
    bit = low
    while bit < high:
        if high - bit >= 2:
            (x0, x1), (y0, y1) = read_xy(state, n, bit, (zero, zero), (zero, zero))
            store(bloch, bit + 1, two * x1)
            store(bloch, n + bit + 1, two * y1)
        else:
            (x0,), (y0,) = read_xy(state, n, bit, (zero,), (zero,))
        store(bloch, bit, two * x0)
        store(bloch, n + bit, two * y0)
        bit += 2


@piece
def seed_xy(costate, state, n, bit, gx, gy):
    """λ += Σ (gx X + gy Y) ψ over len(gx) neighbouring bits."""
    stride = 2 << bit
    for head in range(0, 2 << n, stride << len(gx)):
        for row in range(head, head + stride, 2):
            re = load_rows(state, row, stride, gx)
            im = load_rows(state, row + 1, stride, gx)
            u = load_rows(costate, row, stride, gx)
            v = load_rows(costate, row + 1, stride, gx)
            u, v = products_back(re, im, gx, gy, u, v)
            store_rows(costate, row, stride, u)
            store_rows(costate, row + 1, stride, v)


@piece
def seed_bloch(costate, state, n, low, high, grads, scratch):
    """λ = 2 Σ (gx X + gy Y + gz Z) ψ, from the gradients of `read_bloch`'s rows."""
    two = state.dtype.type(2)
    seed_z(costate, state, n, NO_ORDER, scratch, grads[2 * n * (state.size >> (n + 1)) :])
    bit = low
    while bit < high:
        x0, y0 = two * load(grads, bit), two * load(grads, n + bit)
        if high - bit >= 2:
            x1, y1 = two * load(grads, bit + 1), two * load(grads, n + bit + 1)
            seed_xy(costate, state, n, bit, (x0, x1), (y0, y1))
        else:
            seed_xy(costate, state, n, bit, (x0,), (y0,))
        bit += 2


@piece
def to_features(features, bloch, n, bits, frame, x_too):
    """Features from Bloch vectors: rows t for the t-th bit, or with ⟨X⟩ rows 2t and 2t + 1."""
    for t in range(bits.size):
        x, y, z = load(bloch, bits[t]), load(bloch, n + bits[t]), load(bloch, 2 * n + bits[t])
        f = frame[t]
        if x_too:
            store(features, 2 * t, f[0] * x + f[1] * y + f[2] * z)
            store(features, 2 * t + 1, f[3] * x + f[4] * y + f[5] * z)
        else:
            store(features, t, f[0] * x + f[1] * y + f[2] * z)


@piece
def from_features(grads, features_grads, bloch, n, bits, frame, x_too, frame_sums):
    """The way back of `to_features`: rows `grads` as in `bloch`; adds to the frames' gradients."""
    zero = full(grads.dtype.type(0))
    clear(grads, 3 * n)
    for t in range(bits.size):
        f = frame[t]
        if x_too:
            gz, gx = load(features_grads, 2 * t), load(features_grads, 2 * t + 1)
        else:
            gz, gx = load(features_grads, t), zero
        for axis in range(3):
            row = axis * n + bits[t]
            store(grads, row, f[axis] * gz + f[3 + axis] * gx)
            value = load(bloch, row)
            frame_sums[t, axis] += total(gz * value)
            if x_too:
                frame_sums[t, 3 + axis] += total(gx * value)
