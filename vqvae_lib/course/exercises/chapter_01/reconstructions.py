"""How well an autoencoder that a learner hands over reconstructs the digits."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_tensor
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Wrong
from vqvae_lib.course.words import _
from vqvae_lib.metrics import mse


def reconstruction_error(model: Any, x: Tensor, d: int) -> float:
    """Mean squared error per pixel of decode(encode(x)), with a code of d numbers."""
    if not (hasattr(model, "encode") and hasattr(model, "decode")):
        raise Wrong(
            "no-autoencoder",
            _("d = {d}: expected a model with `encode` and `decode`, got {got}.").format(
                d=d, got=type(model).__name__
            ),
        )
    with torch.no_grad():
        z = expect_tensor(call(model.encode, x), (len(x), d), what=_("encode(x)"))
        # Decoded in another order, so that a model that remembers x returns the wrong images.
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        x_hat = call(model.decode, z[order].float())
    x_hat = expect_tensor(x_hat, tuple(x.shape), what=_("decode(z)"))
    return mse(x[order], x_hat)


def mean_image_error() -> float:
    """Test error per pixel of answering everything with the mean training image."""
    digits = digits_data()
    return mse(digits.x_test, digits.x_train.mean(0).expand_as(digits.x_test))
