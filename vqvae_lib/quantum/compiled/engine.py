"""The compiled circuit as a torch operation: what is computed, kept and returned, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from vqvae_lib._checks import check_choice, check_instance, describe
from vqvae_lib.quantum._checks import check_circuit, check_inputs, check_memory
from vqvae_lib.quantum.circuit import Circuit
from vqvae_lib.quantum.compiled import kernels, lanes, transforms
from vqvae_lib.quantum.compiled.machine_code import announced
from vqvae_lib.quantum.compiled.program import Program, compile_program, pack_program
from vqvae_lib.quantum.compiled.resources import SMALL, borrowed, run, scratch, threads_for
from vqvae_lib.quantum.compiled.weights import prepared_size, sums_size
from vqvae_lib.quantum.windows import Window, whole

__all__ = ["Compiled", "warm_up"]

# Dtypes whose kernels are compiled, or read from the disk.
_warm: set[torch.dtype] = set()
# Plans that a backend remembers: as many as a training run has sizes of a batch, and some.
_PLANS = 32


class _Part(NamedTuple):
    """What a call needs of the windows of one pattern: threads, and numbers to write to."""

    program: np.ndarray
    firsts: np.ndarray
    threads: int
    kept: int
    forward: int
    backward: int


class _Plan(NamedTuple):
    """How a batch is carried out."""

    lanes: int
    large: bool  # what is kept for the way back
    parts: tuple[_Part, ...]


class _Pattern:
    """Windows that differ only in where they begin."""

    def __init__(self, program: Program, firsts: list[int]) -> None:
        self.n, self.d = program.n, program.n * program.angles
        self.steps, self.targets = program.steps.size, program.bits.size
        self.packed, self.firsts = pack_program(program), np.array(firsts, np.int64)

    def part(self, batch: int, lane: int, keep: bool) -> _Part:
        """Count what a batch needs."""
        n, steps, windows = self.n, self.steps, self.firsts.size
        chunks = -(-batch // lane)
        groups = min(kernels.GROUPS, chunks)
        threads = threads_for(batch * windows * (steps + 1) << n, groups)
        prepared = prepared_size.py_func(steps, n, self.targets, lane)
        states = windows * chunks if keep else threads
        return _Part(
            self.packed,
            self.firsts,
            threads,
            windows * prepared + states * kernels.state_size.py_func(n, lane),
            threads * kernels.forward_size.py_func(n, self.d, lane),
            threads * kernels.backward_size.py_func(n, self.d, steps, lane)
            + groups * windows * sums_size.py_func(steps, n, self.targets),
        )


class Compiled:
    """Backend that runs compiled kernels on the CPU.

    It has first derivatives, also under `torch.compile` and inside the transforms of `torch.func`.

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
        self.circuit = check_circuit(circuit)
        self.windows = windows = whole(circuit) if windows is None else _check_windows(windows)
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
        self.n_features = circuit.n_features
        self.scale = 0.5 * circuit.angle_scale
        self._plans: dict[tuple[int, torch.dtype, bool, int], _Plan] = {}

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), differentiable once in both arguments."""
        z, weights = check_inputs(self.circuit, z, weights)
        if not z.is_cpu:
            raise ValueError(
                f"z is on {z.device}: the compiled backend runs on the CPU; use "
                "backend='statevector' there"
            )
        if torch.compiler.is_compiling():
            return transforms.traced(self, z, weights)
        # Forward-mode derivatives count among the transforms, which say that there are none.
        if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
            return transforms.transformed(self, z, weights)
        # Asked here, since inside the function torch doesn't tell whether gradients are wanted.
        if torch.is_grad_enabled() and (z.requires_grad or weights.requires_grad):
            return _simulate(self, z, weights)
        return self._features(z, weights)

    def _features(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features alone: memory for one state a thread, however many samples there are."""
        run_ = _Run(self, z, weights, keep=False)
        for kept in run_.kept:
            scratch.give(kept)
        return torch.from_numpy(run_.features)

    def _gradients(self, z: Tensor, weights: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the loss by z and by the weights, from that by the features."""
        run_ = _Run(self, z, weights, keep=True)
        found = run_.back(run_.kept, grad)
        for kept in run_.kept:
            scratch.give(kept)
        return found

    def _plan(self, batch: int, dtype: torch.dtype, keep: bool) -> _Plan:
        """Decide how a batch is carried out; ValueError if its states do not fit into memory."""
        key = (batch, dtype, keep, torch.get_num_threads())
        plan = self._plans.get(key)
        if plan is None:
            lane = lanes.width(dtype.itemsize)
            patterns = self.patterns if batch else []
            parts = tuple(pattern.part(batch, lane, keep) for pattern in patterns)
            large = any(part.kept * dtype.itemsize >= SMALL for part in parts)
            plan = _Plan(lane, large, parts)
            for pattern, part in zip(patterns, parts, strict=True):
                numbers = part.kept + (max(part.forward, part.backward) if keep else part.forward)
                check_memory(self.circuit, pattern.n, numbers // (2 << pattern.n), dtype)
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan


class _Run:
    """One way through the circuit, and the way back.

    Attributes
    ----------
    features
        (B, m).
    kept
        For each pattern what `kernels.backward` needs, scratch that is to be given back.
    """

    __slots__ = ("arrays", "features", "kept", "plan")

    def __init__(self, backend: Compiled, z: Tensor, weights: Tensor, *, keep: bool) -> None:
        if z.dtype not in _warm:
            warm_up(z.dtype)
        data = z.detach().numpy()
        batch, kind = len(data), data.dtype
        self.plan = lane, _, parts = backend._plan(batch, z.dtype, keep)
        cos, sin = _half_angles(data, backend.scale, backend.circuit.reupload)
        w = weights.detach().numpy()
        # A copy: the weights may be changed through `weights.data` before the way back.
        w = w.copy() if keep else np.ascontiguousarray(w)
        self.arrays = cos, sin, w, kind, backend.scale
        self.features = features = np.zeros((batch, backend.n_features), kind)
        self.kept = []
        for part in parts:
            kept, work = scratch.take(part.kept, kind), scratch.take(part.forward, kind)
            args = keep, lane, part.program, part.firsts, w, cos, sin, features, kept, work
            if part.threads > 1:
                kernels.forward(kernels.BEFORE_AND_AFTER, part.threads, *args)
            run(kernels.forward, part.threads, *args)
            scratch.give(work)
            self.kept.append(kept)

    def back(self, kept: Sequence[np.ndarray], grad: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the loss by z and by the weights, from that by the features."""
        lane, _, parts = self.plan
        cos, sin, w, kind, scale = self.arrays
        g = np.ascontiguousarray((grad.detach() if grad.requires_grad else grad).numpy())
        data_grads, gradient = np.zeros(cos.shape, kind), np.zeros(w.shape, kind)
        for part, own in zip(parts, kept, strict=True):
            work = scratch.take(part.backward, kind)
            args = (
                lane, part.program, part.firsts, w, cos, sin, g, own, data_grads, gradient, work
            )  # fmt: skip
            run(kernels.backward, part.threads, *args)
            if part.threads > 1:
                kernels.backward(kernels.BEFORE_AND_AFTER, part.threads, *args)
            scratch.give(work)
        data_grads *= scale
        return torch.from_numpy(data_grads), torch.from_numpy(gradient)


class _Simulate(torch.autograd.Function):
    """The autograd function: keeps one final state per sample and window, whatever the depth."""

    @staticmethod
    def forward(ctx: Any, backend: Compiled, z: Tensor, weights: Tensor) -> Tensor:
        ctx.run = run_ = _Run(backend, z, weights, keep=True)
        if run_.plan.large:
            # Saved by torch, which lets go of them after the way back.
            kept = [torch.from_numpy(borrowed(array)) for array in run_.kept]
            run_.kept = []
            ctx.save_for_backward(z, weights, *kept)
        else:
            ctx.save_for_backward(z, weights)
        return torch.from_numpy(run_.features)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        z, weights, *saved = ctx.saved_tensors
        kept = [tensor.numpy() for tensor in saved] if saved else ctx.run.kept
        z_grad, weights_grad = ctx.run.back(kept, grad)
        if torch.is_grad_enabled():  # create_graph=True
            z_grad, weights_grad = _Once.apply(z, weights, grad, z_grad, weights_grad)
        return None, z_grad, weights_grad


# `_Simulate.apply` without its care for transforms, which have gone another way.
_simulate = super(torch.autograd.Function, _Simulate).apply


class _Once(torch.autograd.Function):
    """Passes first derivatives on, and says clearly that there are no second ones."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, weights: Tensor, grad: Tensor, *results: Tensor
    ) -> tuple[Tensor, ...]:
        return tuple(result.clone() for result in results)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise RuntimeError(transforms.FIRST_ONLY)


def _check_windows(windows: Any) -> tuple[Window, ...]:
    """Return windows as a tuple; TypeError or ValueError for anything else."""
    if not isinstance(windows, list | tuple) or not windows:
        raise ValueError(
            f"windows is {describe(windows)}: expected a list of windows, as cones(circuit) gives"
        )
    return tuple(check_instance("windows", window, Window, "windows") for window in windows)


def _half_angles(z: np.ndarray, scale: float, reupload: bool) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of half the data's angles, (B, d) each, contiguous.

    By NumPy: torch takes several threads for this, and hangs if they were lost in a fork.
    """
    half = np.multiply(z, scale, order="C")
    with np.errstate(invalid="ignore"):  # infinite data gives NaN, as in torch, and silently
        if reupload:
            # Modulo π, so that tan(half/2) stays small: it changes the sign of a sample's state.
            half -= np.pi * np.rint(half * (1 / np.pi))
        return np.cos(half), np.sin(half)


def warm_up(dtype: torch.dtype) -> None:
    """Compile the kernels for a dtype, and say so, or read them from the disk without a word.

    Parameters
    ----------
    dtype
        torch.float32 or torch.float64.
    """
    check_choice("dtype", dtype, (torch.float32, torch.float64))
    _warm.add(dtype)  # first, since the call below asks
    try:
        circuit = Circuit(1, embedding="RY")
        shapes = (1, 1), circuit.weight_shape, (1, circuit.n_features)
        with announced(str(dtype)):
            Compiled(circuit)._gradients(
                *(torch.zeros(shape, dtype=dtype, device="cpu") for shape in shapes)
            )
    except BaseException:
        _warm.discard(dtype)
        raise
