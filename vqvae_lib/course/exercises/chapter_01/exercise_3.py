"""Exercise 1.3: denoise digits better than the best linear filter."""

from typing import Any

import torch

from vqvae_lib.course.exercises.answers import call, expect_tensor
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.metrics import mse

NOISE_STD = 0.3


def check(denoise: Any) -> Right:
    """A function `denoise(y)` that takes noisy digits (B, 64) and returns clean ones (B, 64)."""
    digits = digits_data()
    x = digits.x_test
    generator = torch.Generator().manual_seed(1)
    noise = NOISE_STD * torch.randn(x.shape, generator=generator)
    y = x + noise
    # In another order than the data set's, so that a list of the test digits does not pass.
    order = torch.randperm(len(x), generator=generator)
    x, y, noise = x[order], y[order], noise[order]
    x_hat = expect_tensor(call(denoise, y), tuple(x.shape), what="denoise(y)")

    mean = digits.x_train.double().mean(0)
    covariance = torch.cov(digits.x_train.double().T)
    gain = torch.linalg.solve(covariance + NOISE_STD**2 * torch.eye(len(mean)), covariance)
    linear = mean + (y.double() - mean) @ gain  # (B, D), the best linear filter
    error, floor = mse(x, x_hat), mse(x, linear)
    numbers = {"error": error, "floor": floor, "noisy": mse(x, y)}
    if torch.allclose(x_hat, y.double(), atol=1e-3):
        raise Wrong("echo", _("This returns the noisy digits unchanged."))
    if float(x_hat.std(0).max()) < 1e-3:
        raise Wrong("constant", _("This returns the same image for every input."))
    if mse(noise, x_hat) < error:
        raise Wrong("noise", _("This returns the noise: subtract it from `y`."))
    spread = float((linear - mean).norm())
    if min(float((x_hat - f).norm()) for f in (linear, linear.clamp(0, 1))) < 0.05 * spread:
        raise Wrong(
            "linear",
            _(
                "This is the best linear filter, with an error of {floor:.4f}: a good answer "
                "to an easier question. Now beat it with a network."
            ).format(**numbers),
        )
    if error < 0.3 * floor:
        raise Wrong(
            "too-good",
            _(
                "An error of {error:.4f} per pixel is too good to be true: the best linear "
                "filter has {floor:.4f}. Are the test digits part of the answer?"
            ).format(**numbers),
        )
    if error > numbers["noisy"]:
        raise Wrong(
            "worse-than-noisy",
            _(
                "An error of {error:.4f} per pixel is worse than doing nothing ({noisy:.4f}). Is "
                "the clean digit the target in training?"
            ).format(**numbers),
        )
    if error > floor:
        raise Wrong(
            "above-linear",
            _(
                "An error of {error:.4f} per pixel beats doing nothing ({noisy:.4f}), but the "
                "best linear filter has {floor:.4f}. Did you train long enough, on noise of "
                "standard deviation 0.3, and call `eval()` before use?"
            ).format(**numbers),
        )
    return Right(
        _(
            "{error:.4f} per pixel, below the best linear filter's {floor:.4f}: the digits "
            "are not a Gaussian cloud, and your answer makes use of it."
        ).format(**numbers)
    )
