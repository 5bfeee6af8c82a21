"""Valid calls of `vqvae_lib.vqvae`."""

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.vae import methods
from vqvae_lib.conditions import Labels
from vqvae_lib.likelihoods import Gaussian
from vqvae_lib.vqvae import VQVAE


def vqvae() -> VQVAE:
    return VQVAE(6, 5, 2, 1, condition=Labels(3), backend="statevector")


CALLS = {
    "VQVAE": Call(
        lambda: {
            "input_dim": 64,
            "hidden_dim": 4,
            "latent_dim": 4,
            "n_qubits": 2,
            "likelihood": Gaussian(),
            "bottleneck": "patched",
            "patches": 2,
            "init": "random",
            "scale_features": False,
            "backend": "statevector",
            "image_shape": (8, 8),
            "activation": "relu",
            "condition": Labels(3),
            "beta": 1.0,
            "K": 2,
            "entangler": "ring",
            "space_layers": 2,
        },
        accepts={"space_layers": {"zero": "those of the decoder are left"}},
    ),
    **methods("VQVAE", vqvae),
    "VQVAE.to_backend": Call(
        lambda: {"backend": "light_cone", "compiled": False},
        on=vqvae,
        skip={"compiled": "the backend's own, and tried there"},
    ),
}
