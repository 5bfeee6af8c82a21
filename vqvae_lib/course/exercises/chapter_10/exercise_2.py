"""Exercise 10.2: extract features from new data with a fitted pipeline."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, expect_tensor
from vqvae_lib.course.exercises.chapter_10.models import (
    ask_about_model,
    recognise_rows,
    small_model,
)
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Right
from vqvae_lib.course.words import _
from vqvae_lib.likelihoods import Gaussian
from vqvae_lib.linear_gaussian import PCA
from vqvae_lib.vqvae import VQVAE


def check(extract: Any) -> Right:
    """A function `extract(model, x_train, x_new, k)` that returns features o (B, m)."""
    data = digits_data()
    x_train, x_new = data.x_train[:300], data.x_test[:12] + 0.1
    for k, seed in ((10, 2), (6, 3)):
        model = small_model(k, seed=seed, likelihood=Gaussian())

        def features(x: Tensor, model: VQVAE = model, k: int = k) -> Tensor:
            value = ask_about_model(extract, model, x_train, x, k)
            return expect_tensor(value, (len(x), 4), what="extract(model, x_train, x_new, k)")

        value = features(x_new)
        recognise_rows(
            value,
            *_solve(model, x_train, x_new, k, value),
            again=lambda: features(x_new),
            part=lambda: features(x_new[:5].flip(0)),
        )
    return Right(
        _(
            "Everything that was fitted, the mean, the components and the model, comes from "
            "the training data; the new images only pass through. That is what makes a "
            "feature extractor."
        )
    )


@torch.no_grad()
def _solve(
    model: VQVAE, x_train: Tensor, x_new: Tensor, k: int, value: Tensor
) -> tuple[Tensor, list[Mistake]]:
    """Make the right features, and those of likely mistakes."""
    pca = PCA.fit(x_train, k)
    scores = pca.encode(x_new)  # (B, k)
    mu = model.encode(scores).mu

    def features(scores: Tensor) -> Tensor:
        return model.quantum_layer(model.encode(scores).mu).double()

    mistakes = [
        ("mu", mu.double(), _("That is mu, before the circuit.")),
        (
            "scaled",
            model.bottleneck(mu).double(),
            _("Those are scaled for the decoder: o itself lies between -1 and 1."),
        ),
        (
            "mean",
            features((x_new - x_new.mean(0)) @ pca.components.T),
            _("You subtracted the mean of the new data: subtract that of the training data."),
        ),
        (
            "centre",
            features(x_new @ pca.components.T),
            _("The mean of the training data was not subtracted."),
        ),
    ]
    hint = _(
        "You fitted the components on the new data. The features of one image then depend on "
        "which others come with it, and the model has never seen such axes."
    )
    for x_fit in (x_new, torch.cat([x_train, x_new])):
        mistakes.append(("leak", features(PCA.fit(x_fit, k).encode(x_new)), hint))
    hint = _(
        "You divided the coordinates by their spread. The model was trained on them as `vq.PCA` "
        "gives them."
    )
    for correction in (0, 1):
        spread = pca.encode(x_train).std(0, correction=correction)
        mistakes.append(("whitened", features(scores / spread), hint))
    hint = _(
        "Your components have other signs than those of `vq.PCA`, on which the model was trained."
    )
    mistakes.append(("signs", features(scores * _likeliest_signs(features, scores, value)), hint))
    return features(scores), mistakes


def _likeliest_signs(features: Callable[[Tensor], Tensor], scores: Tensor, value: Tensor) -> Tensor:
    """Find the signs of the components, (k,) of 1 and -1, whose features are nearest to `value`.

    A singular value decomposition leaves the signs to chance, and the machine, so all are tried.
    """
    signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=scores.shape[1])))  # (2^k, k)
    variants = (signs[:, None] * scores).flatten(0, 1)  # (2^k B, k)
    outputs = features(variants).unflatten(0, (len(signs), len(scores)))  # (2^k, B, m)
    return signs[(outputs - value).square().sum((1, 2)).argmin()]
