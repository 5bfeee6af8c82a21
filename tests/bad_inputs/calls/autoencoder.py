"""Valid calls of `vqvae_lib.autoencoder`."""

from typing import Any

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.models import saved_methods
from tests.bad_inputs.calls.tools import generator, grey, normal
from vqvae_lib.autoencoder import Autoencoder, DenoisingAutoencoder, LinearAutoencoder
from vqvae_lib.networks import mlp

NONE = {"empty": "no rows, no codes"}
DIVERGED = {"nan, inf, huge, all huge": "for `fit` to see that a training diverges"}
HUGE = {"huge, all huge": "for `fit` to see that a training diverges"}


def networks() -> dict[str, Any]:
    return {"encoder": mlp([6, 2]), "decoder": mlp([2, 6])}


def plain() -> Autoencoder:
    return Autoencoder(**networks())


def denoising() -> DenoisingAutoencoder:
    return DenoisingAutoencoder(**networks(), noise_std=0.2)


def linear() -> LinearAutoencoder:
    return LinearAutoencoder(6, 2)


def methods(name: str, make: Any, **changed: Call) -> dict[str, Call]:
    """Return what all autoencoders have."""
    calls = {
        "encode": Call(lambda: {"x": grey(4, 6)}, on=make, accepts={"x": NONE}),
        "decode": Call(lambda: {"z": normal(4, 2)}, on=make, accepts={"z": NONE}),
        "forward": Call(lambda: {"x": grey(4, 6)}, on=make, accepts={"x": NONE}),
        "loss": Call(
            lambda: {"x": grey(4, 6), "generator": generator()}, on=make, accepts={"x": HUGE}
        ),
        "extra_repr": Call(dict, on=make),
    }
    named = {f"{name}.{method}": call for method, call in (calls | changed).items()}
    return named | saved_methods(name, make)


CALLS = {
    "squared_error": Call(
        lambda: {"x": grey(4, 3), "x_hat": grey(4, 3, seed=1)},
        accepts={"x": DIVERGED, "x_hat": DIVERGED},
    ),
    "mlp_autoencoder": Call(lambda: {"D": 6, "hidden": 5, "d": 2, "activation": "relu"}),
    "Autoencoder": Call(networks),
    "LinearAutoencoder": Call(lambda: {"D": 6, "d": 2}),
    "DenoisingAutoencoder": Call(lambda: networks() | {"noise_std": 0.2}),
    **methods("Autoencoder", plain),
    **methods("LinearAutoencoder", linear, subspace=Call(dict, on=linear)),
    **methods(
        "DenoisingAutoencoder",
        denoising,
        corrupt=Call(
            lambda: {"x": grey(4, 6), "generator": generator()}, on=denoising, accepts={"x": NONE}
        ),
        score=Call(lambda: {"x": grey(4, 6)}, on=denoising, accepts={"x": NONE}),
    ),
}
