"""Valid calls of `vqvae_lib.quantum`, but for the compiled backend."""

from __future__ import annotations

import pennylane as qml
import torch
from torch import Tensor

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import generator, normal
from vqvae_lib.quantum import (
    Circuit,
    PennyLane,
    QuantumLayer,
    StateVectorSimulator,
)
from vqvae_lib.quantum.circuit import Embed, Entangle, Rotate
from vqvae_lib.quantum.parts import QuantumDecoder, QuantumEncoder, QuantumSpace
from vqvae_lib.quantum.windows import cones

CIRCUIT = Circuit(2, mirror=True)
B = 5  # differs from the number of layers


def states() -> Tensor:
    """Draw states of two qubits."""
    x = torch.complex(normal(B, 4), normal(B, 4, seed=1))
    return x / x.norm(dim=1, keepdim=True)


def gates() -> Tensor:
    return torch.complex(normal(B, 2, 2), normal(B, 2, 2, seed=1))


def layer() -> QuantumLayer:
    return QuantumLayer(CIRCUIT, backend="statevector", init="random", generator=generator())


def weights() -> Tensor:
    return normal(*CIRCUIT.weight_shape)


# What is true of many arguments.
NAN = {"nan, inf": "nan comes out, as of torch's own layers: nothing goes unseen"}
NONE = {"empty": "a batch of none"}
SHAPES = {"on the meta device": "without numbers, of which only the shape is computed"}
LINEAR = {"zero, huge": "gates and quadratic forms take vectors of any length"}
STATE = {**NAN, **NONE, **LINEAR}
LEADING = {"one axis more, one axis less, empty": "any axes before the last"}
ANGLE = {
    **NAN,
    **SHAPES,
    **LEADING,
    "one axis more at the end, another width, no width, a width of 1": "angles of any shape",
}
ONE_GATE = {"one axis less": "the same for all samples"}
FIRST = {"zero": "the first one"}
ITEM = {"an item: zero": "the first one"}
NOTHING = {"empty": "nothing to do"}
BY_KERNELS = {"compiled": {"None": "where numba works"}}


def on_angles() -> Call:
    return Call(lambda: {"angle": normal(3, 2)}, accepts={"angle": ANGLE})


def on_pair() -> Call:
    return Call(
        lambda: {"state": states(), "control": 0, "target": 1},
        accepts={"state": {**STATE, **SHAPES}, "control": FIRST},
    )


def on_qubit() -> Call:
    return Call(
        lambda: {"state": states(), "qubit": 1},
        accepts={"state": {**STATE, **SHAPES}, "qubit": FIRST},
    )


CALLS = {
    "Circuit": Call(
        lambda: {
            "n_qubits": 3,
            "initial": "zero",
            "embedding": "RY",
            "angle_scale": 0.3,
            "entangler": "ring",
            "gate": "CZ",
            "encoder_layers": 1,
            "space_layers": 2,
            "decoder_layers": 1,
            "reupload": True,
            "readout": "Z",
            "mirror": False,
        },
        accepts={
            "angle_scale": {"negative": "turns the other way"},
            "encoder_layers": {"zero": "an encoder of rotations alone"},
            "decoder_layers": {"zero": "no decoder but the measurement"},
        },
    ),
    "Circuit.for_latent": Call(
        lambda: {"latent_dim": 4, "n_qubits": 2, "space_layers": 2, "angle_scale": 0.5},
        accepts={
            "angle_scale": {"negative": "turns the other way"},
            "space_layers": {"zero": "no layers but the decoder's"},
        },
    ),
    "Circuit.strongly_entangling": Call(
        lambda: {"n_qubits": 3, "layers": 2, "angle_scale": 0.3, "reupload": True},
        accepts={"angle_scale": {"negative": "turns the other way"}},
    ),
    "Circuit.operations": Call(lambda: {"part": "space"}, on=lambda: CIRCUIT),
    "Circuit.light_cone": Call(lambda: {"qubit": 1}, on=lambda: CIRCUIT, accepts={"qubit": FIRST}),
    "Circuit.rows": Call(dict, on=lambda: CIRCUIT),
    "Embed": Call(
        lambda: {"gates": ("RY", "RZ"), "scale": 0.3},
        accepts={"scale": {"zero, negative": "any multiple"}},
    ),
    "Rotate": Call(lambda: {"row": 1}, accepts={"row": FIRST}),
    "Entangle": Call(
        lambda: {"pairs": ((0, 1), (1, 2)), "gate": "CZ"},
        accepts={"pairs": {"empty": "no gate", "an item: an item: zero": "the first qubit"}},
    ),
    "Entangle.inverse": Call(dict, on=lambda: Entangle(((0, 1), (1, 2)))),
    "QuantumLayer": Call(
        lambda: {
            "circuit": CIRCUIT,
            "init": "random",
            "backend": "light_cone",
            "generator": generator(),
            "compiled": False,
        },
        accepts=BY_KERNELS,
    ),
    "QuantumLayer.forward": Call(
        lambda: {"z": normal(B, 4)}, on=layer, accepts={"z": {**NAN, **LEADING}}
    ),
    "QuantumLayer.to_backend": Call(
        lambda: {"backend": "light_cone", "compiled": False}, on=layer, accepts=BY_KERNELS
    ),
    "QuantumLayer.manual_seed": Call(lambda: {"seed": 1}, on=layer),
    "QuantumLayer.extra_repr": Call(dict, on=layer),
    "initial_weights": Call(
        lambda: {"circuit": CIRCUIT, "init": "random", "generator": generator()}
    ),
    "Auto": Call(lambda: {"circuit": CIRCUIT}),
    "make_backend": Call(
        lambda: {"circuit": CIRCUIT, "name": "light_cone", "compiled": False},
        named={"name": "backend"},
        accepts=BY_KERNELS,
    ),
    "StateVectorSimulator": Call(lambda: {"circuit": CIRCUIT}),
    "StateVectorSimulator.state": Call(
        lambda: {"z": normal(B, 4), "weights": weights()},
        on=lambda: StateVectorSimulator(CIRCUIT),
        accepts={"z": {**NAN, **NONE}, "weights": NAN},
    ),
    "LightCone": Call(lambda: {"circuit": CIRCUIT, "compiled": False}),
    "PennyLane": Call(
        lambda: {
            "circuit": CIRCUIT,
            "device": "default.qubit",
            "shots": 5,
            "seed": 1,
            "diff_method": "parameter-shift",
            "noise": qml.NoiseModel({}),
            "max_workers": 1,
        },
        accepts={"seed": {"None": "for a device that takes none"}},
        skip={"max_workers": "an option of the device, which is PennyLane's"},
    ),
    "PennyLane.manual_seed": Call(lambda: {"seed": 1}, on=lambda: PennyLane(CIRCUIT, shots=5)),
    "draw": Call(lambda: {"circuit": CIRCUIT, "part": "space", "figure": False}),
    "draw_operations": Call(
        lambda: {"operations": [Rotate(0), Entangle(((0, 1),))], "n": 2},
        accepts={"operations": NOTHING},
    ),
    "quantum_function": Call(
        lambda: {"circuit": CIRCUIT, "z": normal(4), "weights": weights(), "part": "space"},
        accepts={
            "z": {**NAN, **SHAPES, "one axis more": "a batch"},
            "weights": {**NAN, **SHAPES},
        },
    ),
    "rx": on_angles(),
    "ry": on_angles(),
    "rz": on_angles(),
    "rot": Call(lambda: {"angles": normal(2, 3)}, accepts={"angles": {**NAN, **SHAPES, **LEADING}}),
    "apply_gate": Call(
        lambda: {"state": states(), "gate": gates(), "qubit": 1},
        accepts={"state": {**NAN, **LINEAR}, "gate": {**NAN, **LINEAR, **ONE_GATE}, "qubit": FIRST},
    ),
    "cnot": on_pair(),
    "cz": on_pair(),
    "expectation_z": on_qubit(),
    "expectation_x": on_qubit(),
    "expectations": Call(
        lambda: {"state": states(), "qubits": [0, 1], "readout": "ZX"},
        accepts={"state": {**STATE, **SHAPES}, "qubits": ITEM},
    ),
    "bloch_vectors": Call(lambda: {"state": states()}, accepts={"state": {**STATE, **SHAPES}}),
    "entanglement_entropy": Call(
        lambda: {"state": states()}, accepts={"state": {**STATE, **SHAPES}}
    ),
    "initial_state": Call(
        lambda: {"kind": "zero", "n": 2, "like": normal(3, 4)},
        accepts={
            "like": {
                **NONE,
                **SHAPES,
                "nan, inf, another width, no width, a width of 1": "only rows and dtype are asked",
            }
        },
    ),
    "evolve": Call(
        lambda: {
            "state": states(),
            "operations": CIRCUIT.operations(),
            "z": normal(B, 4),
            "weights": weights(),
        },
        accepts={
            "state": {**NAN, **LINEAR},
            "operations": NOTHING,
            "z": NAN,
            "weights": NAN,
        },
    ),
    "embed": Call(
        lambda: {"state": states(), "operation": Embed(("RY", "RZ"), 0.3), "z": normal(B, 4)},
        accepts={"state": {**NAN, **LINEAR}, "z": NAN},
    ),
    "rotate": Call(
        lambda: {"state": states(), "angles": normal(2, 3)},
        accepts={"state": STATE, "angles": NAN},
    ),
    "entangle": Call(
        lambda: {"state": states(), "operation": Entangle(((0, 1),))},
        accepts={"state": {**STATE, **SHAPES}},
    ),
    "cones": Call(lambda: {"circuit": CIRCUIT}),
    "whole": Call(lambda: {"circuit": CIRCUIT}),
    "cost": Call(lambda: {"windows": cones(CIRCUIT)}, accepts={"windows": NOTHING}),
    "QuantumEncoder": Call(lambda: {"layer": layer()}),
    "QuantumSpace": Call(lambda: {"layer": layer()}),
    "QuantumDecoder": Call(lambda: {"layer": layer()}),
    "QuantumEncoder.draw": Call(lambda: {"figure": False}, on=lambda: QuantumEncoder(layer())),
    "QuantumSpace.draw": Call(lambda: {"figure": False}, on=lambda: QuantumSpace(layer())),
    "QuantumDecoder.draw": Call(lambda: {"figure": False}, on=lambda: QuantumDecoder(layer())),
    "QuantumDecoder.before_measurement": Call(
        lambda: {"state": states()}, on=lambda: QuantumDecoder(layer()), accepts={"state": STATE}
    ),
}

RESULTS = {"Window"}
