"""The same circuit on PennyLane's devices: other simulators, shots, noise, hardware.

A device goes by PennyLane's own name for it ("default.qubit", "lightning.qubit", or what a
hardware vendor's plugin registers) and gets the same weights as the other backends. It is slower
than they are, but it is the way to shots, noise and quantum computers, and the tests' oracle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from vqvae_lib._checks import check_count
from vqvae_lib.quantum._checks import check_inputs
from vqvae_lib.quantum.circuit import Circuit, Embed, Entangle, Operation, Part, Rotate

__all__ = ["PennyLane", "draw", "draw_operations", "quantum_function"]


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
        For the shots: a new backend with the same seed repeats the same outcomes, call by call.
        None for a device that takes no seed, such as hardware.
    diff_method
        PennyLane's name for a way to differentiate: "backprop", "adjoint", "parameter-shift", …,
        or "best" for PennyLane's own choice. Only "backprop" runs a whole batch at once; the
        others run the samples one by one.
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
        If there is no such device, it refuses an option, or `shots` is not positive.

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
        device: Any = "default.qubit",
        *,
        shots: int | None = None,
        seed: int | None = 0,
        diff_method: str = "best",
        noise: Any = None,
        **options: Any,
    ) -> None:
        if shots is not None:
            shots = check_count("shots", shots)
        if shots is not None and diff_method in ("backprop", "adjoint"):
            raise ValueError(
                f"diff_method={diff_method!r} needs exact expectation values, and shots={shots}: "
                "expected 'parameter-shift', or shots=None"
            )
        if not isinstance(device, str) and (options or (shots is not None and seed)):
            raise ValueError(
                "device is already made, and its options (the seed is one) are given where it is "
                f"made: expected none here, got {sorted(options) or ['seed']}"
            )
        self.circuit, self.device, self.shots, self.seed = circuit, device, shots, seed
        self.diff_method, self.noise, self.options = diff_method, noise, options
        self._connect()

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), with weights `Circuit.weight_shape`."""
        check_inputs(self.circuit, z, weights)
        if not len(z):  # nothing to run, but a gradient (of zero) may still be asked for
            return z.new_zeros(0, self.circuit.n_features) + 0 * (z.sum() + weights.sum())
        with _default_dtype(z.dtype):
            if self._batched:
                features = torch.stack(self._qnode(z, weights), -1)
            else:
                features = torch.stack([torch.stack(self._qnode(row, weights)) for row in z])
        return features.to(z.dtype)

    def _connect(self) -> None:
        """Make the QNode, and find out whether it can run a whole batch at once."""
        qml = _import_pennylane()
        n = self.circuit.n_qubits
        device = self.device
        if isinstance(device, str):
            seed = {} if self.shots is None or self.seed is None else {"seed": self.seed}
            try:
                device = qml.device(device, wires=n, **seed, **self.options)
            except (qml.exceptions.DeviceError, TypeError) as error:
                raise ValueError(
                    f"device={device!r} with {seed | self.options}: PennyLane says: {error}"
                ) from error
        qnode = qml.QNode(
            lambda z, weights: quantum_function(self.circuit, z, weights),
            device,
            interface="torch",
            diff_method=self.diff_method,
            shots=self.shots,
        )
        method = self.diff_method
        if method == "best":
            method = qml.workflow.get_best_diff_method(qnode)(*_make_zeros(self.circuit))
        self._batched = method == "backprop" and self.noise is None
        self._qnode = qnode if self.noise is None else qml.add_noise(qnode, self.noise)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the QNode, which does not pickle and can be made anew."""
        return {name: value for name, value in self.__dict__.items() if name != "_qnode"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()


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

    def function(z: Tensor, weights: Tensor) -> Any:
        return quantum_function(circuit, z, weights, part=part)

    wires = range(circuit.n_qubits)
    if figure:
        return qml.draw_mpl(function, wire_order=wires)(*_make_zeros(circuit))
    return qml.draw(function, decimals=None, wire_order=wires)(*_make_zeros(circuit))


def draw_operations(operations: Sequence[Operation], n: int) -> str:
    """Draw rotations and entangling layers on n qubits, in characters."""
    qml = _import_pennylane()
    layers = 1 + max(op.row for op in operations if isinstance(op, Rotate))

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
            raise TypeError(f"operation={operation!r}: expected Embed, Rotate or Entangle")


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
