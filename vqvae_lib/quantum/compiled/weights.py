"""What depends on the weights alone, computed once per call: phases, cosines, frames; and back.

All of it costs about as much as one sample, and the whole batch shares it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vqvae_lib.quantum.compiled.gates import inline, piece
from vqvae_lib.quantum.compiled.lanes import full, store
from vqvae_lib.quantum.compiled.program import NOTHING
from vqvae_lib.quantum.compiled.readout import FRAME

__all__ = [
    "Prepared",
    "Sums",
    "carve_prepared",
    "carve_sums",
    "collect",
    "prepare",
    "prepared_size",
    "sums_size",
]


class Prepared(NamedTuple):
    """What a window needs of the weights: S steps, N = 2**n amplitudes, T qubits that are read."""

    turn_tan: np.ndarray  # tan(t/2) and sin(t) of t = θ/2: row i·n + bit, step i
    turn_sin: np.ndarray
    phase_cos: np.ndarray  # (S, N), the phases of `gather`
    phase_sin: np.ndarray
    start: np.ndarray  # (n, 4): cosine and sine of the half angles of RZ and RY of the product
    frame: np.ndarray  # (T, 6), how the last Rot turns the Bloch vectors


@inline
def prepared_size(steps, n, targets, lanes):
    """How many numbers `carve_prepared` cuts up, and a few, so that they end where a row does."""
    numbers = 2 * steps * n * lanes + 2 * (steps << n) + 4 * n + FRAME * targets
    return -(-numbers // lanes) * lanes


@inline
def carve_prepared(numbers, steps, n, targets, lanes):
    """Cut a flat array into `Prepared`."""
    turns, phases = steps * n * lanes, steps << n
    a, b = 2 * turns, 2 * turns + phases
    c, d = b + phases, b + phases + 4 * n
    return Prepared(
        numbers[:turns],
        numbers[turns:a],
        numbers[a:b].reshape(steps, 1 << n),
        numbers[b:c].reshape(steps, 1 << n),
        numbers[c:d].reshape(n, 4),
        numbers[d : d + FRAME * targets].reshape(targets, FRAME),
    )


@piece
def phase_tree(cos, sin, constant, row, column, weights):
    """cos[k] + i sin[k] = exp(-i/2 Σ_q z_q(k) t_q), by doubling from the last qubit on.

    The angles t are those of the RZ on one side of a step's permutation: a constant, and a row of
    weights.
    """
    n = weights.shape[1]
    real = cos.dtype.type
    cos[0], sin[0] = 1, 0
    for bit in range(n):
        half = 1 << bit
        angle = constant
        if row != NOTHING:
            angle += weights[row, n - 1 - bit, column]
        c, s = real(math.cos(0.5 * angle)), real(math.sin(0.5 * angle))
        for k in range(half):
            re, im = cos[k], sin[k]
            cos[k + half], sin[k + half] = c * re - s * im, c * im + s * re
            cos[k], sin[k] = c * re + s * im, c * im - s * re


@piece
def fold_back(sums, gradient):
    """gradient[q] += -½ Σ_k z_q(k) sums[k], the way back of `phase_tree`; `sums` is used up."""
    n = gradient.size
    for bit in range(n - 1, -1, -1):
        half = 1 << bit
        difference = 0.0
        for k in range(half):
            difference += sums[k] - sums[k + half]
            sums[k] += sums[k + half]
        gradient[n - 1 - bit] -= 0.5 * difference


@piece
def prepare(program, weights, own, room):
    """Fill in `own` for one window, from the weights (layers, n, 3) of its qubits.

    `room` is scratch, 2 · 2**n numbers.
    """
    n = program.n
    real = own.start.dtype.type
    cos, sin = room[: 1 << n], room[1 << n : 2 << n]
    for i in range(program.steps.size):
        step = program.steps[i]
        re, im = own.phase_cos[i], own.phase_sin[i]
        phase_tree(cos, sin, step.before_angle, step.before, 2, weights)
        phase_tree(re, im, step.after_angle, step.after, 0, weights)
        for k in range(1 << n):
            j = program.source[i, k]
            a, b, c, d = re[k], im[k], cos[j], sin[j]
            sign = real(program.sign[i, k])
            re[k], im[k] = sign * (a * c - b * d), sign * (a * d + b * c)
        if step.turn >= 0:
            for q in range(n):
                # Modulo π, so that tan stays small: it changes the sign of the whole state.
                half = 0.5 * weights[step.turn, q, 1]
                half -= math.pi * np.rint(half / math.pi)
                row = i * n + n - 1 - q
                store(own.turn_tan, row, full(real(math.tan(0.5 * half))))
                store(own.turn_sin, row, full(real(math.sin(half))))
    for q in range(n):
        z, y = program.start_angle, 0.0
        if program.start_row != NOTHING:
            z += weights[program.start_row, q, 0]
            y += weights[program.start_row, q, 1]
        own.start[q, 0], own.start[q, 1] = math.cos(0.5 * z), math.sin(0.5 * z)
        own.start[q, 2], own.start[q, 3] = math.cos(0.5 * y), math.sin(0.5 * y)
    for t in range(program.bits.size):
        phi, theta, omega = 0.0, 0.0, 0.0
        if program.last_row != NOTHING:
            q = n - 1 - program.bits[t]
            phi = weights[program.last_row, q, 0]
            theta = weights[program.last_row, q, 1]
            omega = weights[program.last_row, q, 2]
        a, b = math.cos(phi), math.sin(phi)
        c, s = math.cos(theta), math.sin(theta)
        u, v = math.cos(omega), math.sin(omega)
        # Rows z and x of the rotation matrix Rz(omega) Ry(theta) Rz(phi).
        f = own.frame[t]
        f[0], f[1], f[2] = -s * a, s * b, c
        f[3], f[4], f[5] = u * c * a - v * b, -u * c * b - v * a, u * s


@inline
def sums_size(steps, n, targets):
    """How many numbers `carve_sums` cuts up."""
    return (steps << n) + steps * n + 2 * n + FRAME * targets


class Sums(NamedTuple):
    """Gradients that a pass collects for one window."""

    phases: np.ndarray  # (S, N), of the phases' angles
    turns: np.ndarray  # (S, n), of the half angles of RY, by step and bit
    start: np.ndarray  # (n, 2), of the half angles of RZ and RY of the product state
    frame: np.ndarray  # (T, 6)


@inline
def carve_sums(sums, steps, n, targets):
    """Cut a flat array into `Sums`."""
    a = steps << n
    b, c = a + steps * n, a + steps * n + 2 * n
    return Sums(
        sums[:a].reshape(steps, 1 << n),
        sums[a:b].reshape(steps, n),
        sums[b:c].reshape(n, 2),
        sums[c:].reshape(targets, FRAME),
    )


@piece
def collect(program, weights, all_sums, gradient, room):
    """The way back of `prepare`: add a window's gradients to those of its weights.

    Parameters
    ----------
    program
        The circuit in normal form.
    weights
        Those of the window's qubits, (layers, n, 3).
    all_sums
        What a pass collected, see `carve_sums`; used up.
    gradient
        (layers, n, 3); added to.
    room
        Scratch, 2**n numbers.
    """
    n = program.n
    sums = carve_sums(all_sums, program.steps.size, n, program.bits.size)
    before = room[: 1 << n]
    for i in range(program.steps.size):
        step = program.steps[i]
        if step.before != NOTHING:
            for k in range(1 << n):
                before[program.source[i, k]] = sums.phases[i, k]
            fold_back(before, gradient[step.before, :, 2])
        if step.after != NOTHING:
            fold_back(sums.phases[i], gradient[step.after, :, 0])
        if step.turn >= 0:
            for q in range(n):
                gradient[step.turn, q, 1] += 0.5 * sums.turns[i, n - 1 - q]
    if program.start_row != NOTHING:
        for q in range(n):
            gradient[program.start_row, q, 0] += 0.5 * sums.start[q, 0]
            gradient[program.start_row, q, 1] += 0.5 * sums.start[q, 1]
    if program.last_row != NOTHING:
        for t in range(program.bits.size):
            q = n - 1 - program.bits[t]
            w, g = weights[program.last_row, q], sums.frame[t]
            a, b = math.cos(w[0]), math.sin(w[0])
            c, s = math.cos(w[1]), math.sin(w[1])
            u, v = math.cos(w[2]), math.sin(w[2])
            out = gradient[program.last_row, q]
            out[0] += g[0] * s * b + g[1] * s * a
            out[0] += g[3] * (-u * c * b - v * a) + g[4] * (-u * c * a + v * b)
            out[1] += -g[0] * c * a + g[1] * c * b - g[2] * s
            out[1] += u * (-g[3] * s * a + g[4] * s * b + g[5] * c)
            out[2] += g[3] * (-v * c * a - u * b) + g[4] * (v * c * b - u * a) - g[5] * v * s
