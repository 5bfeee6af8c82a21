"""Models that the exercises on reduction hand to an answer."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, call, recognise
from vqvae_lib.course.exercises.verdicts import Wrong
from vqvae_lib.course.words import _
from vqvae_lib.likelihoods import Likelihood
from vqvae_lib.vqvae import VQVAE


def small_model(D: int, *, seed: int, likelihood: Likelihood, hidden: int = 16) -> VQVAE:
    """Make a model whose codes, features and pictures all differ from image to image."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VQVAE(D, hidden, 4, 2, likelihood=likelihood, angle_scale=0.5)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if name.startswith(("encoder", "decoder")):
                    weights.mul_(3)
    return model.train()


def ask_about_model(function: Any, model: VQVAE, *arguments: Any) -> Any:
    """Call the learner's function with a copy of the model, whose weights must stay."""
    copied_model = copy.deepcopy(model)
    value = call(function, copied_model, *arguments)
    pairs = zip(model.state_dict().values(), copied_model.state_dict().values(), strict=True)
    if not all(torch.equal(weights, new_weights.to(weights)) for weights, new_weights in pairs):
        raise Wrong(
            "changed-model",
            _("Your function has changed the model's weights, but the model is already trained."),
        )
    return value


def recognise_rows(
    value: Tensor,
    truth: Tensor,
    mistakes: list[Mistake],
    *,
    again: Callable[[], Tensor],
    part: Callable[[], Tensor],
) -> None:
    """Recognise rows, one per image; if no mistake explains them, find out what they depend on.

    `again` answers the same question once more, `part` a question about the first five images in
    the opposite order.
    """
    try:
        recognise(value, truth, mistakes)
    except Wrong as wrong:
        if wrong.kind == "value" and not is_same(value, again()):
            raise Wrong(
                "drawn",
                _("Two calls gave two different answers, so something is drawn. Use the mean, mu."),
            ) from None
        if wrong.kind == "value" and not is_same(value[:5].flip(0), part()):
            raise Wrong(
                "batch",
                _(
                    "What an image gets depends on its place in the batch, or on the other images "
                    "there. Is it a draw with a fixed seed, or was something fitted to the images?"
                ),
            ) from None
        raise


def is_same(value: Tensor, other: Tensor) -> bool:
    """Whether two tensors agree, as `recognise` compares them."""
    return torch.allclose(value, other, rtol=1e-3, atol=1e-4)
