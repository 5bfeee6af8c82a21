"""The same circuit in the libraries that a user might take instead, each written as it advises.

A *contender* is a function of a circuit that returns ``features(z, weights)`` in torch, or, for
JAX, the whole pass forward and backward. What is not installed is left out, with the reason.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqvae_lib.quantum import Circuit, StateVectorSimulator
from vqvae_lib.quantum.circuit import Embed, Entangle, Rotate
from vqvae_lib.quantum.pennylane_backend import quantum_function
from vqvae_lib.quantum.statevector import expectations

Features = Callable[[Tensor, Tensor], Tensor]
# Features, gradient of the data, gradient of the weights.
Step = Callable[[], tuple[Any, Any, Any]]


def torch_step(features: Features, z: Tensor, weights: Tensor, seeds: Tensor) -> Step:
    """Forward and backward pass of a function in torch."""
    z, weights = z.clone().requires_grad_(), weights.clone().requires_grad_()

    def step() -> tuple[Any, Any, Any]:
        o = features(z, weights)
        return (o.detach(), *torch.autograd.grad(o, (z, weights), seeds))

    return step


def spelled(circuit: Circuit) -> Iterator[tuple[str, tuple[int, ...], Any]]:
    """Gates as (name, qubits, angle); an angle is ("z", column) or ("w", row, qubit, which)."""
    n, per_qubit = circuit.n_qubits, circuit.angles_per_qubit
    if circuit.initial == "superposition":
        for q in range(n):
            yield "H", (q,), None
    for operation in circuit.operations():
        if isinstance(operation, Embed):
            for q in range(n):
                for i, name in enumerate(operation.gates):
                    yield name, (q,), ("z", per_qubit * q + i)
        elif isinstance(operation, Rotate):
            for q in range(n):
                for which, name in enumerate(("RZ", "RY", "RZ")):
                    yield name, (q,), ("w", operation.row, q, which)
        elif isinstance(operation, Entangle):
            for pair in operation.pairs:
                yield operation.gate, pair, None


def angle_of(source: tuple[Any, ...], circuit: Circuit, z: Tensor, weights: Tensor) -> Tensor:
    """Look up what a gate of `spelled` turns by: (B,) or (), or without B for one sample."""
    if source[0] == "z":
        return circuit.angle_scale * z[..., source[1]]
    return weights[source[1:]]


# ----------------------------------------------------------------------------------- PennyLane


def torch_layer(circuit: Circuit, device: str, diff_method: str, **options: Any) -> Features:
    """PennyLane's own layer for torch."""
    import pennylane as qml

    qnode = qml.QNode(
        lambda inputs, weights: quantum_function(circuit, inputs, weights),
        qml.device(device, wires=circuit.n_qubits, **options),
        interface="torch",
        diff_method=diff_method,
    )
    layer = qml.qnn.TorchLayer(qnode, {"weights": circuit.weight_shape})

    def features(z: Tensor, weights: Tensor) -> Tensor:
        # In place of the layer's own parameter, so that gradients reach this tensor.
        layer.qnode_weights["weights"] = weights
        return layer(z)

    return features


def jax_jit(circuit: Circuit, z: Tensor, weights: Tensor, seeds: Tensor) -> Step:
    """PennyLane's default.qubit, forward and backward, compiled as a whole by JAX."""
    import jax
    import jax.numpy as jnp
    import pennylane as qml

    qnode = qml.QNode(
        lambda z, weights: quantum_function(circuit, z, weights),
        qml.device("default.qubit", wires=circuit.n_qubits),
        interface="jax",
        diff_method="backprop",
    )

    def loss(z: Any, weights: Any, seeds: Any) -> Any:
        o = jnp.stack(qnode(z, weights), -1)
        return (seeds * o).sum(), o

    both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    arguments = [jnp.asarray(tensor.numpy()) for tensor in (z, weights, seeds)]

    def step() -> tuple[Any, Any, Any]:
        (_, o), gradients = jax.block_until_ready(both(*arguments))
        return (o, *gradients)

    return step


def catalyst_jit(circuit: Circuit, z: Tensor, weights: Tensor, seeds: Tensor) -> Step:
    """PennyLane's own compiler: the pass forward and backward as one program on lightning.qubit.

    In float64, which is all that it has, and sample by sample: through the derivative of its
    `vmap` its compiler aborts (0.15).
    """
    import catalyst
    import jax.numpy as jnp
    import pennylane as qml

    qnode = qml.QNode(
        lambda z, weights: quantum_function(circuit, z, weights),
        qml.device("lightning.qubit", wires=circuit.n_qubits),
        diff_method="adjoint",
    )

    def one(z: Any, weights: Any) -> Any:
        return jnp.stack(qnode(z, weights))

    @qml.qjit
    def both(z: Any, weights: Any, seeds: Any) -> Any:
        @catalyst.for_loop(0, z.shape[0], 1)
        def sample(i: Any, found: Any) -> Any:
            o, z_gradient, weights_gradient = found
            row, by = catalyst.vjp(one, (z[i], weights), (seeds[i],), argnums=(0, 1))
            return o.at[i].set(row), z_gradient.at[i].set(by[0]), weights_gradient + by[1]

        return sample(tuple(jnp.zeros(x.shape) for x in (seeds, z, weights)))

    arguments = [jnp.asarray(tensor.double().numpy()) for tensor in (z, weights, seeds)]
    return lambda: both(*arguments)


# ------------------------------------------------------------------------------- libraries on torch


def tensorcircuit(circuit: Circuit) -> Features:
    """tensorcircuit-ng on torch, vectorised over the batch."""
    import tensorcircuit as tc

    backend = tc.set_backend("pytorch")

    def one(z: Tensor, weights: Tensor) -> Tensor:
        c = tc.Circuit(circuit.n_qubits)
        for name, qubits, source in spelled(circuit):
            gate = getattr(c, name.lower())
            if source is None:
                gate(*qubits)
            else:
                gate(*qubits, theta=angle_of(source, circuit, z, weights))
        return torch.stack(
            [
                c.expectation_ps(**{o.lower(): [q]}).real
                for q in range(circuit.n_qubits)
                for o in circuit.readout
            ]
        )

    return backend.vmap(one, vectorized_argnums=0)


def deepquantum(circuit: Circuit) -> Features:
    """deepquantum, with every angle as data, so that gradients reach the tensor of weights."""
    import deepquantum as dq

    qubits = dq.QubitCircuit(circuit.n_qubits)
    sources = []
    for name, where, source in spelled(circuit):
        if source is not None:
            getattr(qubits, name.lower())(where[0], encode=True)
            sources.append(source)
        elif name == "H":
            qubits.h(where[0])
        else:
            getattr(qubits, {"CNOT": "cnot", "CZ": "cz"}[name])(*where)
    for q in range(circuit.n_qubits):
        for o in circuit.readout:
            qubits.observable(q, o.lower())

    def features(z: Tensor, weights: Tensor) -> Tensor:
        angles = [angle_of(source, circuit, z, weights).expand(len(z)) for source in sources]
        qubits(data=torch.stack(angles, 1))
        return qubits.expectation()

    return features


def pyqtorch(circuit: Circuit) -> Features:
    """pyqtorch; measured here, since its own expectation runs the circuit once an observable."""
    import pyqtorch as pyq

    n = circuit.n_qubits
    gates, sources = [], {}
    for i, (name, where, source) in enumerate(spelled(circuit)):
        gate = getattr(pyq, name)
        if source is None:
            gates.append(gate(*where))
        else:
            gates.append(gate(*where, f"t{i}"))
            sources[f"t{i}"] = source
    qubits = pyq.QuantumCircuit(n, gates).to(dtype=torch.complex64)

    def features(z: Tensor, weights: Tensor) -> Tensor:
        values = {k: angle_of(source, circuit, z, weights) for k, source in sources.items()}
        state = pyq.zero_state(n, batch_size=len(z), dtype=torch.complex64)
        state = pyq.run(qubits, state, values)  # (2, …, 2, B)
        return expectations(state.reshape(-1, len(z)).t(), range(n), circuit.readout)

    return features


# -------------------------------------------------------------------------------------- all of them


def _compiled(circuit: Circuit) -> Features:
    from vqvae_lib.quantum.compiled import Compiled

    return Compiled(circuit)


IN_TORCH: dict[str, Callable[[Circuit], Features]] = {
    "compiled": _compiled,
    "statevector": StateVectorSimulator,
    "PennyLane TorchLayer": lambda c: torch_layer(c, "default.qubit", "backprop"),
    "lightning.qubit adjoint": lambda c: torch_layer(
        c, "lightning.qubit", "adjoint", c_dtype=np.complex64
    ),
    "tensorcircuit-ng": tensorcircuit,
    "deepquantum": deepquantum,
    "pyqtorch": pyqtorch,
}
NEEDS = {
    "PennyLane jax.jit": "jax",
    "PennyLane catalyst": "catalyst",
    "tensorcircuit-ng": "tensorcircuit",
    "deepquantum": "deepquantum",
    "pyqtorch": "pyqtorch",
}


def missing(name: str) -> str | None:
    """Why a contender cannot run here, or None."""
    if name in NEEDS:
        try:
            importlib.import_module(NEEDS[name])
        except Exception as error:  # not installed, or not with these versions
            return f"{type(error).__name__}: {error}; pip install -e .[bench]"
    return None


def make_step(name: str, circuit: Circuit, z: Tensor, weights: Tensor, seeds: Tensor) -> Step:
    """One pass of a contender, forward and backward."""
    if name == "PennyLane jax.jit":
        return jax_jit(circuit, z, weights, seeds)
    if name == "PennyLane catalyst":
        return catalyst_jit(circuit, z, weights, seeds)
    return torch_step(IN_TORCH[name](circuit), z, weights, seeds)
