"""Checks of chapter 10, Dimensionality reduction and feature extraction."""

import copy
import itertools
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
from vqvae_lib.likelihoods import Binomial, Gaussian, Likelihood
from vqvae_lib.metrics import mse, pca
from vqvae_lib.vqvae import VQVAE

__all__ = ["ex_10_1", "ex_10_2", "ex_10_3", "ex_10_4"]


def _model(D: int, *, seed: int, likelihood: Likelihood, hidden: int = 16) -> VQVAE:
    """Make a model whose codes, features and pictures all differ from image to image."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VQVAE(D, hidden, 4, 2, likelihood=likelihood, angle_scale=0.5)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if name.startswith(("encoder", "decoder")):
                    weights.mul_(3)
    return model.train()


def _ask(function: Any, model: VQVAE, *arguments: Any) -> Any:
    """Call the learner's function with a copy of the model, whose weights must stay."""
    given = copy.deepcopy(model)
    value = call(function, given, *arguments)
    pairs = zip(model.state_dict().values(), given.state_dict().values(), strict=True)
    if not all(torch.equal(before, after.to(before)) for before, after in pairs):
        raise Wrong(
            "changed-model",
            _("Your function has changed the model's weights: the model is trained already."),
        )
    return value


def _recognise(
    value: Tensor,
    truth: Tensor,
    mistakes: list[tuple[str, Tensor, str]],
    *,
    again: Callable[[], Tensor],
    part: Callable[[], Tensor],
) -> None:
    """Recognise a value; one that is not known may not even be a function of the image.

    `again` answers the same question once more, `part` a question about the first five images in
    the opposite order.
    """
    try:
        recognise(value, truth, mistakes)
    except Wrong as wrong:
        if wrong.kind == "value" and not _same(value, again()):
            raise Wrong(
                "drawn",
                _("Two calls gave two different answers: that is a draw. Use the mean, mu."),
            ) from None
        if wrong.kind == "value" and not _same(value[:5].flip(0), part()):
            raise Wrong(
                "batch",
                _(
                    "What an image gets depends on its place, or on the images that come with it. "
                    "Is it a draw with a fixed seed, or was something fitted to the images?"
                ),
            ) from None
        raise


def _same(value: Tensor, other: Tensor) -> bool:
    return torch.allclose(value, other, rtol=1e-3, atol=1e-4)  # as `recognise` has it


# Exercise 1 ---------------------------------------------------------------------------------------


# Of an error. Rounding leaves 1e-6; of 200 draws of z the luckiest comes within 1.3e-3.
_ERROR_LIMIT = 1e-4


def ex_10_1(reduce: Any) -> Right:
    """A function `reduce(model, x)` that returns the codes (B, d) and an error."""
    x = digits_data().x_test[:7]
    model = _model(64, seed=1, likelihood=Binomial(16))

    def codes(x: Tensor) -> Tensor:
        z = _pair(_ask(reduce, model, x))[0]
        return expect_tensor(z, (len(x), 4), what=_("the codes"))

    first, again = (_pair(_ask(reduce, model, x)) for _repeat in range(2))
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
    mistakes = [
        ("log-var", log_var.double(), _("That is log_var. `encode` gives mu first.")),
        ("features", o.double(), _("That is o, behind the circuit. Here mu was asked for.")),
        (
            "features",
            model.bottleneck(mu).detach().double(),
            _("That is what the decoder is given. Here mu was asked for."),
        ),
    ]
    _recognise(
        expect_tensor(first[0], (7, 4), what=_("the codes")),
        mu.double(),
        mistakes,
        again=lambda: codes(x),
        part=lambda: codes(x[:5].flip(0)),
    )
    error, other = (expect_number(answer[1], what=_("the error")) for answer in (first, again))
    if abs(error - other) > _ERROR_LIMIT * abs(error):
        raise Wrong(
            "drawn",
            _("Two calls gave two different errors: rebuild the images from mu, not from a draw."),
        )
    truth = mse(x, by_code)
    if abs(error - truth) > _ERROR_LIMIT * truth:
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
            "absolute",
            float((x - by_code).abs().mean()),
            _("That is the mean of the absolute differences: square them."),
        ),
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
        if abs(error - other) <= _ERROR_LIMIT * other:
            raise Wrong(kind, hint)
    raise Wrong(
        "error",
        _(
            "The error: expected {expected:.5f}, got {got:.5f}. Are the pictures rebuilt from the "
            "codes that you return, and compared with x, pixel by pixel?"
        ).format(expected=mse(x, by_code), got=error),
    )


# Exercise 2 ---------------------------------------------------------------------------------------


def ex_10_2(extract: Any) -> Right:
    """A function `extract(model, x_train, x_new, k)` that returns features o (B, m)."""
    data = digits_data()
    x_train, x_new = data.x_train[:300], data.x_test[:12] + 0.1
    for k, seed in ((10, 2), (6, 3)):
        model = _model(k, seed=seed, likelihood=Gaussian())

        def features(x: Tensor, model: VQVAE = model, k: int = k) -> Tensor:
            value = _ask(extract, model, x_train, x, k)
            return expect_tensor(value, (len(x), 4), what="extract(model, x_train, x_new, k)")

        value = features(x_new)
        _recognise(
            value,
            *_features(model, x_train, x_new, k, value),
            again=lambda: features(x_new),
            part=lambda: features(x_new[:5].flip(0)),
        )
    return Right(
        _(
            "Everything that was fitted, mean, components and model, comes from the training data; "
            "the new images only pass through. That is what makes a feature extractor."
        )
    )


@torch.no_grad()
def _features(
    model: VQVAE, x_train: Tensor, x_new: Tensor, k: int, value: Tensor
) -> tuple[Tensor, list[tuple[str, Tensor, str]]]:
    """Make the right features, and those of likely mistakes."""
    fitted = pca(x_train, k)
    scores = fitted.encode(x_new)  # (B, k)
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
            features((x_new - x_new.mean(0)) @ fitted.components.T),
            _("You subtracted the mean of the new data: it has to be that of the training."),
        ),
        (
            "centre",
            features(x_new @ fitted.components.T),
            _("The mean of the training data was not subtracted."),
        ),
    ]
    hint = _(
        "You fitted the components on the new data. Then the features of one image depend on which "
        "others come with it, and the model has never seen such axes."
    )
    for fitted_on in (x_new, torch.cat([x_train, x_new])):
        mistakes.append(("leak", features(pca(fitted_on, k).encode(x_new)), hint))
    hint = _(
        "You divided the coordinates by their spread. The model was trained on them as `vq.pca` "
        "gives them."
    )
    for correction in (0, 1):
        spread = fitted.encode(x_train).std(0, correction=correction)
        mistakes.append(("whitened", features(scores / spread), hint))
    hint = _(
        "Your components have other signs than those of `vq.pca`, on which the model was trained."
    )
    mistakes.append(("signs", features(scores * _likeliest_signs(features, scores, value)), hint))
    return features(scores), mistakes


def _likeliest_signs(features: Callable[[Tensor], Tensor], scores: Tensor, value: Tensor) -> Tensor:
    """Find the signs of the components, (k,) of 1 and -1, whose features are nearest to `value`.

    A singular value decomposition leaves the signs to chance, and the machine, so all are tried.
    """
    signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=scores.shape[1])))  # (2^k, k)
    flipped = (signs[:, None] * scores).flatten(0, 1)  # (2^k B, k)
    found = features(flipped).unflatten(0, (len(signs), len(scores)))  # (2^k, B, m)
    return signs[(found - value).square().sum((1, 2)).argmin()]


# Exercise 3 ---------------------------------------------------------------------------------------


def ex_10_3(probe: Any) -> Right:
    """A function `probe(z_train, y_train, z_test, y_test)` that returns a share of right labels."""
    for classes, seed in _CASES:
        codes = _codes(classes, seed=seed)
        value = expect_number(call(probe, *codes), what="probe(z_train, y_train, z_test, y_test)")
        truth, mistakes = _shares(*codes)
        # Shares are multiples of 1/N: a quarter of it leaves room for rounding to three digits.
        near = 0.25 / len(codes[3])
        if abs(value - truth) < near:
            continue
        for kind, other, hint in mistakes:
            if abs(value - other) < near:
                raise Wrong(kind, hint)
        raise Wrong(
            "value",
            _("For codes of {classes} classes: expected {truth:.4f}, got {value:.4f}.").format(
                classes=classes, truth=truth, value=value
            ),
        )
    return Right(
        _(
            "Mean, scale and class means all come from the training codes. Such a probe can "
            "only be as good as the code, since it has learned next to nothing itself."
        )
    )


_CASES = ((4, 27), (3, 103))  # classes and seed: here all those shares lie apart


def _shares(
    z_train: Tensor, y_train: Tensor, z_test: Tensor, y_test: Tensor
) -> tuple[float, list[tuple[str, float, str]]]:
    """Compute the share of right labels, and those that likely mistakes give."""
    mean, std = z_train.mean(0), z_train.std(0)
    train, test = (z_train - mean) / std, (z_test - mean) / std
    both = torch.cat([z_train, z_test]).std(0)
    own = (z_test - z_test.mean(0)) / z_test.std(0)
    truth = _nearest_mean(train, y_train, test, y_test)
    nearest = torch.cdist(test, train).argmin(1)
    unscaled = _("The codes were not standardised, so the widest dimension decides alone.")
    scaled = _("The mean and the scale come from the test codes, or partly: use the training's.")
    looked_up = _("The class means were taken from the test codes: that is looking up the answers.")
    return truth, [
        ("no-scaling", _nearest_mean(z_train, y_train, z_test, y_test), unscaled),
        ("own-scaling", _nearest_mean(train, y_train, own, y_test), scaled),
        (
            "own-scaling",
            _nearest_mean(z_train / z_test.std(0), y_train, z_test / z_test.std(0), y_test),
            scaled,
        ),
        (
            "own-scaling",
            _nearest_mean(z_train / both, y_train, z_test / both, y_test),
            scaled,
        ),
        (
            "half-scaled",
            _nearest_mean(train, y_train, z_test, y_test),
            _("The training codes were standardised, and the test codes were not."),
        ),
        (
            "variance",
            _nearest_mean(z_train / std**2, y_train, z_test / std**2, y_test),
            _("You divided by the variance: divide by its root, the standard deviation."),
        ),
        ("fitted-on-test", _nearest_mean(test, y_test, test, y_test), looked_up),
        (
            "fitted-on-test",
            _nearest_mean(torch.cat([train, test]), torch.cat([y_train, y_test]), test, y_test),
            looked_up,
        ),
        (
            "on-training",
            _nearest_mean(train, y_train, train, y_train),
            _("That is the share of training codes: ask about the test codes."),
        ),
        (
            "one-neighbour",
            float((y_train[nearest] == y_test).double().mean()),
            _("That is the label of the nearest training code: take the nearest class mean."),
        ),
        (
            "empty-class",
            # A mean of no codes is NaN, and `argmin` takes the first NaN for the smallest.
            0.0,
            _(
                "No label was right. Did you take the mean of a class that has no codes? How many "
                "classes there are, `y_train` says."
            ),
        ),
        ("error-rate", 1 - truth, _("That is the share of wrong labels.")),
        ("percent", 100 * truth, _("That is in per cent: give a share between 0 and 1.")),
        ("count", len(y_test) * truth, _("That is how many are right: divide by their number.")),
    ]


def _codes(classes: int, *, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw codes of which every mistake gives another share.

    The labels are in the dimensions that vary least, and the test codes lie aside: most of them
    are of one class. Test codes that lie between two means are left out, so that rounding decides
    nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([0.1, 1.0, 30.0])
    corners = torch.tensor([[0, 0, 0], [1.6, 0, 0], [0, 1.6, 0.2], [1.6, 1.6, 0.2]])

    def draw(y: Tensor) -> Tensor:
        skewed = torch.randn(len(y), 3, generator=generator).exp() - 1  # mean is not median
        return scale * (corners[y] + 0.7 * skewed)

    order = torch.randperm(40 * classes, generator=generator)
    y_train = torch.arange(classes).repeat(40)[order]
    y_test = torch.cat([torch.arange(classes), torch.full((classes,), classes - 1)]).repeat(90)
    z_train, z_test = draw(y_train), draw(y_test)
    means = torch.stack([z_train[y_train == label].mean(0) for label in range(classes)])
    apart = torch.cdist(z_test / z_train.std(0), means / z_train.std(0)).sort(1).values
    clear = (apart[:, 1] - apart[:, 0] > 1e-3).nonzero()[: 150 * classes, 0]
    return z_train, y_train, z_test[clear], y_test[clear]


def _nearest_mean(z_fit: Tensor, y_fit: Tensor, z: Tensor, y: Tensor) -> float:
    means = torch.stack([z_fit[y_fit == label].mean(0) for label in y_fit.unique()])
    return float((torch.cdist(z, means).argmin(1) == y).double().mean())


# Exercise 4 ---------------------------------------------------------------------------------------

# Beside random patterns, whose median is 1. The best pattern for a network has 0.08 to 0.17 over
# seeds, one that is found from a single image 0.36 to 0.73, one from the mean of all slopes 0.31 to
# 0.41. What moves codes most has 3.6 for the linear code and 4.3 to 4.9 for a network; of 2000
# random patterns the luckiest has 0.27 and the most seen 2.5.
_LINEAR_LIMIT, _NETWORK_LIMIT, _MOST = 0.02, 0.25, 3.0


def ex_10_4(blind: Any) -> Right:
    """A function `blind(encode, x)` that returns a pattern (D,) of length 1."""
    x = digits_data().x_test[:100]
    generator = torch.Generator().manual_seed(4)
    A = torch.randn(8, 64, generator=generator) / 8
    shares = []
    for name, encode, limit, hint in (
        (
            _("a linear code"),
            lambda x: (x.float() - 0.3) @ A.T,
            _LINEAR_LIMIT,
            _("There are patterns that it does not see at all, and no luck is needed to find one."),
        ),
        (
            _("the code of a network"),
            _network(seed=5),
            _NETWORK_LIMIT,
            _(
                "Its slopes differ from image to image, and may cancel in a mean: count how far "
                "the codes of all images move."
            ),
        ),
    ):
        pattern = expect_tensor(
            call(blind, encode, x), (64,), what="blind(encode, x)", dtype=torch.float32
        )
        length = float(pattern.norm())
        if abs(length - 1) > 1e-3:
            raise Wrong(
                "length",
                _(
                    "The pattern has the length {length:.3g}, expected 1. How far codes move "
                    "depends on the length, so all patterns are compared at the same one."
                ).format(length=length),
            )
        share = _moved(encode, x, pattern) / _usual(encode, x)
        said = _("For {name}, your pattern moves codes {share:.2g} times as far as a random one.")
        text = said.format(name=name, share=share)
        if share > _MOST:
            raise Wrong(
                "most",
                text + " " + _("You found what the code sees best: take the other end."),
            )
        if share > 0.7:
            raise Wrong("random", text + " " + _("That is no better than chance."))
        if share > limit:
            raise Wrong(
                "not-yet",
                f"{text} {_('Expected at most {limit:g}.').format(limit=limit)} {hint}",
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
    model = _model(64, seed=seed, hidden=256, likelihood=Gaussian()).eval()
    model.requires_grad_(requires_grad=False)
    return lambda x: model.encode(x.float()).mu


def _moved(encode: Callable[[Tensor], Tensor], x: Tensor, pattern: Tensor) -> float:
    return float((encode(x + pattern) - encode(x)).norm(dim=1).median())


def _usual(encode: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """How far random patterns of length 1 move codes, in the median."""
    patterns = torch.randn(60, 64, generator=torch.Generator().manual_seed(6))
    patterns = patterns / patterns.norm(dim=1, keepdim=True)
    return float(torch.tensor([_moved(encode, x, pattern) for pattern in patterns]).median())
