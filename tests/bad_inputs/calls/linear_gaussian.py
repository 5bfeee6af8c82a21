"""Valid calls of `vqvae_lib.linear_gaussian`."""

import torch

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import generator, normal
from vqvae_lib.linear_gaussian import PCA, FullGaussian, ProbabilisticPCA

ROWS = normal(9, 4)
NONE = {"empty": "a batch of none"}


def pca() -> PCA:
    return PCA.fit(ROWS, 2)


def probabilistic() -> ProbabilisticPCA:
    return ProbabilisticPCA.fit(ROWS, 2)


def full() -> FullGaussian:
    return FullGaussian.fit(ROWS)


CALLS = {
    "PCA": Call(
        lambda: {
            "mean": normal(4),
            "components": torch.eye(4)[:2],
            "eigenvalues": torch.arange(4.0).flip(0),
        },
        accepts={"components": {"empty": "a code of none: the mean"}},
        named={"mean": "mean|components has shape"},
    ),
    "PCA.fit": Call(
        lambda: {"x": ROWS, "k": 2},
        accepts={"x": {"another width": "data of any width"}},
        named={"x": "x|k=2"},
    ),
    "PCA.encode": Call(lambda: {"x": ROWS}, on=pca, accepts={"x": NONE}),
    "PCA.decode": Call(lambda: {"z": normal(3, 2)}, on=pca, accepts={"z": NONE}),
    "PCA.mse": Call(lambda: {"x": ROWS}, on=pca),
    "ProbabilisticPCA": Call(
        lambda: {"mean": normal(4), "W": normal(4, 2), "noise_variance": 0.1},
        accepts={"W": {"another width, a width of 1": "codes of any width"}},
        named={"mean": "mean|W has shape"},
    ),
    "ProbabilisticPCA.fit": Call(
        lambda: {"x": ROWS, "d": 2},
        accepts={"x": {"another width": "data of any width"}},
        named={"x": "x|d=2"},
    ),
    "ProbabilisticPCA.marginal": Call(dict, on=probabilistic),
    "ProbabilisticPCA.log_likelihood": Call(
        lambda: {"x": ROWS}, on=probabilistic, accepts={"x": NONE}
    ),
    "ProbabilisticPCA.posterior": Call(lambda: {"x": ROWS}, on=probabilistic, accepts={"x": NONE}),
    "ProbabilisticPCA.encode": Call(lambda: {"x": ROWS}, on=probabilistic, accepts={"x": NONE}),
    "ProbabilisticPCA.decode": Call(
        lambda: {"z": normal(3, 2)}, on=probabilistic, accepts={"z": NONE}
    ),
    "ProbabilisticPCA.sample": Call(lambda: {"n": 3, "generator": generator()}, on=probabilistic),
    "FullGaussian": Call(
        lambda: {"mean": normal(4), "covariance": torch.eye(4)},
        accepts={"mean": {"one axis more": "one Gaussian per image"}},
        named={"covariance": "covariance|mean has shape"},
    ),
    "FullGaussian.fit": Call(
        lambda: {"x": ROWS, "ridge": 0.1},
        accepts={"x": {"another width, a width of 1": "data of any width"}},
    ),
    "FullGaussian.log_likelihood": Call(lambda: {"x": ROWS}, on=full, accepts={"x": NONE}),
    "FullGaussian.condition": Call(
        lambda: {"measurements": normal(3, 2), "A": torch.eye(4)[:2], "noise_variance": 0.1},
        on=full,
        accepts={"measurements": NONE, "noise_variance": {"zero": "exact measurements"}},
        named={"A": "A|measurements has shape|singular"},
    ),
    "FullGaussian.inpaint": Call(
        lambda: {"x": ROWS, "observed": torch.tensor([True, False, True, True])},
        on=full,
        accepts={"x": NONE},
    ),
    "FullGaussian.sample": Call(lambda: {"n": 3, "generator": generator()}, on=full),
}
