"""Checks of chapter 1, Autoencoders."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.digits import digits_data, to_nearest
from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    call,
    expect_number,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.words import _
from vqvae_lib.data import ImageData
from vqvae_lib.metrics import pca_floor

NOISE_STD = 0.3
WIDTHS = (2, 4, 8)


def ex_01_1(pca_reconstruct: Any) -> Right:
    """A function `pca_reconstruct(x_train, x, d)` that returns reconstructions shaped like `x`."""
    for seed, (n_train, n, dim, d) in enumerate([(40, 7, 5, 2), (60, 9, 6, 1), (30, 5, 4, 3)]):
        # Data far from the origin, so that centring matters, with a different cloud to project.
        generator = torch.Generator().manual_seed(seed)
        mix = torch.randn(dim, dim, generator=generator)
        shift = 3 + torch.randn(dim, generator=generator)
        x_train = torch.randn(n_train, dim, generator=generator) @ mix + shift
        x = torch.randn(n, dim, generator=generator) @ mix + shift + 0.5

        value = call(pca_reconstruct, x_train, x, d)
        if getattr(value, "shape", None) == (n, d):
            raise Wrong("code", _("That is the code, {d} numbers a row: decode it.").format(d=d))
        value = expect_tensor(value, (n, dim), what="pca_reconstruct(x_train, x, d)")
        recognise(value, _project(x_train, x, d), _pca_mistakes(x_train, x, d))
    return Right(
        _("The mean belongs to the model: it is subtracted before and added after the projection.")
    )


def _project(x_train: Tensor, x: Tensor, d: int, *, last: bool = False) -> Tensor:
    """Project x on the first (or last) d principal components of x_train; float64 inside."""
    x_train, x = x_train.double(), x.double()
    mean = x_train.mean(0)
    directions = torch.linalg.svd(x_train - mean, full_matrices=False).Vh  # (D, D)
    basis = directions[-d:] if last else directions[:d]  # (d, D)
    return mean + (x - mean) @ basis.T @ basis


def _pca_mistakes(x_train: Tensor, x: Tensor, d: int) -> list[tuple[str, Tensor, str]]:
    mean = x_train.double().mean(0)
    uncentred = torch.linalg.svd(x_train.double(), full_matrices=False).Vh[:d]
    centred = torch.linalg.svd(x_train.double() - mean, full_matrices=False).Vh
    rows, columns = centred[:d], centred[:, :d].T
    own_mean = x.double().mean(0)
    return [
        ("echo", x, _("This returns its input: nothing passes through {d} numbers.").format(d=d)),
        (
            "uncentred",
            x.double() @ uncentred.T @ uncentred,
            _("The mean is not subtracted: the first direction then points at the mean."),
        ),
        (
            "mean-not-added",
            _project(x_train, x, d) - mean,
            _("The mean is subtracted and never added back."),
        ),
        (
            "fitted-on-x",
            _project(x, x, d),
            _("The directions come from `x`: they have to be learned from `x_train`."),
        ),
        (
            "smallest",
            _project(x_train, x, d, last=True),
            _("These are the directions of the smallest variance: check the order."),
        ),
        ("mean-only", mean.expand_as(x), _("This returns the mean for every row.")),
        (
            "x-not-centred",
            mean + x.double() @ rows.T @ rows,
            _("Subtract the mean of `x_train` from `x` too, before the projection."),
        ),
        (
            "own-mean",
            own_mean + (x.double() - own_mean) @ rows.T @ rows,
            _("That is the mean of `x`: the model's mean comes from `x_train`."),
        ),
        (
            "columns",
            mean + (x.double() - mean) @ columns.T @ columns,
            _("The directions are the rows of `Vh`; these are its columns."),
        ),
    ]


def ex_01_2(models: Any) -> Right:
    """A dictionary {2: model, 4: model, 8: model} of trained autoencoders of the digits."""
    if not isinstance(models, dict):
        raise Wrong(
            "type",
            _("Expected a dictionary {{2: model, …}}, got {got}.").format(
                got=type(models).__name__
            ),
        )
    missing = [d for d in WIDTHS if d not in models]
    if missing:
        raise Wrong("missing", _("There is no model for d = {d}.").format(d=missing[0]))
    digits = digits_data()
    errors = {d: _reconstruction_error(models[d], digits.x_test, d) for d in WIDTHS}
    floors = {d: pca_floor(digits.x_train, digits.x_test, d) for d in WIDTHS}
    mean_image = _mean_image_error()
    for d in WIDTHS:
        numbers = {"d": d, "error": errors[d], "floor": floors[d], "mean": mean_image}
        if errors[d] > 0.98 * mean_image:
            raise Wrong(
                "untrained",
                _(
                    "d = {d}: an error of {error:.4f} a pixel is no better than always answering "
                    "the mean image ({mean:.4f}). Was the model trained?"
                ).format(**numbers),
            )
        if _is_linear(models[d], d):
            raise Wrong(
                "linear",
                _(
                    "d = {d}: this decoder is linear, and what linear maps can do ends at PCA, "
                    "here {floor:.4f} a pixel: put a nonlinear layer in."
                ).format(**numbers),
            )
        if errors[d] > floors[d]:
            raise Wrong(
                "above-pca",
                _(
                    "d = {d}: an error of {error:.4f} a pixel is above PCA's {floor:.4f}. Train "
                    "longer, or with more hidden units."
                ).format(**numbers),
            )
        if errors[d] < 0.3 * floors[d]:
            raise Wrong(
                "too-good",
                _(
                    "d = {d}: an error of {error:.4f} a pixel, against PCA's {floor:.4f}, is too "
                    "good for {d} numbers. Has the model seen the test digits?"
                ).format(**numbers),
            )
    percent = {d: 100 * (1 - errors[d] / floors[d]) for d in WIDTHS}
    saved = ", ".join(
        _("{percent:.0f} % at d = {d}").format(d=d, percent=percent[d]) for d in WIDTHS
    )
    best = max(WIDTHS, key=lambda d: percent[d])
    return Right(
        _(
            "All three lie below PCA: by {saved}. In proportion yours gains most at d = {best}."
        ).format(saved=saved, best=best)
    )


def _reconstruction_error(model: Any, x: Tensor, d: int) -> float:
    """Mean squared error a pixel of decode(encode(x)), after looking at the code's shape."""
    if not (hasattr(model, "encode") and hasattr(model, "decode")):
        raise Wrong(
            "no-autoencoder",
            _("d = {d}: expected a model with `encode` and `decode`, got {got}.").format(
                d=d, got=type(model).__name__
            ),
        )
    with torch.no_grad():
        z = expect_tensor(call(model.encode, x), (len(x), d), what=_("encode(x)"))
        # Decoded in another order: a model that keeps x aside gives the wrong images back.
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        x_hat = call(model.decode, z[order].float())
    x_hat = expect_tensor(x_hat, tuple(x.shape), what=_("decode(z)"))
    return float(((x[order] - x_hat) ** 2).mean())


def _mean_image_error() -> float:
    """Test error a pixel of answering the mean training image to everything."""
    digits = digits_data()
    return _mse(digits.x_test, digits.x_train.mean(0).expand_as(digits.x_test))


def _is_linear(model: Any, d: int) -> bool:
    """Whether the decoder is affine: g(a) + g(b) = g(a + b) + g(0) for codes a, b."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        codes = model.encode(digits_data().x_train).double()
        a, b = codes.std(0) * torch.randn(2, 50, d, generator=generator)
        images = [call(model.decode, z.float()).double() for z in (a, b, a + b, torch.zeros(50, d))]
    bend = images[0] + images[1] - images[2] - images[3]
    return float(bend.abs().max()) < 1e-3 * float(images[2].abs().max())


def ex_01_3(denoise: Any) -> Right:
    """A function `denoise(y)` that takes noisy digits (B, 64) and returns clean ones (B, 64)."""
    digits = digits_data()
    x = digits.x_test
    generator = torch.Generator().manual_seed(1)
    noise = NOISE_STD * torch.randn(x.shape, generator=generator)
    y = x + noise
    # In another order than the data set's, so that a list of the test digits is no answer.
    order = torch.randperm(len(x), generator=generator)
    x, y, noise = x[order], y[order], noise[order]
    x_hat = expect_tensor(call(denoise, y), tuple(x.shape), what="denoise(y)")

    mean = digits.x_train.double().mean(0)
    covariance = torch.cov(digits.x_train.double().T)
    gain = torch.linalg.solve(covariance + NOISE_STD**2 * torch.eye(len(mean)), covariance)
    linear = mean + (y.double() - mean) @ gain  # (B, D), the best linear filter
    error, floor = _mse(x, x_hat), _mse(x, linear)
    numbers = {"error": error, "floor": floor, "noisy": _mse(x, y)}
    if torch.allclose(x_hat, y.double(), atol=1e-3):
        raise Wrong("echo", _("This returns the noisy digits as they came."))
    if float(x_hat.std(0).max()) < 1e-3:
        raise Wrong("constant", _("This returns the same image whatever comes in."))
    if _mse(noise, x_hat) < error:
        raise Wrong("noise", _("This returns the noise: subtract it from `y`."))
    spread = float((linear - mean).norm())
    if min(float((x_hat - f).norm()) for f in (linear, linear.clamp(0, 1))) < 0.05 * spread:
        raise Wrong(
            "linear",
            _(
                "This is the best linear filter, with an error of {floor:.4f}. A good answer to an "
                "easier question: now go below it, with a network."
            ).format(**numbers),
        )
    if error < 0.3 * floor:
        raise Wrong(
            "too-good",
            _(
                "An error of {error:.4f} a pixel is too good: the best linear filter has "
                "{floor:.4f}. Are the test digits part of the answer?"
            ).format(**numbers),
        )
    if error > numbers["noisy"]:
        raise Wrong(
            "worse-than-noisy",
            _(
                "The error of {error:.4f} a pixel is larger than doing nothing ({noisy:.4f}). Is "
                "the target in training the clean digit?"
            ).format(**numbers),
        )
    if error > floor:
        raise Wrong(
            "above-linear",
            _(
                "The error of {error:.4f} beats doing nothing ({noisy:.4f}), but the best linear "
                "filter has {floor:.4f}. Did you train on noise of standard deviation 0.3, long "
                "enough, and call `eval()` before use?"
            ).format(**numbers),
        )
    return Right(
        _(
            "{error:.4f} a pixel, below the best linear filter's {floor:.4f}: the digits are not "
            "a Gaussian cloud, and your answer makes use of it."
        ).format(**numbers)
    )


def ex_01_4(model: Any, i: Any, j: Any) -> Right:
    """A trained autoencoder of the digits, and the numbers `i`, `j` of two training images."""
    digits = digits_data()
    first, second = (_index(value, name, digits) for value, name in ((i, "i"), (j, "j")))
    if first == second:
        raise Wrong("same", _("That is one image twice: there is nothing between."))
    with torch.no_grad():
        d = getattr(call(model.encode, digits.x_test), "shape", (0, 0))[-1]
        error = _reconstruction_error(model, digits.x_test, d)
        if error > _mean_image_error():
            raise Wrong(
                "untrained",
                _("This model reconstructs digits no better than the mean image. Was it trained?"),
            )
        codes = model.encode(digits.x_train[[first, second]])  # (2, d)
        image = expect_tensor(
            model.decode(codes.mean(0, keepdim=True)), (1, digits.D), what="image"
        )
        usual = to_nearest(model.decode(model.encode(digits.x_test)), digits.x_train)
    unit = float(usual.median())
    ratio = float(to_nearest(image, digits.x_train)) / unit
    # Beyond what happens to real digits, and beyond a picture that is nothing but blur.
    blur = float(to_nearest(digits.x_train.mean(0)[None], digits.x_train))
    limit = max(float(usual.quantile(0.99)), blur) / unit
    numbers = {"ratio": ratio, "limit": limit}
    if ratio <= limit:
        raise Wrong(
            "no-hole",
            _(
                "Half-way between the two the picture is {ratio:.2f} times as far from its nearest "
                "digit as a usual reconstruction. The blurred mean of all digits, or one real "
                "digit in a hundred, is that far too: find a pair above {limit:.2f}."
            ).format(**numbers),
        )
    return Right(
        _(
            "A hole between two real codes: the picture half-way is {ratio:.2f} times as far from "
            "its nearest digit as a usual reconstruction. How far can you get?"
        ).format(**numbers)
    )


def _index(value: Any, name: str, digits: ImageData) -> int:
    """Give the number of a training image, or say what it is instead."""
    number = expect_number(value, what=name)
    if number != int(number) or not 0 <= number < len(digits.x_train):
        raise Wrong(
            "index",
            _("{name}: expected the number of a training image, 0 to {last}, got {got}.").format(
                name=name, last=len(digits.x_train) - 1, got=value
            ),
        )
    return int(number)


def _mse(a: Tensor, b: Tensor) -> float:
    return float(((a.double() - b.double()) ** 2).mean())
