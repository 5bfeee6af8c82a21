"""Exercise 11.3: augment a hundred labelled digits.

Limits were measured over sixteen choices of labels, which are not those of the check.
"""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.applications.memorisation import nearest_distance
from vqvae_lib.course.exercises.answers import as_tensor, call, describe, expect_tensor
from vqvae_lib.course.exercises.chapter_11.labels import (
    LabelChoice,
    choose_labels,
    expect_labels,
    share_of,
)
from vqvae_lib.course.exercises.digits import every_digit
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.metrics import knn_accuracy

# Gain in points of a vote of one neighbour, with ten labels per class, in means of six choices:
# moves of half a pixel, ten degrees and a tenth have 1.0 to 3.8, moves by a whole pixel 1.4 to 4.1,
# mixtures of pixels within a class 0.5 to 3.1, noise of 0.02 at most 0.2, moves with the outermost
# pixels set to 0 at most 0.8.
SEEDS = range(501, 507)
LEAST_GAIN = 0.8
MOST_IMAGES = 10_000
# Ink in the outermost pixels, as a share of that of the given images: 0.86 to 1.04 where the
# interpolation takes what is beyond the edge for 0; 0 to 0.36 where it returns 0 itself.
LEAST_BORDER_INK = 0.6
# Share of images that have the label which their nearest digit, of all there are, has in the data
# set: at most 0.04 for moves by up to a pixel, 0.15 for mirrored ones, 0.97 for moved digits that
# were not given.
MOST_KNOWN_LABELS = 0.2


def check(augment: Any) -> Right:
    """A function `augment(x, y, generator)` that returns images (M, 64) and labels (M,)."""
    gains: list[float] = []
    for seed in SEEDS:
        choice = choose_labels(10, seed)
        x, y, _others, x_hidden, y_hidden, _turn = choice
        augmented = _read_images(call(augment, x, y, torch.Generator().manual_seed(seed)))
        if not gains:
            repetition = _read_images(call(augment, x, y, torch.Generator().manual_seed(seed)))
            if augmented[0].shape != repetition[0].shape or not torch.equal(
                augmented[0], repetition[0]
            ):
                raise Wrong(
                    "generator-unused",
                    _("The same generator gave other images: draw everything from `generator`."),
                )
            _refuse_cheating(augmented, choice)
        baseline, accuracy = (
            knn_accuracy(*examples, x_hidden, y_hidden, neighbours=1)
            for examples in (
                (x, y),
                (torch.cat([x, augmented[0]]), torch.cat([y, augmented[1]])),
            )
        )
        gains.append(100 * (accuracy - baseline))
    gain = sum(gains) / len(gains)
    numbers = {"gain": gain, "limit": LEAST_GAIN, "least": min(gains), "most": max(gains)}
    if gain < -1:
        raise Wrong(
            "harm",
            _(
                "It does harm: {gain:+.1f} points on average. Are the changes so strong that one "
                "digit turns into another, or do your generator's pictures have the wrong labels?"
            ).format(**numbers),
        )
    if gain < LEAST_GAIN and _border_ink(augmented[0]) < LEAST_BORDER_INK * _border_ink(x):
        raise Wrong(
            "border",
            _(
                "The gain is {gain:+.1f} points, and {limit} are needed. Your images have "
                "lost most of the ink in their outermost pixels. Does your interpolation set "
                "a pixel to 0 as soon as it looks beyond the edge?"
            ).format(**numbers),
        )
    if gain < LEAST_GAIN:
        raise Wrong(
            "no-gain",
            _(
                "The gain is {gain:+.1f} points on average over six choices of labels, and "
                "{limit} are needed. What do you know about digits that these hundred images "
                "do not say?"
            ).format(**numbers),
        )
    return Right(
        _(
            "{gain:+.1f} points, from {least:+.1f} to {most:+.1f} over six choices of labels, for "
            "a nearest-neighbour vote. A support vector machine gains less, because it is smooth "
            "already."
        ).format(**numbers)
    )


def _read_images(value: Any) -> tuple[Tensor, Tensor]:
    """Return the images and labels of an answer, or say what it is instead."""
    if not isinstance(value, tuple | list) or len(value) < 2:
        raise Wrong(
            "pair",
            _("Expected images and labels, got {what}.").format(what=describe(value)),
        )
    images, labels = as_tensor(value[0]), as_tensor(value[1])
    if not isinstance(images, Tensor) or images.ndim != 2:
        raise Wrong(
            "shape",
            _("images: expected shape (M, 64), got {got}.").format(got=describe(value[0])),
        )
    M = len(images)
    if not 1 <= M <= MOST_IMAGES:
        raise Wrong(
            "count",
            _("{M} images: expected 1 to {most}.").format(M=M, most=MOST_IMAGES),
        )
    images = expect_tensor(images, (M, 64), what=_("images"), dtype=torch.float32)
    labels = expect_labels(labels, M, what=_("labels"))
    if float(images.abs().max()) > 4:
        raise Wrong(
            "range",
            _("The largest value is {largest:.3g}: images are in [0, 1].").format(
                largest=float(images.abs().max())
            ),
        )
    return images, labels


def _border_ink(images: Tensor) -> float:
    """Mean of the outermost pixels."""
    edge = torch.ones(8, 8, dtype=torch.bool)
    edge[1:-1, 1:-1] = False
    return float(images[:, edge.flatten()].mean())


def _refuse_cheating(augmented: tuple[Tensor, Tensor], choice: LabelChoice) -> None:
    """Refuse copies, labels that were looked up, and labels that do not fit their images."""
    images, labels = augmented
    x, y = choice.x, choice.y
    if float((nearest_distance(images, x) < 1e-3).double().mean()) > 0.5:
        raise Wrong("copies", _("Most of your images are copies of those you were given."))
    digits, names = every_digit()
    is_mine = nearest_distance(digits, x) < 1e-6
    is_copy = nearest_distance(images, digits[~is_mine]) < 1e-3
    has_known_label = labels == names[torch.cdist(images, digits).argmin(1)]
    if share_of(is_copy) > 0.02 or share_of(has_known_label) > MOST_KNOWN_LABELS:
        raise Wrong(
            "leak",
            _(
                "Some of your images are made from digits of the data set that you were not "
                "given: their labels are just what is missing."
            ),
        )
    nearest = torch.cdist(images, x).argmin(1)
    agree = share_of(y[nearest] == labels)
    if agree < 0.5:
        raise Wrong(
            "labels",
            _(
                "Only {agree:.0f} % of your images have the label of the given image that they "
                "resemble most. Do labels and images come in the same order (`repeat` or "
                "`repeat_interleave`)? If so, the changes are so strong that one digit turns into "
                "another."
            ).format(agree=100 * agree),
        )
