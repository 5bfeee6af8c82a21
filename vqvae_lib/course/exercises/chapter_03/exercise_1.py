"""Exercise 3.1: generate new digits.

Limits were measured with the chapter's training recipe: VAEs with 4, 8, 12, 16 and 32 latent
dimensions and four seeds each, unless a comment says otherwise.
"""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_tensor
from vqvae_lib.course.exercises.digits import (
    USUAL_DISTANCE,
    digits_data,
    distance_to_mixtures,
    distance_to_nearest,
    every_digit,
)
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.metrics import mmd2

N_IMAGES = 300
# Of the kernel in MMD², in the distance of two images: half the usual one.
BANDWIDTH = 1.5
# Share of pictures far from every digit: of a VAE's means at most 6 %, 49 % with a binomial
# likelihood, 34 % of what an autoencoder makes of a normal fitted to its codes; at beta = 0.3 57 %.
MOST_FAR = 0.53
# MMD² of a VAE's means: at most 0.14, the least with 8 latent dimensions and the solution's recipe
# (0.08). Codes drawn with 0.8 of the prior's spread have 0.15 or more, as have two latent
# dimensions; beta = 10 has 0.18.
MOST_MMD = 0.145
# Share of pictures closer than 0.1 to a real digit: at most 18 % of what an autoencoder decodes
# from a mixture fitted to its codes, 4 % of a VAE's means, 98 % of digits with noise of 0.1.
COPY_DISTANCE, MOST_COPIES = 0.1, 0.25
# Share of pictures that two seeds have in common: 0 if codes are drawn, 23 % if they are those of
# the training digits.
MOST_REPEATED = 0.05


def check(generate: Any) -> Right:
    """A function `generate(n, generator)` that returns n new digits (n, 64), values in [0, 1]."""
    digits = digits_data()
    pictures, repetition, second_seed = (
        expect_tensor(
            call(generate, N_IMAGES, torch.Generator().manual_seed(seed)),
            (N_IMAGES, digits.D),
            what="generate(300, generator)",
        )
        for seed in (5, 5, 6)
    )
    # 16 and 255 are the scales of other versions of the digits; a network's means reach 4.
    if float(pictures.max()) > 8:
        raise Wrong(
            "range",
            _("The largest value is {largest:.3g}, but pictures lie in [0, 1].").format(
                largest=float(pictures.max())
            ),
        )
    if float(pictures.std(0).max()) < 1e-3:
        raise Wrong("same", _("All 300 pictures are the same."))
    images = pictures.clamp(0, 1)
    _refuse_copies(images)
    if not torch.equal(pictures, repetition):
        raise Wrong(
            "generator-unused",
            _(
                "Two generators with the same seed gave different pictures: draw everything "
                "from the `generator` you are given. If you train inside `generate`, train "
                "once, outside."
            ),
        )
    if torch.equal(pictures, second_seed):
        raise Wrong(
            "fixed",
            _(
                "Another seed gave the same pictures: draw everything from the `generator` "
                "you are given."
            ),
        )
    _refuse_repetitions(pictures, second_seed)
    _refuse_recycled_digits(images)
    _refuse_noise(images)
    return _compare_with_digits(images)


def _refuse_copies(images: Tensor) -> None:
    distances = distance_to_nearest(images, every_digit()[0])
    if float((distances < 0.06).double().mean()) > 0.2:
        raise Wrong(
            "copies",
            _(
                "One picture in five or more nearly copies a real digit. The exercise asks "
                "for new ones: draw the code from the prior, not from the code of an image."
            ),
        )


def _refuse_repetitions(pictures: Tensor, others: Tensor) -> None:
    """Refuse pictures from a finite set: two seeds then have some in common."""
    repeated = float((torch.cdist(pictures, others).amin(1) < 1e-4).double().mean())
    if repeated > MOST_REPEATED:
        raise Wrong(
            "reconstructions",
            _(
                "{repeated:.0f} % of the pictures came back with another seed, so they are drawn "
                "from a finite set, such as reconstructions of digits. The exercise asks for new "
                "ones: draw the code itself."
            ).format(repeated=100 * repeated),
        )


def _refuse_recycled_digits(images: Tensor) -> None:
    """Refuse pictures put together from real digits without being copies."""
    digits = digits_data()
    # Mixtures are at distance 0, what is decoded from random codes at 0.04 or more.
    if float((distance_to_mixtures(images[:20], digits.x_train) < 0.03).double().mean()) > 0.5:
        raise Wrong(
            "mixtures",
            _(
                "These are mixtures of two training digits, pixel by pixel. The exercise asks for "
                "new ones: draw a code and decode it."
            ),
        )
    distances = distance_to_nearest(images, every_digit()[0])
    share_close = float((distances < COPY_DISTANCE).double().mean())
    if share_close > MOST_COPIES:
        raise Wrong(
            "reconstructions",
            _(
                "{close:.0f} % of the pictures lie within {limit} per pixel of a real digit, which "
                "few new ones do. Reconstructions and averages of digits are not new: draw the "
                "code from the prior, not near the code of an image."
            ).format(close=100 * share_close, limit=COPY_DISTANCE),
        )


def _refuse_noise(images: Tensor) -> None:
    # Noise that is added to each pixel on its own shows in pixels that never carry ink: draws of
    # the chapter's VAE spread there by 0.07, its means by 0.003.
    digits = digits_data()
    blank = images[:, digits.x_train.amax(0) == 0]
    if float(blank.std()) > 0.05 and float((blank > 0.01).double().mean()) > 0.25:
        raise Wrong(
            "noise",
            _(
                "The pictures are grainy: noise has been added to each pixel. To see the "
                "digits, take the means of p(x|z) (`model.sample_mean`)."
            ),
        )


def _compare_with_digits(images: Tensor) -> Right:
    digits = digits_data()
    share_far = float(
        (distance_to_nearest(images, digits.x_train) > 1.5 * USUAL_DISTANCE).double().mean()
    )
    distance = mmd2(images, digits.x_test.double(), bandwidth=BANDWIDTH)
    floor = mmd2(digits.x_train[:N_IMAGES], digits.x_test, bandwidth=BANDWIDTH)
    numbers = {"far": 100 * share_far, "mmd": 1000 * distance, "floor": 1000 * floor}
    numbers |= {"unit": USUAL_DISTANCE, "limit": 1000 * MOST_MMD, "most": 100 * MOST_FAR}
    # A VAE's means have 0.2 to 0.5 of the digits' variance, those of a collapsed code below 0.05.
    if float(images.var(0).sum()) < 0.1 * float(digits.x_test.var(0).sum()):
        raise Wrong(
            "collapsed",
            _(
                "The pictures hardly differ: the code says nothing. Which variance does the "
                "likelihood have? With ½ or D/2 the code of the digits collapses."
            ),
        )
    if share_far > MOST_FAR:
        raise Wrong(
            "no-digits",
            _(
                "{far:.0f} % of the pictures are far from every digit: further than 1.5 "
                "times {unit} per pixel, which is a usual reconstruction of the chapter's VAE. "
                "The limit is {most:.0f} %. Do you draw codes from where the encoder puts them? "
                "After training with the KL at full weight, that is N(0, I)."
            ).format(**numbers),
        )
    if distance > MOST_MMD:
        raise Wrong(
            "no-variety",
            _(
                "Single pictures look like digits, but the set as a whole is far from the "
                "test digits: its MMD² is {mmd:.0f} thousandths, and the limit is "
                "{limit:.0f}. Are all ten classes there? Are the codes drawn with the full "
                "spread of N(0, I), and do at least four dimensions of the code carry "
                "information?"
            ).format(**numbers),
        )
    return Right(
        _(
            "{far:.0f} % lie far from every digit. The set's MMD² to the test digits is "
            "{mmd:.0f} thousandths; real digits, by the training writers, have {floor:.1f}. "
            "New, varied, and not yet real."
        ).format(**numbers)
    )
