"""Exercise 10.4: find a pattern that a code does not see."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_tensor
from vqvae_lib.course.exercises.chapter_10.models import small_model
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.likelihoods import Gaussian

# Beside random patterns, whose median is 1. The best pattern for a network has 0.07 to 0.13 over
# seeds, one that is found from a single image 0.41 to 0.71, one from the mean of all slopes 0.28 to
# 0.47. What moves codes most has 3.6 for the linear code and 4.1 to 5.3 for a network; of 2000
# random patterns the luckiest has 0.3 and the most seen 2.3.
LINEAR_LIMIT, NETWORK_LIMIT, MOST_SEEN = 0.02, 0.25, 3.0


def check(blind: Any) -> Right:
    """A function `blind(encode, x)` that returns a pattern (D,) of length 1."""
    x = digits_data().x_test[:100]
    generator = torch.Generator().manual_seed(4)
    A = torch.randn(8, 64, generator=generator) / 8
    shares = []
    for name, encode, limit, hint in (
        (
            _("a linear code"),
            lambda x: (x.float() - 0.3) @ A.T,
            LINEAR_LIMIT,
            _("There are patterns that it does not see at all, and you need no luck to find one."),
        ),
        (
            _("the code of a network"),
            _make_network(seed=5),
            NETWORK_LIMIT,
            _(
                "Its slopes differ from image to image, and may cancel in a mean: look at how far "
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
                    "The pattern has length {length:.3g}, expected 1. How far codes move "
                    "depends on the length, so all patterns are compared at the same one."
                ).format(length=length),
            )
        share = _measure_shift(encode, x, pattern) / _usual_shift(encode, x)
        template = _(
            "For {name}, your pattern moves codes {share:.2g} times as far as a random one."
        )
        text = template.format(name=name, share=share)
        if share > MOST_SEEN:
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
            "of 64 directions are lost to it. The network's code sees it {share:.2g} times as "
            "much as a random pattern. What an image loses there, no probe brings back."
        ).format(share=shares[1])
    )


def _make_network(*, seed: int) -> Callable[[Tensor], Tensor]:
    """Make the encoder of an untrained model, whose slopes differ from image to image."""
    # More hidden units than pixels: no pattern is lost to all of them.
    model = small_model(64, seed=seed, hidden=256, likelihood=Gaussian()).eval()
    model.requires_grad_(requires_grad=False)
    return lambda x: model.encode(x.float()).mu


def _measure_shift(encode: Callable[[Tensor], Tensor], x: Tensor, pattern: Tensor) -> float:
    return float((encode(x + pattern) - encode(x)).norm(dim=1).median())


def _usual_shift(encode: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """How far random patterns of length 1 move codes, in the median."""
    patterns = torch.randn(60, 64, generator=torch.Generator().manual_seed(6))
    patterns = patterns / patterns.norm(dim=1, keepdim=True)
    return float(
        torch.tensor([_measure_shift(encode, x, pattern) for pattern in patterns]).median()
    )
