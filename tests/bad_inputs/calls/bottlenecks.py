"""Valid calls of `vqvae_lib.bottlenecks`."""

from torch import nn

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import normal
from vqvae_lib.bottlenecks import Fourier, Patched, Scaled
from vqvae_lib.quantum import Circuit, QuantumLayer

LAYER = {"nan, inf": "a layer hands them on, as torch's do", "empty": "no rows, no features"}
OPTION = {"compiled": "the backend's own, and tried there"}
ANY = {"one axis more, one axis less": "any axes before the last"}


def circuit() -> Circuit:
    return Circuit.for_latent(4, 2)


def scaled() -> Scaled:
    return Scaled(nn.Linear(4, 4), 4, 2.0)


def patched() -> Patched:
    return Patched(circuit(), 2, backend="statevector")


def fourier() -> Fourier:
    return Fourier(QuantumLayer(circuit(), backend="statevector"))


CALLS = {
    "make_bottleneck": Call(
        lambda: {
            "kind": "patched",
            "circuit": circuit(),
            "init": "passthrough",
            "backend": "light_cone",
            "patches": 2,
            "scale_features": False,
            "compiled": False,
        },
        named={"kind": "bottleneck"},
        skip=OPTION,
    ),
    "Scaled": Call(
        lambda: {"layer": nn.Identity(), "m": 4, "start": 2.0},
        accepts={"start": {"zero, negative": "any number may be a beginning"}},
    ),
    "Scaled.forward": Call(
        lambda: {"z": normal(3, 4)},
        on=lambda: Scaled(QuantumLayer(circuit(), backend="statevector"), 4, 2.0),
        accepts={"z": LAYER | ANY},
    ),
    "Scaled.settings": Call(dict, on=scaled),
    "Patched": Call(
        lambda: {
            "circuit": circuit(),
            "patches": 2,
            "init": "passthrough",
            "backend": "light_cone",
            "compiled": False,
        },
        skip=OPTION,
    ),
    "Patched.forward": Call(lambda: {"z": normal(3, 4)}, on=patched, accepts={"z": LAYER | ANY}),
    "Patched.settings": Call(dict, on=patched),
    "Fourier": Call(
        lambda: {
            "layer": QuantumLayer(circuit(), backend="statevector"),
            "max_functions": 8,
            "seed": 1,
        }
    ),
    "Fourier.forward": Call(lambda: {"z": normal(3, 4)}, on=fourier, accepts={"z": LAYER}),
    "Fourier.functions": Call(lambda: {"z": normal(3, 4)}, on=fourier, accepts={"z": LAYER}),
    "Fourier.settings": Call(dict, on=fourier),
    "Fourier.extra_repr": Call(dict, on=fourier),
    "count_parameters": Call(
        lambda: {
            "bottleneck": QuantumLayer(circuit(), backend="statevector"),
            "z": normal(12, 4),
        },
    ),
}
RESULTS = {"ParameterCount"}
