"""The same circuit on PennyLane's devices: other simulators, shots, noise, hardware.

A device goes by PennyLane's own name for it ("default.qubit", "lightning.qubit", or what a
hardware vendor's plugin registers) and gets the same weights as the other backends. It is slower
than they are, but it is the way to shots, noise and quantum computers, and the tests' oracle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from torch import Tensor

from vqvae_lib._checks import (
    check_choice,
    check_count,
    check_flag,
    check_instance,
    check_seed,
    check_sequence,
    describe,
)
from vqvae_lib.quantum._checks import (
    REAL,
    check_circuit,
    check_inputs,
    check_memory,
    check_numbers,
    is_transformed,
)
from vqvae_lib.quantum.circuit import Circuit, Embed, Entangle, Operation, Part, Rotate

if TYPE_CHECKING:
    from pennylane import NoiseModel
    from pennylane.devices import Device

__all__ = ["PennyLane", "draw", "draw_operations", "quantum_function"]

_EXACT = ("backprop", "adjoint")
# A quotient divides by its step (1e-7, 1e-5) what float32 rounds and what shots scatter.
_DIFFERENCES = ("finite-diff", "spsa")
_DIFF_METHODS = ("best", "device", *_EXACT, "parameter-shift", "hadamard", *_DIFFERENCES)

# Devices that keep a state, and how many qubits of a state vector that is for each of theirs.
_STATE_QUBITS = {"default.qubit": 1, "lightning.qubit": 1, "default.mixed": 2}


class PennyLane:
    """Backend that runs a QNode on any PennyLane device.

    Parameters
    ----------
    circuit
        Any circuit that fits on the device.
    device
        Its name, such as "default.qubit", or a device that has at least the circuit's qubits.
    shots
        Repetitions N_shots of every measurement; None: exact expectation values.
    seed
        For the shots, and for the directions of "spsa": a new backend with the same seed repeats
        the same outcomes, call by call, and so does a copy. None for a device that takes no seed,
        such as hardware.
    diff_method
        PennyLane's name for a way to differentiate: "backprop", "adjoint", "parameter-shift",
        "hadamard", "finite-diff", "spsa", "device", or "best" for PennyLane's own choice. Only
        "backprop" runs a whole batch at once; the others run the samples one by one. Difference
        quotients ("finite-diff", "spsa") are taken in float64 whatever the weights are, since
        their steps lie below the resolution of float32.
    noise
        A `qml.NoiseModel` that adds noise to the circuit's gates, for a device that can simulate
        it, such as "default.mixed".
    **options
        Further arguments of the device.

    Raises
    ------
    ImportError
        If PennyLane is not installed.
    ValueError
        If there is no such device, it refuses an option or has too few qubits, its state does not
        fit into memory, or `shots` and `diff_method` exclude each other.

    Examples
    --------
    >>> import torch
    >>> circuit = Circuit(2, embedding="RY", readout="Z")
    >>> backend = PennyLane(circuit, "default.qubit", shots=1000, seed=0)
    >>> features = backend(torch.zeros(1, 2), torch.zeros(circuit.weight_shape))
    >>> bool(features.abs().max() < 0.2)
    True
    """

    name = "pennylane"

    def __init__(
        self,
        circuit: Circuit,
        device: str | Device = "default.qubit",
        *,
        shots: int | None = None,
        seed: int | None = 0,
        diff_method: str = "best",
        noise: NoiseModel | None = None,
        **options: Any,
    ) -> None:
        qml = _import_pennylane()
        self.circuit = check_circuit(circuit)
        expected = "a name, such as 'default.qubit', or a device of PennyLane"
        self.device: str | Device = check_instance(
            "device", device, (str, qml.devices.Device), expected
        )
        self.shots = None if shots is None else check_count("shots", shots)
        self.seed = None if seed is None else check_seed("seed", seed)
        self.diff_method = check_choice("diff_method", diff_method, _DIFF_METHODS)
        if noise is not None:
            check_instance("noise", noise, qml.NoiseModel, "a qml.NoiseModel")
        self.noise, self.options = noise, options
        self._check_sense()
        self._connect(self.seed)

    def _check_sense(self) -> None:
        """Refuse what excludes each other."""
        if self.shots is not None and self.diff_method in (*_EXACT, *_DIFFERENCES):
            raise ValueError(
                f"diff_method={self.diff_method!r} needs exact expectation values, and "
                f"shots={self.shots}: expected 'parameter-shift', or shots=None"
            )
        if not isinstance(self.device, str):
            self._check_device(self.device)
        elif self.device in _STATE_QUBITS:
            n = _STATE_QUBITS[self.device] * self.circuit.n_qubits
            check_memory(self.circuit, n, 1, torch.float64)

    def _check_device(self, device: Device) -> None:
        """Refuse options for a device that is already made, and one that is too small."""
        if self.options or (self.shots is not None and self.seed):
            raise ValueError(
                "device is already made, and its options (the seed is one) are given where it is "
                f"made: expected none here, got {sorted(self.options) or ['seed']}"
            )
        wires = device.wires
        if wires is not None and not set(range(self.circuit.n_qubits)) <= set(wires):
            raise ValueError(
                f"device has the wires {list(wires)}: expected 0 to {self.circuit.n_qubits - 1}, "
                "one for each qubit"
            )

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), with weights `Circuit.weight_shape`."""
        z, weights = check_inputs(self.circuit, z, weights)
        if is_transformed(z, weights) and not self._by_torch:
            raise TypeError(
                f"z and weights come from a transform of torch.func, and PennyLane differentiates "
                f"{self} outside torch: use layer.to_backend('statevector'), or default.qubit with "
                "diff_method='backprop' and no shots"
            )
        if torch.compiler.is_compiling():  # leave PennyLane's own code out of what is compiled
            return torch.compiler.disable(self._run)(z, weights)
        return self._run(z, weights)

    def _run(self, z: Tensor, weights: Tensor) -> Tensor:
        """Run the QNode on checked arguments."""
        if not len(z):  # nothing to run, but a gradient (of zero) may still be asked for
            return z.new_zeros(0, self.circuit.n_features) + 0 * (z.sum() + weights.sum())
        dtype = z.dtype
        if self.diff_method in _DIFFERENCES:
            z, weights = z.double(), weights.double()
        with _default_dtype(z.dtype):
            if self._batched:
                features = torch.stack(self._qnode(z, weights), -1)
            else:
                features = torch.stack([torch.stack(self._qnode(row, weights)) for row in z])
        return features.to(dtype)

    def manual_seed(self, seed: int) -> None:
        """Restart all draws: after it, the same calls give the same bits.

        Left alone are a device that takes no seed (``seed=None``, as for hardware), and one that
        was handed over ready-made, whose draws belong to its maker.
        """
        seed = check_seed("seed", seed)
        if self.seed is not None and (self.shots is not None or self.diff_method == "spsa"):
            self._connect(seed)

    def _connect(self, seed: int | None) -> None:
        """Make the QNode, and find out whether it can run a whole batch at once."""
        qml = _import_pennylane()
        n = self.circuit.n_qubits
        device = self.device
        refusals = (qml.exceptions.DeviceError, qml.exceptions.QuantumFunctionError, TypeError)
        drawn = self.shots is not None and seed is not None
        options = ({"seed": seed} if drawn else {}) | self.options
        by_chance = self.diff_method == "spsa"
        directions = {"sampler_rng": np.random.default_rng(seed)} if by_chance else {}
        try:
            if isinstance(device, str):
                device = qml.device(device, wires=n, **options)
            qnode = qml.QNode(
                lambda z, weights: quantum_function(self.circuit, z, weights),
                device,
                interface="torch",
                diff_method=self.diff_method,
                gradient_kwargs=directions,
                shots=self.shots,
            )
            method = self.diff_method
            if method == "best":
                method = qml.workflow.get_best_diff_method(qnode)(*_make_zeros(self.circuit))
        except refusals as error:
            raise ValueError(
                f"device={self.device!r} with {options}, diff_method={self.diff_method!r}: "
                f"PennyLane says: {error}"
            ) from error
        self._by_torch = method == "backprop"
        self._batched = self._by_torch and self.noise is None
        self._qnode = qnode if self.noise is None else qml.add_noise(qnode, self.noise)

    def __str__(self) -> str:
        device = self.device if isinstance(self.device, str) else f"a ready {self.device.name}"
        said = [device]
        if self.shots is not None:
            said.append(f"{self.shots} shots")
        if self.diff_method != "best":
            said.append(self.diff_method)
        if self.shots is not None or self.diff_method == "spsa":
            said.append(f"seed {self.seed}")
        if self.noise is not None:
            said.append(f"noise {self.noise}")
        said += [f"{name}={value!r}" for name, value in self.options.items()]
        # A memory address says nothing, and differs from process to process.
        return f"{self.name} ({re.sub(r' at 0x[0-9a-fA-F]+', '', ', '.join(said))})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the QNode, which does not pickle and can be made anew."""
        return {name: value for name, value in self.__dict__.items() if name != "_qnode"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect(self.seed)


def draw(circuit: Circuit, *, part: Part | None = None, figure: bool = False) -> Any:
    """Draw a circuit, by PennyLane.

    Parameters
    ----------
    circuit
        What to draw.
    part
        "encoder", "space" or "decoder": this part alone. None: all of them.
    figure
        Whether to draw with matplotlib.

    Returns
    -------
    str or (Figure, Axes)
        A drawing in characters, or one by matplotlib.

    Raises
    ------
    ValueError
        If there is no such part.

    Examples
    --------
    >>> print(draw(Circuit(2, initial="zero", embedding="RY", space_layers=0, readout="Z")))
    0: ──RY─╭●──Rot─┤  <Z>
    1: ──RY─╰X──Rot─┤  <Z>
    """
    qml = _import_pennylane()
    check_circuit(circuit)
    if part is not None:
        check_choice("part", part, get_args(Part))

    def function(z: Tensor, weights: Tensor) -> Any:
        return quantum_function(circuit, z, weights, part=part)

    wires = range(circuit.n_qubits)
    if check_flag("figure", figure):
        return qml.draw_mpl(function, wire_order=wires)(*_make_zeros(circuit))
    return qml.draw(function, decimals=None, wire_order=wires)(*_make_zeros(circuit))


def draw_operations(operations: Sequence[Operation], n: int) -> str:
    """Draw rotations and entangling layers on n qubits, in characters."""
    qml = _import_pennylane()
    operations = check_sequence("operations", operations, "a list, as Circuit.operations()")
    n = check_count("n", n)
    layers = 1 + max((op.row for op in operations if isinstance(op, Rotate)), default=-1)

    def function(z: Tensor, weights: Tensor) -> Any:
        for operation in operations:
            _queue(operation, z, weights)
        return qml.state()

    drawing = qml.draw(function, decimals=None, wire_order=range(n))
    return str(drawing(torch.zeros(0), torch.zeros(layers, n, 3)))


def quantum_function(
    circuit: Circuit, z: Tensor, weights: Tensor, *, part: Part | None = None
) -> Any:
    """Write a circuit down in PennyLane's gates, for a QNode.

    Parameters
    ----------
    circuit
        What to write down.
    z
        (d,), or (B, d) for a batch; of any library that PennyLane knows.
    weights
        `Circuit.weight_shape`.
    part
        "encoder", "space" or "decoder": the gates of this part alone. None: all of them.

    Returns
    -------
    list
        The m expectation values, as PennyLane's measurements; for the encoder and the space alone
        the state.
    """
    qml = _import_pennylane()
    check_circuit(circuit)
    _check_array("z", z, (..., circuit.latent_dim))
    _check_array("weights", weights, circuit.weight_shape)
    if part is not None:
        check_choice("part", part, get_args(Part))
    qubits = range(circuit.n_qubits)
    if circuit.initial == "superposition" and part in (None, "encoder"):
        for qubit in qubits:
            qml.Hadamard(qubit)
    for operation in circuit.operations(part):
        _queue(operation, z, weights)
    if part in ("encoder", "space"):
        return qml.state()
    observables = {"Z": qml.Z, "X": qml.X}
    return [qml.expval(observables[o](qubit)) for qubit in qubits for o in circuit.readout]


def _check_array(name: str, value: Any, shape: tuple[Any, ...]) -> None:
    """Refuse what is no array of real numbers with this shape, or of a library that has shapes."""
    if isinstance(value, Tensor | np.ndarray | type) or not hasattr(value, "shape"):
        check_numbers(name, value, shape, REAL)
        return
    sizes = [size for size in shape if size is not ...]
    if list(value.shape)[-len(sizes) :] != sizes:
        raise ValueError(f"{name} has shape {tuple(value.shape)}: expected the last axes {sizes}")


def _queue(operation: Operation, z: Tensor, weights: Tensor) -> None:
    """Write an operation down in PennyLane's gates, which are called as ours are."""
    qml = _import_pennylane()
    qubits = range(weights.shape[1])
    match operation:
        case Embed(gates, scale):
            angles = (scale * z).reshape(*z.shape[:-1], len(qubits), len(gates))  # (..., n, k)
            for qubit in qubits:
                for i, gate in enumerate(gates):
                    getattr(qml, gate)(angles[..., qubit, i], qubit)
        case Rotate(row):
            for qubit in qubits:
                qml.Rot(*weights[row, qubit], qubit)
        case Entangle(pairs, gate):
            for pair in pairs:
                getattr(qml, gate)(pair)
        case _:
            raise TypeError(
                f"operations holds {describe(operation)}: expected Embed, Rotate or Entangle"
            )


def _make_zeros(circuit: Circuit) -> tuple[Tensor, Tensor]:
    """Make latent vector and weights where their values do not matter."""
    return torch.zeros(circuit.latent_dim), torch.zeros(circuit.weight_shape)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Set torch's default for a while: some devices return Python numbers, which adopt it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _import_pennylane() -> Any:
    """Import PennyLane, which takes seconds, when it is first needed."""
    try:
        import pennylane
    except ImportError as error:
        raise ImportError(
            "backend='pennylane' and drawing need PennyLane: pip install pennylane"
        ) from error
    return pennylane
