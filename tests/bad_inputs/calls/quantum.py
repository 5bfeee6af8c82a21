"""Valid calls of `vqvae_lib.quantum`, but for the compiled backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import generator, normal
from vqvae_lib.quantum import (
    Circuit,
    LightCone,
    PennyLane,
    QuantumLayer,
    StateVectorSimulator,
)
from vqvae_lib.quantum.backends import Auto
from vqvae_lib.quantum.circuit import Embed, Entangle, Rotate
from vqvae_lib.quantum.parts import QuantumDecoder, QuantumEncoder, QuantumSpace
from vqvae_lib.quantum.windows import cones

CIRCUIT = Circuit(2, mirror=True)
SMALL = {"space_layers": 1}


def states(B: int = 3, n: int = 2) -> Tensor:
    """Draw states of unit length."""
    x = torch.complex(normal(B, 2**n), normal(B, 2**n, seed=1))
    return x / x.norm(dim=1, keepdim=True)


def layer(circuit: Circuit = CIRCUIT) -> QuantumLayer:
    return QuantumLayer(circuit, backend="statevector", init="random", generator=generator())


def weights(circuit: Circuit = CIRCUIT) -> Tensor:
    return normal(*circuit.weight_shape)


def inputs() -> dict[str, Any]:
    return {"z": normal(3, 4), "weights": weights()}


# What is true of many arguments.
PASSED_ON = {"nan, inf": "nan comes out, as of torch's own layers: none goes unseen"}
LINEAR = {
    **{"nan, inf": "nan comes out: none goes unseen"},
    **{"zero, huge": "gates and quadratic forms take vectors of any length"},
    **{"empty": "a batch of none"},
}
NO_STATES = {"empty": "a batch of none"}
ANY_AXES = {"one axis more, one axis less, empty": "any number of axes comes before the last"}
ANY_ANGLES = {
    **{"nan, inf": "nan comes out: none goes unseen"},
    **{"one axis more, one axis more at the end, one axis less, empty": "angles of any shape"},
    **{"another width, no width, a width of 1": "angles of any shape"},
}
ANY_QUBIT = {"zero": "the first qubit"}


def gate(function_accepts: dict[str, Any]) -> Call:
    return Call(lambda: {"angle": normal(3, 2)}, accepts={"angle": function_accepts})


def pair() -> Call:
    return Call(
        lambda: {"state": states(), "control": 0, "target": 1},
        accepts={"state": LINEAR, "control": {}, "target": {}},
    )


def on_qubit() -> Call:
    return Call(
        lambda: {"state": states(), "qubit": 1},
        accepts={"state": LINEAR, "qubit": ANY_QUBIT},
    )


def backend(make: Callable[[], Any]) -> Call:
    return Call(inputs, on=make, accepts={"z": {**PASSED_ON, **NO_STATES}, "weights": PASSED_ON})


NAMES = {"zero": "no layer there"}

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
        }
    ),
    "Circuit.for_latent": Call(
        lambda: {"latent_dim": 4, "n_qubits": 2, "options": {"space_layers": 2}}
    ),
    "Circuit.strongly_entangling": Call(
        lambda: {"n_qubits": 3, "layers": 2, "angle_scale": 0.3, "reupload": True}
    ),
    "Circuit.operations": Call(lambda: {"part": "space"}, on=lambda: CIRCUIT),
    "Circuit.light_cone": Call(lambda: {"qubit": 1}, on=lambda: CIRCUIT),
    "Circuit.rows": Call(dict, on=lambda: CIRCUIT),
    "Embed": Call(lambda: {"gates": ("RY", "RZ"), "scale": 0.3}),
    "Rotate": Call(lambda: {"row": 1}),
    "Entangle": Call(lambda: {"pairs": ((0, 1), (1, 2)), "gate": "CZ"}),
    "Entangle.inverse": Call(dict, on=lambda: Entangle(((0, 1), (1, 2)))),
    "QuantumLayer": Call(
        lambda: {
            "circuit": CIRCUIT,
            "init": "random",
            "backend": "light_cone",
            "generator": generator(),
            "options": {"compiled": False},
        }
    ),
    "QuantumLayer.forward": Call(lambda: {"z": normal(3, 4)}, on=layer),
    "QuantumLayer.to_backend": Call(
        lambda: {"backend": "light_cone", "options": {"compiled": False}}, on=layer
    ),
    "QuantumLayer.manual_seed": Call(lambda: {"seed": 1}, on=layer),
    "QuantumLayer.extra_repr": Call(dict, on=layer),
    "initial_weights": Call(
        lambda: {"circuit": CIRCUIT, "init": "random", "generator": generator()}
    ),
    "Auto": Call(lambda: {"circuit": CIRCUIT}),
    "make_backend": Call(
        lambda: {"circuit": CIRCUIT, "name": "light_cone", "options": {"compiled": False}},
        named={"name": "backend"},
    ),
    "StateVectorSimulator": Call(lambda: {"circuit": CIRCUIT}),
    "StateVectorSimulator.state": backend(lambda: StateVectorSimulator(CIRCUIT)),
    "LightCone": Call(lambda: {"circuit": CIRCUIT, "compiled": False}),
    "PennyLane": Call(
        lambda: {
            "circuit": CIRCUIT,
            "device": "default.qubit",
            "shots": 5,
            "seed": 1,
            "diff_method": "parameter-shift",
            "noise": None,
            "options": {"max_workers": None},
        }
    ),
    "PennyLane.manual_seed": Call(lambda: {"seed": 1}, on=lambda: PennyLane(CIRCUIT, shots=5)),
    "draw": Call(lambda: {"circuit": CIRCUIT, "part": "space", "figure": False}),
    "draw_operations": Call(lambda: {"operations": [Rotate(0), Entangle(((0, 1),))], "n": 2}),
    "quantum_function": Call(
        lambda: {"circuit": CIRCUIT, "z": normal(4), "weights": weights(), "part": "space"}
    ),
    "rx": gate(ANY_ANGLES),
    "ry": gate(ANY_ANGLES),
    "rz": gate(ANY_ANGLES),
    "rot": Call(lambda: {"angles": normal(2, 3)}),
    "apply_gate": Call(lambda: {"state": states(), "gate": states(2, 1), "qubit": 1}),
    "cnot": pair(),
    "cz": pair(),
    "expectation_z": on_qubit(),
    "expectation_x": on_qubit(),
    "expectations": Call(lambda: {"state": states(), "qubits": [0, 1], "readout": "ZX"}),
    "bloch_vectors": Call(lambda: {"state": states()}),
    "entanglement_entropy": Call(lambda: {"state": states()}),
    "initial_state": Call(lambda: {"kind": "zero", "n": 2, "like": normal(3, 4)}),
    "evolve": Call(
        lambda: {
            "state": states(),
            "operations": CIRCUIT.operations(),
            "z": normal(3, 4),
            "weights": weights(),
        }
    ),
    "embed": Call(
        lambda: {"state": states(), "operation": Embed(("RY", "RZ"), 0.3), "z": normal(3, 4)}
    ),
    "rotate": Call(lambda: {"state": states(), "angles": normal(2, 3)}),
    "entangle": Call(lambda: {"state": states(), "operation": Entangle(((0, 1),))}),
    "cones": Call(lambda: {"circuit": CIRCUIT}),
    "whole": Call(lambda: {"circuit": CIRCUIT}),
    "cost": Call(lambda: {"windows": cones(CIRCUIT)}),
    "QuantumEncoder": Call(lambda: {"layer": layer()}),
    "QuantumSpace": Call(lambda: {"layer": layer()}),
    "QuantumDecoder": Call(lambda: {"layer": layer()}),
    "QuantumEncoder.draw": Call(lambda: {"figure": False}, on=lambda: QuantumEncoder(layer())),
    "QuantumSpace.draw": Call(lambda: {"figure": False}, on=lambda: QuantumSpace(layer())),
    "QuantumDecoder.draw": Call(lambda: {"figure": False}, on=lambda: QuantumDecoder(layer())),
    "QuantumDecoder.before_measurement": Call(
        lambda: {"state": states()}, on=lambda: QuantumDecoder(layer())
    ),
}

RESULTS = {"Window"}  # what `cones` and `whole` make
