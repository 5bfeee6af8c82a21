"""The same circuit on PennyLane's devices: other simulators, shots, noise, hardware.

A device is named by PennyLane's own string ("default.qubit", "lightning.qubit", or what a plugin
of a hardware vendor registers), and gets the same weights as the other backends. Slower than they
are, this is the way to shots, noise and quantum computers, and the oracle of the library's tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.quantum._checks import check_inputs
from vqvae_lib.quantum.circuit import Circuit, Embed, Entangle, Rotate

__all__ = ["PennyLane", "draw", "draw_operations", "quantum_function"]

_PARTS = ("encoder", "space", "decoder")


class PennyLane:
    """Backend: ``backend(z, weights) -> features``, by a QNode on any PennyLane device.

    Parameters
    ----------
    circuit
        The circuit.
    device
        A device's name, such as "default.qubit", or a device with at least the circuit's qubits.
    shots
        Repetitions N_shots of every measurement; None: exact expectation values.
    seed
        Of the shots: a new backend with the same seed repeats the same outcomes, call by call.
        None: for a device that takes no seed, such as hardware; its outcomes are not repeated.
    diff_method
        PennyLane's name of a way to differentiate: "backprop", "adjoint", "parameter-shift", …
        "best": what PennyLane takes for the device. Only "backprop" runs a batch at once; with
        all others the samples are run one by one.
    noise
        A `qml.NoiseModel` that adds noise to the circuit's gates; the device has to know noise,
        as "default.mixed" does.
    **options
        Further arguments of the device.

    Raises
    ------
    ImportError
        If PennyLane is not installed.
    ValueError
        If there is no such device, it refuses an option, or `shots` is no positive number.

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
        if shots is not None and (
            isinstance(shots, bool) or not isinstance(shots, int) or shots < 1
        ):
            raise ValueError(f"shots={shots!r}: expected a whole number of at least 1, or None")
        if shots is not None and diff_method in ("backprop", "adjoint"):
            raise ValueError(
                f"diff_method={diff_method!r} needs exact expectation values, and shots={shots}: "
                "expected 'parameter-shift', or shots=None"
            )
        if not isinstance(device, str) and (options or (shots is not None and seed)):
            raise ValueError(
                "device is a device already: its options, a seed among them, are given where it "
                f"is made; got {sorted(options) or ['seed']}"
            )
        self.circuit, self.device, self.shots, self.seed = circuit, device, shots, seed
        self.diff_method, self.noise, self.options = diff_method, noise, options
        self._connect()

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), with weights `circuit.weight_shape`."""
        check_inputs(self.circuit, z, weights)
        if not len(z):  # no sample to run, but gradients (of zero) are still asked for
            return z.new_zeros(0, self.circuit.n_features) + 0 * (z.sum() + weights.sum())
        with _default_dtype(z.dtype):
            if self._batched:
                features = torch.stack(self._qnode(z, weights), -1)
            else:
                features = torch.stack([torch.stack(self._qnode(row, weights)) for row in z])
        return features.to(z.dtype)

    def _connect(self) -> None:
        """Make the QNode, and find out whether a whole batch can be one run."""
        qml = _pennylane()
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
            method = qml.workflow.get_best_diff_method(qnode)(*_zeros(self.circuit))
        self._batched = method == "backprop" and self.noise is None
        self._qnode = qnode if self.noise is None else qml.add_noise(qnode, self.noise)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what does not pickle and can be made anew."""
        return {name: value for name, value in self.__dict__.items() if name != "_qnode"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()


def draw(circuit: Circuit, *, part: str | None = None, figure: bool = False) -> Any:
    """Draw a circuit, by PennyLane.

    Parameters
    ----------
    circuit
        The circuit.
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
    if part not in (None, *_PARTS):
        raise ValueError(f"part={part!r}: expected 'encoder', 'space', 'decoder' or None")
    qml = _pennylane()

    def function(z: Tensor, weights: Tensor) -> Any:
        return quantum_function(circuit, z, weights, part=part)

    wires = range(circuit.n_qubits)
    if figure:
        return qml.draw_mpl(function, wire_order=wires)(*_zeros(circuit))
    return qml.draw(function, decimals=None, wire_order=wires)(*_zeros(circuit))


def quantum_function(
    circuit: Circuit, z: Tensor, weights: Tensor, *, part: str | None = None
) -> Any:
    """Write a circuit down in PennyLane's gates, for a QNode.

    Parameters
    ----------
    circuit
        The circuit.
    z
        (d,), or (B, d) for a batch; of any library that PennyLane knows.
    weights
        `circuit.weight_shape`.
    part
        "encoder", "space" or "decoder": the gates of this part alone. None: all of them.

    Returns
    -------
    list
        The m expectation values, as PennyLane's measurements; for the encoder and the space alone
        the state.
    """
    qml = _pennylane()
    n = circuit.n_qubits
    angles = (circuit.angle_scale * z).reshape(*z.shape[:-1], n, -1)  # (..., n, 1 or 2)
    first = qml.RX if circuit.embedding == "RX" else qml.RY
    if circuit.initial == "superposition" and part in (None, "encoder"):
        for qubit in range(n):
            qml.Hadamard(qubit)
    for operation in circuit.operations(part):
        if isinstance(operation, Embed):
            for qubit in range(n):
                first(angles[..., qubit, 0], qubit)
                if circuit.embedding == "RY+RZ":
                    qml.RZ(angles[..., qubit, 1], qubit)
        else:
            _queue(operation, weights, circuit.gate)
    if part in ("encoder", "space"):
        return qml.state()
    observables = {"Z": qml.Z, "X": qml.X}
    return [qml.expval(observables[o](qubit)) for qubit in range(n) for o in circuit.readout]


def draw_operations(operations: Sequence[Rotate | Entangle], n: int, gate: str) -> str:
    """Draw rotations and entangling layers on n qubits, in characters."""
    qml = _pennylane()
    layers = 1 + max(op.row for op in operations if isinstance(op, Rotate))

    def function(weights: Tensor) -> Any:
        for operation in operations:
            _queue(operation, weights, gate)
        return qml.state()

    drawn = qml.draw(function, decimals=None, wire_order=range(n))
    return str(drawn(torch.zeros(layers, n, 3)))


def _queue(operation: Rotate | Entangle, weights: Tensor, gate: str) -> None:
    """Write a layer down in PennyLane's gates."""
    qml = _pennylane()
    match operation:
        case Rotate(row):
            for qubit in range(weights.shape[1]):
                qml.Rot(*weights[row, qubit], qubit)
        case Entangle(pairs):
            for pair in pairs:
                (qml.CNOT if gate == "CNOT" else qml.CZ)(pair)


def _zeros(circuit: Circuit) -> tuple[Tensor, Tensor]:
    """Make some z and weights, where their values do not matter."""
    return torch.zeros(circuit.latent_dim or 0), torch.zeros(circuit.weight_shape)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Set torch's default for a while: some devices return Python numbers, which take it on."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _pennylane() -> Any:
    """PennyLane, which takes seconds to import, when it is first needed."""
    try:
        import pennylane
    except ImportError as error:
        raise ImportError(
            "backend='pennylane' and drawing need PennyLane: pip install pennylane"
        ) from error
    return pennylane
