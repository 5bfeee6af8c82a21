"""The whole circuit for a batch, forward and backward, assembled from the pieces.

A batch is cut into *chunks* of as many samples as a register holds (`lanes.width`), and the chunks
into at most `GROUPS` *groups*, which are shared out to threads. Gradients of the weights are summed
chunk by chunk within a group, then group by group, always in the same order: the number of threads
changes no bit of the result.

The outer loop is over windows (see `vqvae_lib.quantum.windows`); a state vector is the case of
one window that holds all qubits.
"""

from __future__ import annotations

from vqvae_lib.quantum.compiled.gates import (
    apply_phases,
    apply_phases_back,
    clear,
    copy,
    gather,
    gather_back,
    inline,
    piece,
    product,
    product_back,
    ry,
    ry_back,
    times,
    z_phases,
)
from vqvae_lib.quantum.compiled.lanes import add, full, load, store, total
from vqvae_lib.quantum.compiled.machine_code import kernel
from vqvae_lib.quantum.compiled.program import DATA, unpack_program
from vqvae_lib.quantum.compiled.readout import (
    from_features,
    read_bloch,
    read_z,
    seed_bloch,
    seed_z,
    to_features,
)
from vqvae_lib.quantum.compiled.weights import (
    carve_prepared,
    carve_sums,
    collect,
    prepare,
    prepared_size,
)

__all__ = ["backward", "backward_size", "forward", "forward_size", "state_size"]

GROUPS = 8
# In place of a thread: do what is done once, before the threads of `forward` or after those of
# `backward`.
BEFORE_AND_AFTER = -1


@inline
def cut(rows, size):
    """The first `size` numbers, and the rest."""
    return rows[:size], rows[size:]


@inline
def chunk_range(group, groups, chunks):
    """First chunk of a group, and the first of the next."""
    return group * chunks // groups, (group + 1) * chunks // groups


# --------------------------------------------------------------------- samples in, rows out


@piece
def pack(rows, table, column, count, first, lanes, padding):
    """Rows i of `rows`: table[first + lane, column + i]; `padding` where there is no sample."""
    samples = min(lanes, table.shape[0] - first)
    for lane in range(samples):
        for i in range(count):
            rows[i * lanes + lane] = table[first + lane, column + i]
    for lane in range(samples, lanes):
        for i in range(count):
            rows[i * lanes + lane] = padding


@piece
def unpack(table, rows, column, count, first, lanes):
    """The way back of `pack`: adds to the table."""
    for lane in range(min(lanes, table.shape[0] - first)):
        for i in range(count):
            table[first + lane, column + i] += rows[i * lanes + lane]


# --------------------------------------------------------- the single-qubit gates that come first


@piece
def embed(qubit, program, start, cos, sin):
    """Rows 4·bit + 0…3: Re, Im of both amplitudes of RY(θ) RZ(φ) RY(·)|0⟩ for each qubit.

    `cos` and `sin` hold the data's half angles, a row for each latent coordinate.
    """
    n = program.n
    real = qubit.dtype.type
    c0, s0 = real(program.start_cos), real(program.start_sin)
    for q in range(n):
        column = program.angles * q
        a, b = times(c0, s0, load(cos, column), load(sin, column))
        k, o = full(start[q, 0]), full(start[q, 1])
        if program.angles == 2:
            k, o = times(start[q, 0], start[q, 1], load(cos, column + 1), load(sin, column + 1))
        c, s = start[q, 2], start[q, 3]
        row = 4 * (n - 1 - q)
        store(qubit, row, c * (k * a) - s * (k * b))
        store(qubit, row + 1, real(-1) * (c * (o * a) + s * (o * b)))
        store(qubit, row + 2, s * (k * a) + c * (k * b))
        store(qubit, row + 3, c * (o * b) - s * (o * a))


@piece
def embed_back(grads, program, start, cos, sin, data_sums, start_sums):
    """Gradients of the half angles from those of the qubits' amplitudes (rows as in `embed`)."""
    n = program.n
    real = grads.dtype.type
    c0, s0 = real(program.start_cos), real(program.start_sin)
    for q in range(n):
        column = program.angles * q
        row = 4 * (n - 1 - q)
        x0, x1 = load(grads, row), load(grads, row + 1)
        y0, y1 = load(grads, row + 2), load(grads, row + 3)
        a, b = times(c0, s0, load(cos, column), load(sin, column))
        k, o = full(start[q, 0]), full(start[q, 1])
        if program.angles == 2:
            k, o = times(start[q, 0], start[q, 1], load(cos, column + 1), load(sin, column + 1))
        c, s = start[q, 2], start[q, 3]
        # Before RY(θ) the amplitudes are (k - io) a and (k + io) b; its gradient, then undo it.
        a0, a1, b0, b1 = k * a, real(-1) * (o * a), k * b, o * b
        x0, y0 = c * x0 + s * y0, c * y0 - s * x0
        x1, y1 = c * x1 + s * y1, c * y1 - s * x1
        start_sums[q, 1] += total((y0 * a0 - x0 * b0) + (y1 * a1 - x1 * b1))
        turn_z = (x0 * a1 - x1 * a0) + (y1 * b0 - y0 * b1)
        start_sums[q, 0] += total(turn_z)
        if program.angles == 2:
            add(data_sums, column + 1, turn_z)
        # Undo RZ; a and b are real.
        gradient_a, gradient_b = k * x0 - o * x1, k * y0 + o * y1
        add(data_sums, column, gradient_b * a - gradient_a * b)


# --------------------------------------------------------------------------- the data's rotations


@piece
def y_data(rows, program, cos, sin):
    """Rows bit and n + bit: tan(t/2) and sin(t) of the half angles t of the data's RY."""
    one = full(rows.dtype.type(1))
    for bit in range(program.n):
        column = program.angles * (program.n - 1 - bit)
        c, s = load(cos, column), load(sin, column)
        store(rows, bit, s / (one + c))
        store(rows, program.n + bit, s)


@piece
def z_data(phases, rows, program, cos, sin):
    """Phases of the data's RZ (see `z_phases`); `rows` is scratch."""
    n = program.n
    for bit in range(n):
        column = 2 * (n - 1 - bit) + 1
        store(rows, bit, load(cos, column))
        store(rows, n + bit, load(sin, column))
    z_phases(phases, n, rows)


@piece
def add_data(data_sums, by_bit, program, angle):
    """Add rows `bit` to those of the qubits' first (angle = 0) or second latent coordinate."""
    for bit in range(program.n):
        add(data_sums, program.angles * (program.n - 1 - bit) + angle, load(by_bit, bit))


# ----------------------------------------------------------------------- one chunk, there and back


@piece
def simulate(out, buffer, phases, rows, program, own, cos, sin):
    """Final state of a chunk of samples, written to `out`.

    Parameters
    ----------
    out, buffer
        Room for a state each.
    phases
        Room for the phases of the data's RZ.
    rows
        4n rows of scratch.
    program, own
        The circuit of a window, and what `prepare` made of the window's weights.
    cos, sin
        A row for each latent coordinate: of half its angle.
    """
    n, steps, lanes = program.n, program.steps.size, out.size // (2 << program.n)
    # Steps go back and forth between the two buffers and end in `out`.
    state, target = (buffer, out) if steps % 2 else (out, buffer)
    embed(rows, program, own.start, cos, sin)
    product(state, n, rows)
    uploaded = False
    for i in range(steps):
        step = program.steps[i]
        if step.data_phase:
            if not uploaded:
                z_data(phases, rows, program, cos, sin)
                uploaded = True
            apply_phases(state, phases, 1 << n)
        gather(target, state, program.source[i], own.phase_cos[i], own.phase_sin[i])
        state, target = target, state
        if step.turn == DATA:
            y_data(rows, program, cos, sin)
            ry(state, n, step.low, step.high, rows, cut(rows, lanes * n)[1], 0)
        else:
            ry(state, n, step.low, step.high, own.turn_tan, own.turn_sin, i * n)


@piece
def retrace(
    state, costate, spare, costate_spare, phases, rows, by_bit, program, own, cos, sin,
    data_sums, turns, sums,
):  # fmt: skip
    """Carry a final state and its gradient back to the start; collect gradients on the way.

    Parameters
    ----------
    state, costate
        The final state and its gradient; used up.
    spare, costate_spare, phases, rows, by_bit
        Room for two states and for the phases, 4n and n rows of scratch.
    program, own, cos, sin
        As in `simulate`.
    data_sums
        A row for each latent coordinate; added to.
    turns
        A row for each step and bit; added to.
    sums
        Gradients that are summed over samples, see `carve_sums`; added to.
    """
    n, lanes = program.n, state.size // (2 << program.n)
    uploaded = False
    for i in range(program.steps.size - 1, -1, -1):
        step = program.steps[i]
        if step.turn == DATA:
            y_data(rows, program, cos, sin)
            clear(by_bit, n)
            ry_back(
                state, costate, n, step.low, step.high, rows, cut(rows, lanes * n)[1], 0, by_bit
            )
            add_data(data_sums, by_bit, program, 0)
        else:
            ry_back(
                state, costate, n, step.low, step.high, own.turn_tan, own.turn_sin, i * n, turns
            )
        gather_back(
            spare, costate_spare, state, costate, program.source[i], own.phase_cos[i],
            own.phase_sin[i], sums.phases[i],
        )  # fmt: skip
        state, spare = spare, state
        costate, costate_spare = costate_spare, costate
        if step.data_phase:
            if not uploaded:
                z_data(phases, rows, program, cos, sin)
                uploaded = True
            apply_phases_back(state, costate, phases, n, spare, by_bit)
            add_data(data_sums, by_bit, program, 1)
    embed(rows, program, own.start, cos, sin)
    product_back(costate, n, rows, rows, spare)
    embed_back(rows, program, own.start, cos, sin, data_sums, sums.start)


# ------------------------------------------------------------------------------------ features


@piece
def read(rows, bloch, state, buffer, program, frame):
    """Features of a chunk: a row, or with ⟨X⟩ two, for each bit that is read."""
    n, bits = program.n, program.bits
    if program.order.size:
        read_z(bloch, state, n, program.order, buffer)
        for t in range(bits.size):
            store(rows, t, load(bloch, bits[t]))
    else:
        read_bloch(bloch, state, n, program.low, program.high, buffer)
        to_features(rows, bloch, n, bits, frame, program.x_too)


@piece
def seed(costate, rows, vectors, bloch, state, buffer, program, frame, frame_sums):
    """Gradient of the final state from those of the features, the way back of `read`."""
    n, bits = program.n, program.bits
    if program.order.size:
        clear(vectors, n)
        for t in range(bits.size):
            store(vectors, bits[t], load(rows, t))
        seed_z(costate, state, n, program.order, buffer, vectors)
    else:
        from_features(vectors, rows, bloch, n, bits, frame, program.x_too, frame_sums)
        seed_bloch(costate, state, n, program.low, program.high, vectors, buffer)


@inline
def feature_column(program, first_qubit, t):
    """Where the features of the t-th bit that is read stand in the table of all features."""
    qubit = first_qubit + program.n - 1 - program.bits[t]
    return 2 * qubit if program.x_too else qubit


# ------------------------------------------------------------------------- all windows and chunks


@kernel
def forward(thread, threads, keep, lanes, program, firsts, weights, cos, sin, features, kept, work):
    """Features of a batch, for the groups of one thread.

    One call does it all where one thread is enough. Of several, each calls after a first call
    with `BEFORE_AND_AFTER` in place of a thread, which prepares what they share.

    Parameters
    ----------
    thread, threads
        This thread takes the groups thread, thread + threads, …
    keep
        Whether every final state is kept for `backward`.
    lanes
        Samples in a chunk.
    program
        The circuit of a window, packed.
    firsts
        (windows,), first qubit of each window.
    weights
        (layers, qubits, 3), of the whole circuit.
    cos, sin
        (B, d), of half the data's angles.
    features
        (B, m); filled in for the qubits that are read.
    kept
        `kept_size` numbers: what `prepare` makes of the weights, for each window; then final
        states and Bloch vectors, one for each window and chunk, or where they are not kept, for
        each thread.
    work
        (threads · `forward_size`), scratch.
    """
    program = unpack_program(program)
    n, d, steps = program.n, program.n * program.angles, program.steps.size
    targets, windows = program.bits.size, firsts.size
    width = 2 if program.x_too else 1
    chunks = -(-cos.shape[0] // lanes)
    groups = min(GROUPS, chunks)
    prepared, states = cut(kept, windows * prepared_size(steps, n, targets, lanes))
    prepared = prepared.reshape(windows, -1)
    states = states.reshape(-1, state_size(n, lanes))
    if thread == BEFORE_AND_AFTER or threads == 1:
        for window in range(windows):
            own = carve_prepared(prepared[window], steps, n, targets, lanes)
            prepare(program, weights[:, firsts[window] : firsts[window] + n], own, work)
    if thread == BEFORE_AND_AFTER:
        return
    _, rest = cut(work, thread * forward_size(n, d, lanes))
    buffer, rest = cut(rest, lanes * (2 << n))
    phases, rest = cut(rest, lanes * (2 << n))
    data_cos, rest = cut(rest, lanes * d)
    data_sin, rows = cut(rest, lanes * d)
    for group in range(thread, groups, threads):
        begin, end = chunk_range(group, groups, chunks)
        for window in range(windows):
            own = carve_prepared(prepared[window], steps, n, targets, lanes)
            for chunk in range(begin, end):
                slot = window * chunks + chunk if keep else thread
                state, bloch = cut(states[slot], lanes * (2 << n))
                sample, column = chunk * lanes, firsts[window] * program.angles
                pack(data_cos, cos, column, d, sample, lanes, 1)
                pack(data_sin, sin, column, d, sample, lanes, 0)
                simulate(state, buffer, phases, rows, program, own, data_cos, data_sin)
                read(rows, bloch, state, buffer, program, own.frame)
                for t in range(targets):
                    column = feature_column(program, firsts[window], t)
                    unpack(features, cut(rows, t * width * lanes)[1], column, width, sample, lanes)


@kernel
def backward(
    thread, threads, lanes, program, firsts, weights, cos, sin, grads, kept, data_grads, gradient,
    work,
):  # fmt: skip
    """Gradients of the data and the weights, for the groups of one thread.

    One call does it all where one thread is enough. Of several, each calls before a last call
    with `BEFORE_AND_AFTER` in place of a thread, which adds up what they found.

    Parameters
    ----------
    thread, threads, lanes, program, firsts, weights, cos, sin
        As in `forward`.
    grads
        (B, m), gradients of the features.
    kept
        What `forward` kept.
    data_grads
        (B, d), gradients of the data's half angles; added to.
    gradient
        (layers, qubits, 3), gradient of the weights; added to.
    work
        `backward_size` numbers for each thread, scratch; then for each group and window
        gradients as `collect` takes them.
    """
    program = unpack_program(program)
    n, d, steps = program.n, program.n * program.angles, program.steps.size
    targets, windows = program.bits.size, firsts.size
    width = 2 if program.x_too else 1
    chunks = -(-cos.shape[0] // lanes)
    groups = min(GROUPS, chunks)
    prepared, states = cut(kept, windows * prepared_size(steps, n, targets, lanes))
    prepared = prepared.reshape(windows, -1)
    states = states.reshape(-1, state_size(n, lanes))
    work, sums = cut(work, threads * backward_size(n, d, steps, lanes))
    sums = sums.reshape(groups, windows, -1)
    if thread != BEFORE_AND_AFTER:
        _, rest = cut(work, thread * backward_size(n, d, steps, lanes))
        state, rest = cut(rest, lanes * (2 << n))
        spare, rest = cut(rest, lanes * (2 << n))
        costate, rest = cut(rest, lanes * (2 << n))
        costate_spare, rest = cut(rest, lanes * (2 << n))
        phases, rest = cut(rest, lanes * (2 << n))
        data_cos, rest = cut(rest, lanes * d)
        data_sin, rest = cut(rest, lanes * d)
        data_sums, rest = cut(rest, lanes * d)
        rows, rest = cut(rest, lanes * 4 * n)
        vectors, rest = cut(rest, lanes * 3 * n)
        by_bit, rest = cut(rest, lanes * n)
        turns, _ = cut(rest, lanes * steps * n)
        for group in range(thread, groups, threads):
            begin, end = chunk_range(group, groups, chunks)
            for window in range(windows):
                own = carve_prepared(prepared[window], steps, n, targets, lanes)
                sums[group, window] = 0
                own_sums = carve_sums(sums[group, window], steps, n, targets)
                clear(turns, steps * n)
                for chunk in range(begin, end):
                    last, bloch = cut(states[window * chunks + chunk], lanes * (2 << n))
                    sample, first = chunk * lanes, firsts[window] * program.angles
                    pack(data_cos, cos, first, d, sample, lanes, 1)
                    pack(data_sin, sin, first, d, sample, lanes, 0)
                    for t in range(targets):
                        column = feature_column(program, firsts[window], t)
                        row = cut(rows, t * width * lanes)[1]
                        pack(row, grads, column, width, sample, lanes, 0)
                    clear(data_sums, d)
                    copy(state, last, 2 << n)
                    seed(
                        costate, rows, vectors, bloch, state, spare, program, own.frame,
                        own_sums.frame,
                    )  # fmt: skip
                    retrace(
                        state, costate, spare, costate_spare, phases, rows, by_bit, program, own,
                        data_cos, data_sin, data_sums, turns, own_sums,
                    )  # fmt: skip
                    unpack(data_grads, data_sums, first, d, sample, lanes)
                for i in range(steps):
                    for bit in range(n):
                        own_sums.turns[i, bit] = total(load(turns, i * n + bit))
    if thread == BEFORE_AND_AFTER or threads == 1:
        for group in range(1, groups):
            for window in range(windows):
                for i in range(sums.shape[2]):
                    sums[0, window, i] += sums[group, window, i]
        for window in range(windows):
            first, last = firsts[window], firsts[window] + n
            collect(
                program, weights[:, first:last], sums[0, window], gradient[:, first:last], work
            )  # fmt: skip


@inline
def state_size(n, lanes):
    """Numbers in a chunk of final states, with their Bloch vectors."""
    return lanes * ((2 << n) + 3 * n)


@inline
def forward_size(n, d, lanes):
    """Numbers of scratch that `forward` cuts up, for each thread."""
    return lanes * ((4 << n) + 2 * d + 4 * n)


@inline
def backward_size(n, d, steps, lanes):
    """Numbers of scratch that `backward` cuts up, for each thread."""
    return lanes * ((10 << n) + 3 * d + (8 + steps) * n)
