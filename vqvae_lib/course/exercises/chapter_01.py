"""Checks of chapter 1, Autoencoders."""

import functools
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    call,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.words import _
from vqvae_lib.data import ImageData, load_digits
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
    digits = _digits()
    errors = {d: _reconstruction_error(models[d], digits.x_test, d) for d in WIDTHS}
    floors = {d: pca_floor(digits.x_train, digits.x_test, d) for d in WIDTHS}
    mean_image = float(((digits.x_test - digits.x_train.mean(0)) ** 2).mean())
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
        if abs(errors[d] / floors[d] - 1) < 0.01:
            raise Wrong(
                "linear",
                _(
                    "d = {d}: the error is PCA's, {floor:.4f}. A linear autoencoder cannot do "
                    "better: put a nonlinear layer in."
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
    saved = ", ".join(
        _("{percent:.0f} % at d = {d}").format(d=d, percent=100 * (1 - errors[d] / floors[d]))
        for d in WIDTHS
    )
    return Right(
        _("All three lie below PCA: by {saved}. Where does the nonlinear code buy most?").format(
            saved=saved
        )
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
        z = expect_tensor(call(model.encode, x), (len(x), d), what=f"models[{d}].encode(x)")
        # Decoding copies of the code alone: nothing of x can slip past the bottleneck.
        x_hat = call(model.decode, z.float())
    x_hat = expect_tensor(x_hat, tuple(x.shape), what=f"models[{d}].decode(z)")
    return float(((x - x_hat) ** 2).mean())


def ex_01_3(denoise: Any) -> Right:
    """A function `denoise(y)` that takes noisy digits (B, 64) and returns clean ones (B, 64)."""
    digits = _digits()
    x = digits.x_test
    generator = torch.Generator().manual_seed(1)
    noise = NOISE_STD * torch.randn(x.shape, generator=generator)
    y = x + noise
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
    if abs(error / floor - 1) < 0.005:
        raise Wrong(
            "linear",
            _(
                "This is the best linear filter, with an error of {floor:.4f}. A good answer to an "
                "easier question: now go below it, with a network."
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
                "filter has {floor:.4f}: train on noise of standard deviation 0.3, and longer."
            ).format(**numbers),
        )
    return Right(
        _(
            "{error:.4f} a pixel, below the best linear filter's {floor:.4f}: the digits are not "
            "a Gaussian cloud, and the network has noticed."
        ).format(**numbers)
    )


def ex_01_4(model: Any, z: Any) -> Right:
    """A trained autoencoder with a code of two numbers, and a point `z` (2,) of its plane."""
    digits = _digits()
    z = expect_tensor(z, (2,), what="z")
    _reconstruction_error(model, digits.x_test, 2)
    with torch.no_grad():
        codes = model.encode(digits.x_train).double()  # (N, 2)
        image = expect_tensor(model.decode(z[None].float()), (1, digits.D), what="decode(z)")
        typical_images = model.decode(model.encode(digits.x_test)).double()  # (N', D)
    low, high = codes.quantile(0.05, dim=0), codes.quantile(0.95, dim=0)
    if not bool(((z >= low) & (z <= high)).all()):
        box = " × ".join(f"[{a:.1f}, {b:.1f}]" for a, b in zip(low, high, strict=True))
        raise Wrong(
            "outside",
            _("That point lies outside the cloud of codes: stay within {box}.").format(box=box),
        )
    distance = float(_to_nearest(image, digits.x_train))
    typical = _to_nearest(typical_images, digits.x_train)
    median, limit = float(typical.median()), float(typical.quantile(0.99))
    numbers = {"ratio": distance / median, "limit": limit / median}
    if distance < limit:
        raise Wrong(
            "no-hole",
            _(
                "The image there is {ratio:.1f} times as far from its nearest digit as a usual "
                "reconstruction. That happens to one real digit in a hundred as well: find a "
                "point above {limit:.1f}."
            ).format(**numbers),
        )
    return Right(
        _(
            "A hole in the middle of the cloud: the image there is {ratio:.1f} times as far from "
            "its nearest digit as a usual reconstruction. How far can you get?"
        ).format(**numbers)
    )


def _to_nearest(images: Tensor, real: Tensor) -> Tensor:
    """Distance (B,) of each image (B, D) to the nearest real one (N, D), root mean square."""
    return torch.cdist(images.double(), real.double()).min(1).values / real.shape[1] ** 0.5


def _mse(a: Tensor, b: Tensor) -> float:
    return float(((a.double() - b.double()) ** 2).mean())


@functools.cache
def _digits() -> ImageData:
    return load_digits()
