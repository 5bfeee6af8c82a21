"""Valid calls of `vqvae_lib.quantum_autoencoder`."""

from torch import Tensor

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.models import saved_methods
from tests.bad_inputs.calls.tools import generator, normal
from vqvae_lib.quantum_autoencoder import QuantumAutoencoder


def states() -> Tensor:
    x = normal(4, 8)
    return x / x.norm(dim=1, keepdim=True)


def model() -> QuantumAutoencoder:
    return QuantumAutoencoder(3, 2, layers=2, generator=generator())


def family() -> Call:
    return Call(lambda: {"states": states(), "n_kept": 2}, accepts={"n_kept": {"zero": "of none"}})


OF_STATES = {
    name: Call(lambda: {"states": states()}, on=model)
    for name in ("encode", "trash_probability", "compress", "reconstruct", "fidelity")
}

COMPLEX = {"complex, an array of complex numbers": "amplitudes may be complex"}
DEGENERATE = {
    "float64, an array of float64": "of equal eigenvalues, the eigenvectors are any basis"
}

CALLS = {
    "amplitude_states": Call(lambda: {"x": normal(4, 8)}, accepts={"x": COMPLEX}),
    "density_matrix": Call(lambda: {"states": states()}),
    "compression_bound": family(),
    "best_unitary": Call(
        lambda: {"states": states(), "n_kept": 2},
        accepts={"n_kept": {"zero": "of none"}},
        refuses={"states": DEGENERATE},
    ),
    "QuantumAutoencoder": Call(
        lambda: {
            "n_qubits": 3,
            "n_kept": 2,
            "layers": 2,
            "entangler": "ring",
            "gate": "CNOT",
            "generator": generator(),
        }
    ),
    **{f"QuantumAutoencoder.{name}": call for name, call in OF_STATES.items()},
    "QuantumAutoencoder.loss": Call(lambda: {"x": states(), "generator": generator()}, on=model),
    **saved_methods("QuantumAutoencoder", model),
    "QuantumAutoencoder.unitary": Call(dict, on=model),
    "QuantumAutoencoder.draw": Call(dict, on=model),
    "QuantumAutoencoder.extra_repr": Call(dict, on=model),
}
