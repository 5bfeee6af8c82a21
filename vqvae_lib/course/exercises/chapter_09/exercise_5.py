"""Exercise 9.5: teach a style with forty pairs."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_tensor
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

_N_PAIRS, _N_TEST = 40, 100
_LARGEST_ERROR = 0.125  # of grey values that are 0.6 apart between paper and ink
_LEAST_RECOGNISED = 0.7


@dataclass(frozen=True, eq=False)
class StylePairs:
    """What an answer to exercise 9.5 learns from.

    Attributes
    ----------
    x
        Digits in one style each, shape (1117, 64).
    style
        Their styles, 0 for ink and 1 for chalk, shape (1117,).
    ink, chalk
        Forty more digits, each in both styles, shape (40, 64) each.
    """

    x: Tensor
    style: Tensor
    ink: Tensor
    chalk: Tensor


def _draw_in_chalk(x: Tensor) -> Tensor:
    """Draw pale on a grey board: neither 1 - x nor black on white."""
    return 0.75 - 0.6 * x


def _draw_in_ink(x: Tensor) -> Tensor:
    return 0.1 + 0.6 * x


def _draw_in_style(x: Tensor, style: Tensor) -> Tensor:
    return torch.where(style[:, None] == 1, _draw_in_chalk(x), _draw_in_ink(x))


def make_style_pairs() -> StylePairs:
    """Make single digits in two styles, and forty pairs.

    They are new tensors each time, since an answer may work on them in place.
    """
    x = digits_data().x_train
    style = torch.arange(len(x) - _N_PAIRS) % 2
    pairs = x[-_N_PAIRS:]
    return StylePairs(
        _draw_in_style(x[:-_N_PAIRS], style), style, _draw_in_ink(pairs), _draw_in_chalk(pairs)
    )


def check(learn: Any) -> Right:
    """A function `learn(given)` that returns `convert(x, style)`, (B, 64) and (B,) to (B, 64)."""
    convert = call(learn, make_style_pairs())
    if not callable(convert):
        raise Wrong(
            "no-function", _("`learn(given)` has to return a function `convert(x, style)`.")
        )
    data = digits_data()
    x, y = data.x_test[:_N_TEST], data.y_test[:_N_TEST]
    style = torch.arange(_N_TEST) // (_N_TEST // 2)
    originals, truth = _draw_in_style(x, style), _draw_in_style(x, 1 - style)
    images = expect_tensor(
        call(convert, originals, style),
        (_N_TEST, 64),
        what="convert(x, style)",
        dtype=torch.float32,
    )
    error, rate = _root_mean_square(images, truth), _recognition_rate(images, 1 - style, y)
    mistakes = [
        ("unchanged", originals, _("These are the images you were given, in the style they had.")),
        (
            "inverted",
            1 - originals,
            _("This is 1 - x. Chalk is not that: let the pairs say what the styles are."),
        ),
    ]
    for kind, candidate, message in mistakes:
        if _root_mean_square(images, candidate) < 0.02:
            raise Wrong(kind, message)
    mean = _draw_in_style(data.x_train.mean(0).expand_as(x), 1 - style)
    if _root_mean_square(images, mean) < 0.04:
        raise Wrong("mean", _("That is nearly the same image for every digit: no content is left."))
    numbers = {
        "error": error, "limit": _LARGEST_ERROR, "share": round(100 * rate),
        "least": round(100 * _LEAST_RECOGNISED),
    }  # fmt: skip
    _refuse_one_way(images, truth, style)
    if rate < 0.4:
        raise Wrong(
            "content",
            _(
                "The digits are lost: {share} % are recognised. Do the codes of the two "
                "styles mean the same? Decode the code of one half of a pair in the style of "
                "the other, and look."
            ).format(**numbers),
        )
    if error >= _LARGEST_ERROR or rate < _LEAST_RECOGNISED:
        raise Wrong(
            "not-enough",
            _(
                "On the way: the error is {error:.3f} (it must be below {limit}), and {share} % "
                "are recognised ({least} % are needed)."
            ).format(**numbers),
        )
    return Right(
        _(
            "You learned the style from forty pairs. Single images cannot say which code "
            "belongs to which; the pairs only have to settle that, a few dozen numbers."
        )
    )


def _refuse_one_way(images: Tensor, truth: Tensor, style: Tensor) -> None:
    """Raise `Wrong` if one direction is learned and the other is not."""
    to_chalk, to_ink = (_root_mean_square(images[style == k], truth[style == k]) for k in (0, 1))
    if min(to_chalk, to_ink) < _LARGEST_ERROR and max(to_chalk, to_ink) > 2 * _LARGEST_ERROR:
        raise Wrong(
            "one-way",
            _(
                "You have learned one direction only: the error from ink to chalk is "
                "{to_chalk:.3f}, from chalk to ink {to_ink:.3f}."
            ).format(to_chalk=to_chalk, to_ink=to_ink),
        )


def _root_mean_square(images: Tensor, truth: Tensor) -> float:
    return float((images - truth).square().mean().sqrt())


def _recognition_rate(images: Tensor, style: Tensor, y: Tensor) -> float:
    """Share of images whose digit five nearest neighbours in their style get right."""
    data = digits_data()
    right = []
    for number in (0, 1):
        mine = style == number
        train = _draw_in_style(data.x_train, torch.full((len(data.x_train),), number))
        neighbours = torch.cdist(images[mine], train).topk(5, largest=False).indices  # (B, 5)
        votes = data.y_train[neighbours].mode(1).values
        right.append((votes == y[mine]).float())
    return float(torch.cat(right).mean())
