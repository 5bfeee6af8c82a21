"""The compiled circuit as a torch operation: what is computed, kept and returned, and when."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numba.core import event as numba_event
from torch import Tensor

from vqvae_lib.quantum._checks import check_inputs, check_memory
from vqvae_lib.quantum.circuit import Circuit
from vqvae_lib.quantum.compiled import kernels, lanes
from vqvae_lib.quantum.compiled.program import Program, compile_program
from vqvae_lib.quantum.compiled.readout import FRAME
from vqvae_lib.quantum.compiled.resources import borrowed, run, scratch, threads_for
from vqvae_lib.quantum.compiled.weights import Prepared, sums_size
from vqvae_lib.quantum.windows import Window, whole

__all__ = ["Compiled", "warm_up"]

# Dtypes whose kernels are compiled, or read from the disk.
_warm: set[torch.dtype] = set()


class _Pattern:
    """Windows that differ only in where they begin, and the room that one of them needs."""

    def __init__(self, program: Program, firsts: list[int]) -> None:
        self.program = program
        self.firsts = np.array(firsts, np.int64)
        n, d, steps = program.n, program.n * program.angles, program.steps.size
        targets = program.bits.size
        windows = len(firsts)
        # Rows (see `lanes`) of a state, of the Bloch vectors, and of scratch for a thread.
        self.state_rows = 2 << n
        self.bloch_rows = 3 * n
        self.forward_rows = kernels.forward_rows(n, d)
        self.backward_rows = kernels.backward_rows(n, d, steps)
        # Shapes of what is prepared and of what is collected.
        self.phases = (windows, steps, 1 << n)
        self.turns = (windows, steps * n)
        self.start = (windows, n, 4)
        self.frame = (windows, targets, FRAME)
        self.sums = (windows, sums_size.py_func(steps, n, targets))
        self.work = windows * (steps + 1) << n

    def prepare(self, weights: np.ndarray, lane: int) -> Prepared:
        """Compute what depends on the weights alone, see `vqvae_lib.quantum.compiled.weights`."""
        windows, rows = self.turns
        kind = weights.dtype
        prepared = Prepared(
            np.empty(self.phases, kind),
            np.empty(self.phases, kind),
            np.empty((windows, rows * lane), kind),
            np.empty((windows, rows * lane), kind),
            np.empty(self.start, kind),
            np.empty(self.frame, kind),
        )
        kernels.prepare_windows(self.program, self.firsts, weights, prepared)
        return prepared


class Compiled:
    """Backend that runs compiled kernels on the CPU.

    Parameters
    ----------
    circuit
        Any circuit whose state, or whose windows' states, fit into memory.
    windows
        The parts in which it is simulated; None: one state vector of all qubits.

    Raises
    ------
    ValueError
        If the state does not fit into this machine's memory; when called, for tensors that do not
        fit the circuit or are not on the CPU.
    """

    name = "compiled"

    def __init__(self, circuit: Circuit, windows: Sequence[Window] | None = None) -> None:
        self.circuit = circuit
        windows = whole(circuit) if windows is None else windows
        width = max(window.width for window in windows)
        for states in (1, 4):  # one state, then the least number that a call needs
            check_memory(circuit, width, states, torch.float32)
        places: dict[Any, list[int]] = {}
        for window in windows:
            places.setdefault(window.pattern, []).append(window.first)
        self.patterns = [
            _Pattern(compile_program(circuit, operations, width, targets), firsts)
            for (width, targets, operations), firsts in places.items()
        ]

    def _check_batch(self, batch: int, dtype: torch.dtype, keep: bool) -> None:
        """Refuse a batch whose states do not fit into this machine's memory."""
        lane, chunks, groups = _parts(batch, dtype.itemsize)
        threads = min(torch.get_num_threads(), groups)
        for pattern in self.patterns:
            rows = threads * pattern.forward_rows
            if keep:
                rows = threads * pattern.backward_rows
                rows += pattern.firsts.size * chunks * pattern.state_rows
            states = rows * lane // (2 << pattern.program.n)
            check_memory(self.circuit, pattern.program.n, states, dtype)

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), differentiable once in both arguments."""
        check_inputs(self.circuit, z, weights)
        if z.device.type != "cpu":
            raise ValueError(
                f"z is on {z.device}: the compiled backend runs on the CPU; use "
                "backend='statevector' there"
            )
        if z.dtype not in _warm:
            warm_up(z.dtype)
        # Asked here, since inside the function torch doesn't tell whether gradients are wanted.
        keep = torch.is_grad_enabled() and (z.requires_grad or weights.requires_grad)
        self._check_batch(len(z), z.dtype, keep)
        return _Simulate.apply(self, keep, z, weights)


class _CompileNotice(numba_event.Listener):
    """Prints a line when numba begins to compile one of our kernels, and only the first time.

    numba sends this event after it has looked in its cache in vain: kernels that are read from
    the disk, however slowly, are passed over in silence.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.printed = False

    def on_start(self, event: Any) -> None:
        """Print the line."""
        kernel = event.data["dispatcher"]
        if self.printed or not kernel.py_func.__module__.startswith(__package__):
            return
        self.printed = True
        if kernel.stats.cache_path is None:
            when = "In every process, since numba finds no folder to keep them in"
        else:
            when = "Once on this machine"
        print(
            f"Compiling the quantum kernels for {self.dtype}. {when}; about half a minute.",
            file=sys.stderr,
            flush=True,
        )

    def on_end(self, event: Any) -> None:
        """Stay silent."""


def warm_up(dtype: torch.dtype) -> None:
    """Compile the kernels for a dtype, and say so, or read them from the disk without a word.

    Parameters
    ----------
    dtype
        torch.float32 or torch.float64.
    """
    _warm.add(dtype)  # first, since the call below asks
    try:
        circuit = Circuit(1, embedding="RY")
        with (
            numba_event.install_listener("numba:compile", _CompileNotice(dtype)),
            torch.inference_mode(False),
            torch.enable_grad(),
        ):
            z = torch.zeros(1, 1, dtype=dtype, requires_grad=True)
            weights = torch.zeros(circuit.weight_shape, dtype=dtype)
            Compiled(circuit)(z, weights).sum().backward()
    except BaseException:
        _warm.discard(dtype)
        raise


class _Simulate(torch.autograd.Function):
    """The autograd function: keeps one final state per sample and window, whatever the depth."""

    @staticmethod
    def forward(ctx: Any, backend: Compiled, keep: bool, z: Tensor, weights: Tensor) -> Tensor:
        circuit = backend.circuit
        cos, sin = _half_angles(z.detach().numpy(), circuit)
        w = np.ascontiguousarray(weights.detach().numpy())
        batch, kind = len(cos), cos.dtype
        features = np.zeros((batch, circuit.n_features), kind)
        ctx.backend, ctx.prepared = backend, []
        saved = [z, weights]
        # A copy: the weights may be changed through `weights.data` before the way back.
        ctx.arrays = cos, sin, w.copy() if keep else w
        lane, chunks, groups = _parts(batch, kind.itemsize)
        for pattern in backend.patterns if batch else []:
            prepared = pattern.prepare(w, lane)
            threads = threads_for(pattern.work * batch, groups)
            slots = pattern.firsts.size * chunks if keep else threads
            states = scratch.take((slots, pattern.state_rows * lane), kind)
            blochs = scratch.take((slots, pattern.bloch_rows * lane), kind)
            work = scratch.take((threads, pattern.forward_rows * lane), kind)
            run(
                kernels.forward, threads, groups, pattern.program, pattern.firsts, prepared,
                cos, sin, features, states, blochs, keep, work,
            )  # fmt: skip
            scratch.give(work)
            if keep:
                ctx.prepared.append(prepared)
                saved += [torch.from_numpy(borrowed(array)) for array in (states, blochs)]
            else:
                scratch.give(states)
                scratch.give(blochs)
        # Saved by torch, which lets go of them after the way back.
        ctx.save_for_backward(*saved)
        return torch.from_numpy(features)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        z, weights, *finals = ctx.saved_tensors
        z_grad, weights_grad = _back(ctx, [tensor.numpy() for tensor in finals], grad.detach())
        if torch.is_grad_enabled():  # create_graph=True
            z_grad, weights_grad = _Once.apply(z, weights, grad, z_grad, weights_grad)
        return None, None, z_grad, weights_grad


class _Once(torch.autograd.Function):
    """Passes first derivatives on, and says clearly that there are no second ones."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, weights: Tensor, grad: Tensor, *results: Tensor
    ) -> tuple[Tensor, ...]:
        return tuple(result.clone() for result in results)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise RuntimeError(
            "the compiled quantum layer has first derivatives only: for second derivatives use "
            "layer.to_backend('statevector'), which shares the weights, or, for very many "
            "qubits, layer.to_backend('light_cone', compiled=False)"
        )


def _parts(batch: int, itemsize: int) -> tuple[int, int, int]:
    """Samples in a chunk, chunks in a batch, and groups of chunks to share out to threads."""
    lane = lanes.width(itemsize)
    chunks = -(-batch // lane)
    return lane, chunks, min(kernels.GROUPS, chunks)


def _half_angles(z: np.ndarray, circuit: Circuit) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of half the data's angles, (B, d) each, contiguous.

    By NumPy: torch takes several threads for this, and hangs if they were lost in a fork.
    """
    half = np.multiply(z, 0.5 * circuit.angle_scale, order="C")
    with np.errstate(invalid="ignore"):  # infinite data gives NaN, as in torch, and silently
        if circuit.reupload:
            # Modulo π, so that tan(half/2) stays small: it changes the sign of a sample's state.
            half -= np.pi * np.rint(half * (1 / np.pi))
        return np.cos(half), np.sin(half)


def _back(ctx: Any, finals: list[np.ndarray], grad: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of the loss by z and by the weights; `finals` alternate states, Bloch vectors."""
    backend, (cos, sin, w) = ctx.backend, ctx.arrays
    g = np.ascontiguousarray(grad.numpy())
    batch, kind = len(cos), cos.dtype
    data_grads, gradient = np.zeros(cos.shape, kind), np.zeros(w.shape, kind)
    lane, _, groups = _parts(batch, kind.itemsize)
    patterns = backend.patterns if batch else []
    for pattern, prepared, states, blochs in zip(
        patterns, ctx.prepared, finals[::2], finals[1::2], strict=True
    ):
        threads = threads_for(pattern.work * batch, groups)
        sums = scratch.take((groups, *pattern.sums), kind)
        work = scratch.take((threads, pattern.backward_rows * lane), kind)
        run(
            kernels.backward, threads, groups, pattern.program, pattern.firsts, prepared,
            cos, sin, g, states, blochs, data_grads, sums, work,
        )  # fmt: skip
        kernels.collect_windows(pattern.program, pattern.firsts, w, sums, gradient)
        scratch.give(sums)
        scratch.give(work)
    data_grads *= 0.5 * backend.circuit.angle_scale
    return torch.from_numpy(data_grads), torch.from_numpy(gradient)
