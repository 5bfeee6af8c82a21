"""Checks of chapter 10, Dimensionality reduction and feature extraction."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    as_tensor,
    call,
    describe,
    expect_number,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.words import _
from vqvae_lib.likelihoods import Binomial
from vqvae_lib.metrics import mse, pca
from vqvae_lib.vqvae import VQVAE

__all__ = ["ex_10_1", "ex_10_2", "ex_10_3", "ex_10_4"]


def _model(D: int, *, seed: int, hidden: int = 16) -> VQVAE:
    """Make a model whose codes, features and pictures all differ from image to image."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VQVAE(D, hidden, 4, 2, likelihood=Binomial(16), angle_scale=0.5)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if name.startswith(("encoder", "decoder")):
                    weights.mul_(3)
    return model.train()


# Exercise 1 ---------------------------------------------------------------------------------------


def ex_10_1(reduce: Any) -> Right:
    """A function `reduce(model, x)` that returns the codes (B, d) and an error."""
    x = digits_data().x_test[:7]
    model = _model(64, seed=1)
    first, again = (_pair(call(reduce, model, x)) for _repeat in range(2))
    with torch.no_grad():
        mu, log_var = model.encode(x)
        o = model.quantum_layer(mu)
        params = model.decode(mu)
        by_code = model.likelihood.mean(params)
    raw = as_tensor(first[0])
    if isinstance(raw, Tensor) and raw.shape == x.shape:
        raise Wrong(
            "reconstruction",
            _(
                "The first value has as many numbers as the image: that is a reconstruction. The "
                "reduced data are the codes."
            ),
        )
    z = expect_tensor(first[0], (7, 4), what=_("the codes"))
    if not torch.allclose(z, expect_tensor(again[0], (7, 4), what=_("the codes"))):
        raise Wrong(
            "drawn",
            _("Two calls gave two different codes: that is a draw of z. Take its mean, mu."),
        )
    recognise(
        z,
        mu.double(),
        [
            ("log-var", log_var.double(), _("That is log_var. `encode` gives mu first.")),
            ("features", o.double(), _("That is o, behind the circuit. Here mu was asked for.")),
            (
                "features",
                model.bottleneck(mu).detach().double(),
                _("That is what the decoder is given. Here mu was asked for."),
            ),
        ],
    )
    error = expect_number(first[1], what=_("the error"))
    truth = mse(x, by_code)
    if abs(error - truth) > 1e-3 * truth:
        _name_error(error, x, params, by_code, model.decoder(mu).detach())
    return Right(
        _(
            "Four numbers for each image, the same at each call, and an error that says what they "
            "have lost. The picture itself, with its 64 numbers, is no reduction."
        )
    )


def _pair(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise Wrong(
            "type",
            _("reduce(model, x): expected two values, codes and error, got {got}.").format(
                got=describe(value)
            ),
        )
    return value[0], value[1]


def _name_error(error: float, x: Tensor, params: Tensor, by_code: Tensor, without: Tensor) -> None:
    """Say which error was computed instead."""
    squares = (x - by_code).square()
    for kind, other, hint in (
        ("sum", float(squares.sum(1).mean()), _("That is summed over the pixels, not averaged.")),
        ("sum", float(squares.sum()), _("That is summed, not averaged.")),
        ("root", mse(x, by_code) ** 0.5, _("That is the root of the error: leave it squared.")),
        (
            "logits",
            mse(x, params),
            _(
                "`decode` gives the parameters of the likelihood, here logits. The picture is "
                "`model.likelihood.mean` of them."
            ),
        ),
        (
            "no-circuit",
            mse(x, torch.sigmoid(without)),
            _("Your code went to the decoder without the circuit: `model.decode` has both."),
        ),
    ):
        if abs(error - other) <= 1e-3 * other:
            raise Wrong(kind, hint)
    raise Wrong(
        "error",
        _("The error: expected {expected:.4f}, got {got:.4f}.").format(
            expected=mse(x, by_code), got=error
        ),
    )


# Exercise 2 ---------------------------------------------------------------------------------------


def ex_10_2(extract: Any) -> Right:
    """A function `extract(model, x_train, x_new, k)` that returns features o (B, m)."""
    data = digits_data()
    x_train, x_new, k = data.x_train[:300], data.x_test[:12] + 0.1, 10
    model = _model(k, seed=2)
    answers = [call(extract, model, x_train, x_new, k) for _repeat in range(2)]
    value, again = (
        expect_tensor(answer, (12, 4), what="extract(model, x_train, x_new, k)")
        for answer in answers
    )
    if not torch.allclose(value, again):
        raise Wrong("drawn", _("Two calls gave different features: use mu, not a draw of z."))
    fitted, own = pca(x_train, k), pca(x_new, k)
    with torch.no_grad():

        def features(scores: Tensor) -> Tensor:
            return model.quantum_layer(model.encode(scores).mu).double()

        mu = model.encode(fitted.encode(x_new)).mu
        flipped = fitted.encode(x_new) * _other_signs(x_train, fitted.components)
        mistakes = [
            ("mu", mu.double(), _("That is mu, before the circuit.")),
            (
                "scaled",
                model.bottleneck(mu).double(),
                _("Those are scaled for the decoder: o itself lies between -1 and 1."),
            ),
            (
                "leak",
                features(own.encode(x_new)),
                _(
                    "You fitted the components on the new data. Then the features of one image "
                    "depend on which others come with it, and the model has never seen such axes."
                ),
            ),
            (
                "mean",
                features((x_new - x_new.mean(0)) @ fitted.components.T),
                _("You subtracted the mean of the new data: it has to be that of the training."),
            ),
            (
                "centre",
                features(x_new @ fitted.components.T),
                _("The mean of the training data was not subtracted."),
            ),
            (
                "signs",
                features(flipped),
                _(
                    "Your components have other signs than those of `vq.pca`, on which the model "
                    "was trained."
                ),
            ),
        ]
        recognise(value, features(fitted.encode(x_new)), mistakes)
    return Right(
        _(
            "Everything that was fitted, mean, components and model, comes from the training data; "
            "the new images only pass through. That is what makes a feature extractor."
        )
    )


def _other_signs(x: Tensor, components: Tensor) -> Tensor:
    """How a singular value decomposition signs the components, beside ours: (k,) of 1 and -1."""
    theirs = torch.linalg.svd(x - x.mean(0)).Vh[: len(components)]
    return (theirs * components).sum(1).sign()


# Exercise 3 ---------------------------------------------------------------------------------------


def ex_10_3(probe: Any) -> Right:
    """A function `probe(z_train, y_train, z_test, y_test)` that returns a share of right labels."""
    z_train, y_train, z_test, y_test = _codes()
    value = expect_number(
        call(probe, z_train, y_train, z_test, y_test),
        what="probe(z_train, y_train, z_test, y_test)",
    )
    mean, std = z_train.mean(0), z_train.std(0)
    own = z_test.mean(0), z_test.std(0)
    train, test = (z_train - mean) / std, (z_test - mean) / std
    truth = _nearest_mean(train, y_train, test, y_test)
    if abs(value - truth) < 1e-6:
        return Right(
            _(
                "Mean, scale and class means all come from the training codes. Such a probe can "
                "only be as good as the code, since it has learned next to nothing itself."
            )
        )
    for kind, other, hint in (
        (
            "no-scaling",
            _nearest_mean(z_train, y_train, z_test, y_test),
            _("The codes were not standardised, so the widest dimension decides alone."),
        ),
        (
            "own-scaling",
            _nearest_mean(train, y_train, (z_test - own[0]) / own[1], y_test),
            _("Test codes were standardised by their own mean and scale: use the training's."),
        ),
        (
            "fitted-on-test",
            _nearest_mean(test, y_test, test, y_test),
            _("The class means were taken from the test codes: that is looking up the answers."),
        ),
        (
            "on-training",
            _nearest_mean(train, y_train, train, y_train),
            _("That is the share of training codes: ask about the test codes."),
        ),
        ("error-rate", 1 - truth, _("That is the share of wrong labels.")),
        ("percent", 100 * truth, _("That is in per cent: give a share between 0 and 1.")),
        ("count", len(y_test) * truth, _("That is how many are right: divide by their number.")),
    ):
        if abs(value - other) < 1e-6:
            raise Wrong(kind, hint)
    raise Wrong(
        "value", _("Expected {truth:.4f}, got {value:.4f}.").format(truth=truth, value=value)
    )


def _codes() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw codes of three classes, in which every mistake gives another share.

    The labels are in the dimensions that vary least, and the test codes lie aside: two thirds of
    them are of one class.
    """
    generator = torch.Generator().manual_seed(3)
    y_train = torch.arange(3).repeat(41)
    y_test = torch.tensor([0, 1, 2, 2, 2, 2]).repeat(20)
    scale = torch.tensor([0.1, 1.0, 30.0], dtype=torch.float64)
    means = torch.tensor([[0, 0, 0], [1.6, 0, 0], [0, 1.6, 0.2]], dtype=torch.float64)

    def draw(y: Tensor) -> Tensor:
        noise = torch.randn(len(y), 3, generator=generator, dtype=torch.float64)
        return scale * (means[y] + noise)

    return draw(y_train), y_train, draw(y_test), y_test


def _nearest_mean(z_fit: Tensor, y_fit: Tensor, z: Tensor, y: Tensor) -> float:
    means = torch.stack([z_fit[y_fit == label].mean(0) for label in range(3)])
    return float((torch.cdist(z, means).argmin(1) == y).double().mean())


# Exercise 4 ---------------------------------------------------------------------------------------

# Beside random patterns, whose median is 1. The best pattern for a network has 0.08 to 0.17 over
# seeds, one that is found from a single image 0.36 to 0.73.
_LINEAR_LIMIT, _NETWORK_LIMIT = 0.02, 0.25


def ex_10_4(blind: Any) -> Right:
    """A function `blind(encode, x)` that returns a pattern (D,) of length 1."""
    x = digits_data().x_test[:100]
    generator = torch.Generator().manual_seed(4)
    A = torch.randn(8, 64, generator=generator) / 8
    shares = []
    for name, encode, limit in (
        (_("a linear code"), lambda x: (x - 0.3) @ A.T, _LINEAR_LIMIT),
        (_("the code of a network"), _network(seed=5), _NETWORK_LIMIT),
    ):
        pattern = expect_tensor(
            call(blind, encode, x), (64,), what="blind(encode, x)", dtype=torch.float32
        )
        length = float(pattern.norm())
        if abs(length - 1) > 1e-3:
            raise Wrong(
                "length",
                _(
                    "The pattern has the length {length:.3g}, expected 1: a small enough pattern "
                    "moves no code, and says nothing."
                ).format(length=length),
            )
        share = _moved(encode, x, pattern) / _usual(encode, x)
        said = _("For {name}, your pattern moves codes {share:.2g} times as far as a random one.")
        text = said.format(name=name, share=share)
        if share > 1.5:
            raise Wrong(
                "most",
                text + " " + _("You found what the code sees best: take the other end."),
            )
        if share > 0.7:
            raise Wrong("random", text + " " + _("That is no better than chance."))
        if share > limit:
            raise Wrong(
                "not-yet",
                text + " " + _("Expected at most {limit:g}.").format(limit=limit),
            )
        shares.append(share)
    return Right(
        _(
            "The linear code does not see your pattern at all, and needs no training for that: 56 "
            "of 64 directions are lost to it. To the network's code it is {share:.2g} times as "
            "visible as chance. What an image loses there, no probe brings back."
        ).format(share=shares[1])
    )


def _network(*, seed: int) -> Callable[[Tensor], Tensor]:
    """Make the encoder of an untrained model, whose slopes differ from image to image."""
    # More hidden units than pixels: no pattern is lost to all of them.
    model = _model(64, seed=seed, hidden=256).eval().requires_grad_(requires_grad=False)
    return lambda x: model.encode(x).mu


def _moved(encode: Callable[[Tensor], Tensor], x: Tensor, pattern: Tensor) -> float:
    return float((encode(x + pattern) - encode(x)).norm(dim=1).median())


def _usual(encode: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """How far random patterns of length 1 move codes, in the median."""
    patterns = torch.randn(60, 64, generator=torch.Generator().manual_seed(6))
    patterns = patterns / patterns.norm(dim=1, keepdim=True)
    return float(torch.tensor([_moved(encode, x, pattern) for pattern in patterns]).median())
