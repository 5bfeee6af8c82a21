"""Valid calls of `vqvae_lib.metrics`."""

import torch

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import generator, labels, normal
from vqvae_lib import VAE, Gaussian, mlp_vae

WIDTH = {"another width, a width of 1": "data and codes have any width"}
LABEL = {"negative": "any whole number may name a class"}


def labelled() -> dict[str, object]:
    return {
        "z_train": normal(12, 3),
        "y_train": labels(12),
        "z_test": normal(7, 3, seed=1),
        "y_test": labels(7),
    }


def vae() -> VAE:
    torch.manual_seed(0)
    return mlp_vae(4, 5, 2, likelihood=Gaussian())


CALLS = {
    "knn_accuracy": Call(
        lambda: {**labelled(), "neighbours": 2},
        accepts={"y_train": LABEL, "y_test": LABEL},
        named={"z_train": "z_train|z_test has shape"},
    ),
    "linear_probe_accuracy": Call(
        labelled,
        accepts={"y_train": LABEL, "y_test": LABEL},
        named={"z_train": "z_train|z_test has shape"},
    ),
    "trustworthiness": Call(
        lambda: {"x": normal(12, 4), "z": normal(12, 2), "neighbours": 2},
        accepts={"x": WIDTH, "z": WIDTH},
        named={"x": "x|z has shape"},
    ),
    "Estimate.of": Call(lambda: {"values": normal(5)}),
    "intrinsic_dimension": Call(lambda: {"x": normal(12, 4), "keep": 0.9}, accepts={"x": WIDTH}),
    "principal_angles": Call(
        lambda: {"A": normal(5, 2), "B": normal(5, 3, seed=1)},
        accepts={
            matrix: {"no width, a width of 1": "subspaces of any dimension, 0 included"}
            for matrix in ("A", "B")
        },
        named={"A": "A|B has shape"},
    ),
    "active_units": Call(lambda: {"model": vae(), "x": normal(6, 4), "y": None}),
    "nll": Call(
        lambda: {"model": vae(), "x": normal(6, 4), "y": None, "K": 2, "generator": generator()},
        named={"x": "x|the model's log_likelihood"},
    ),
    "mse": Call(lambda: {"x": normal(5, 3), "x_hat": normal(5, 3, seed=1)}),
    "mmd2": Call(
        lambda: {"x": normal(5, 3), "y": normal(6, 3, seed=1), "bandwidth": 1.0},
        named={"x": "x|y has shape"},
    ),
}

RESULTS = {"ActiveUnits", "Estimate", "IntrinsicDimension", "LikelihoodModel", "PosteriorModel"}
