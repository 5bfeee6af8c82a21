"""Valid calls of `vqvae_lib.vae`."""

from collections.abc import Callable
from typing import Any

from torch import nn

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.models import saved_methods
from tests.bad_inputs.calls.tools import generator, grey, labels, normal
from vqvae_lib.conditions import Labels
from vqvae_lib.likelihoods import Gaussian
from vqvae_lib.networks import mlp
from vqvae_lib.vae import VAE, GaussianEncoder, Posterior, mlp_vae

NONE = {"empty": "no rows, no codes"}
LAYER = {"nan, inf": "a network hands them on, as torch's layers do", **NONE}
HUGE = {"huge, all huge": "for `fit` to see that a training diverges"}
DRAWS = {"one axis more": "draws of codes"}


def vae() -> VAE:
    return mlp_vae(6, 5, 2, Gaussian(), condition=Labels(3))


def encoder() -> GaussianEncoder:
    return GaussianEncoder(mlp([6, 5]), 5, 2)


def methods(name: str, make: Callable[[], VAE], D: int = 6) -> dict[str, Call]:
    """Return what all VAEs have, for a model of D numbers with three labels and d = 2."""

    def data() -> dict[str, Any]:
        return {"x": grey(4, D), "y": labels(4)}

    calls = {
        "encode": Call(data, on=make),
        "decode": Call(lambda: {"z": normal(4, 2), "y": labels(4)}, on=make, accepts={"z": DRAWS}),
        "forward": Call(data, on=make),
        "reconstruct": Call(data, on=make),
        "sample": Call(lambda: {"n": 4, "y": labels(4), "generator": generator()}, on=make),
        "sample_mean": Call(lambda: {"n": 4, "y": labels(4), "generator": generator()}, on=make),
        "interpolate": Call(
            lambda: {
                "x_from": grey(4, D),
                "x_to": grey(4, D, seed=1),
                "y": labels(4),
                "steps": 3,
            },
            on=make,
        ),
        "loss": Call(
            lambda: {
                **data(),
                "posterior": Posterior(normal(4, 2), normal(4, 2, seed=1)),
                "generator": generator(),
            },
            on=make,
            kinds={"posterior": "object"},
            accepts={"x": HUGE},
        ),
        "log_likelihood": Call(
            lambda: {**data(), "K": 3, "generator": generator()}, on=make, accepts={"x": HUGE}
        ),
        "extra_repr": Call(dict, on=make),
    }
    named = {f"{name}.{method}": call for method, call in calls.items()}
    return named | saved_methods(name, make)


CALLS = {
    "reparameterise": Call(
        lambda: {"mu": normal(4, 2), "log_var": normal(4, 2), "K": 3, "generator": generator()},
        accepts={"mu": LAYER, "log_var": LAYER | HUGE},
    ),
    "GaussianEncoder": Call(lambda: {"trunk": nn.Identity(), "width": 5, "d": 2}),
    "GaussianEncoder.forward": Call(lambda: {"x": grey(4, 6)}, on=encoder, accepts={"x": LAYER}),
    "GaussianEncoder.settings": Call(dict, on=encoder),
    "VAE": Call(
        lambda: {
            "encoder": encoder(),
            "decoder": mlp([2, 6]),
            "likelihood": Gaussian(),
            "bottleneck": nn.Identity(),
            "condition": Labels(3),
            "beta": 1.0,
            "K": 2,
        }
    ),
    **methods("VAE", vae),
    "KLWarmUp": Call(lambda: {"model": vae(), "epochs": 3}),
    "mlp_vae": Call(
        lambda: {
            "D": 6,
            "hidden": 5,
            "d": 2,
            "likelihood": Gaussian(),
            "condition": Labels(3),
            "activation": "relu",
            "beta": 1.0,
            "K": 2,
        }
    ),
}
RESULTS = {"Posterior"}
