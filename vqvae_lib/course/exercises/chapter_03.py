"""Checks of chapter 3, The VAE.

Limits were measured with the chapter's training recipe: VAEs with 4, 8, 12, 16 and 32 latent
dimensions and four seeds each, unless a comment says otherwise.
"""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.digits import digits_data, to_nearest, to_nearest_mixture
from vqvae_lib.course.exercises.five_bugs import ex_03_4
from vqvae_lib.course.exercises.mechanism import (
    NotAttempted,
    Right,
    Wrong,
    call,
    expect_tensor,
)
from vqvae_lib.course.exercises.rate_distortion import ex_03_3
from vqvae_lib.course.words import _
from vqvae_lib.metrics import mmd2

__all__ = ["ex_03_1", "ex_03_2", "ex_03_3", "ex_03_4"]

# Distance of a usual reconstruction of the chapter's VAE to its nearest training digit, root mean
# square over pixels.
UNIT = 0.122


# Exercise 1 ---------------------------------------------------------------------------------------

DRAWN = 300
# Of the pictures that are compared, in the distance of two images: half the usual one.
BANDWIDTH = 1.5
# Far from digits are at most 25 % of a VAE's means, 35 % with a binomial likelihood, 43 % of what
# an autoencoder makes of a normal fitted to its eight codes; at beta = 0.3 it is 51 %.
FAR = 0.45
# MMD² of a VAE's means: at most 0.099 (d = 4; beyond that 0.078). Codes drawn with 0.8 of the
# prior's spread have 0.12 or more, two latent dimensions 0.125, beta = 10 has 0.12.
MMD = 0.11
# Of pictures decoded from random codes at most 4 % are closer than 0.1 to a real digit, of
# reconstructions 29 % or more, of averages of two digits of one class 24 %.
CLOSE, CLOSE_SHARE = 0.1, 0.12


def ex_03_1(generate: Any) -> Right:
    """A function `generate(n, generator)` that returns n new digits (n, 64), values in [0, 1]."""
    digits = digits_data()
    first, again, other = (
        expect_tensor(
            call(generate, DRAWN, torch.Generator().manual_seed(seed)),
            (DRAWN, digits.D),
            what="generate(300, generator)",
        )
        for seed in (5, 5, 6)
    )
    # 16 and 255 are the scales of other versions of the digits; a network's means reach 4.
    if float(first.max()) > 8:
        raise Wrong(
            "range",
            _("The largest value is {largest:.3g}: pictures are in [0, 1].").format(
                largest=float(first.max())
            ),
        )
    if float(first.std(0).max()) < 1e-3:
        raise Wrong("same", _("All 300 pictures are the same."))
    images = first.clamp(0, 1)
    _refuse_copies(images)
    if not torch.equal(first, again):
        raise Wrong(
            "generator-unused",
            _(
                "Two generators with the same seed gave different pictures: draw everything from "
                "the `generator` that is handed in. If you train inside `generate`, train once, "
                "outside."
            ),
        )
    if torch.equal(first, other):
        raise Wrong(
            "fixed",
            _("Another seed gave the same pictures: draw everything from the `generator`."),
        )
    _refuse_old_pictures(images)
    _refuse_noise(images)
    return _compare_with_digits(images)


def _refuse_copies(images: Tensor) -> None:
    digits = digits_data()
    known = to_nearest(images, torch.cat([digits.x_train, digits.x_test]))
    if float((known < 0.06).double().mean()) > 0.2:
        raise Wrong(
            "copies",
            _(
                "One in five or more is nearly a copy of a real digit. New ones were asked for: "
                "draw the code from the prior, not from the code of an image."
            ),
        )


def _refuse_old_pictures(images: Tensor) -> None:
    """Refuse what is made of real digits without being a copy."""
    digits = digits_data()
    # Mixtures are at distance 0, a VAE's means at 0.055 or more.
    if float((to_nearest_mixture(images[:20], digits.x_train) < 0.03).double().mean()) > 0.5:
        raise Wrong(
            "mixtures",
            _(
                "These are mixtures of two training digits, pixel by pixel. New ones were asked "
                "for: draw a code and decode it."
            ),
        )
    known = to_nearest(images, torch.cat([digits.x_train, digits.x_test]))
    close = float((known < CLOSE).double().mean())
    if close > CLOSE_SHARE:
        raise Wrong(
            "reconstructions",
            _(
                "{close:.0f} % of the pictures are within {limit} a pixel of a real digit; of "
                "those decoded from random codes 4 % are. Reconstructions and averages of digits "
                "are not new: draw the code from the prior, not near the code of an image."
            ).format(close=100 * close, limit=CLOSE),
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
                "The pictures are grainy: noise is added to each pixel. To see the digits, take "
                "the means of p(x|z) (`mean=True`)."
            ),
        )


def _compare_with_digits(images: Tensor) -> Right:
    digits = digits_data()
    far = float((to_nearest(images, digits.x_train) > 1.5 * UNIT).double().mean())
    distance = mmd2(images, digits.x_test.double(), kernel="rbf", bandwidth=BANDWIDTH)
    floor = mmd2(digits.x_train[:DRAWN], digits.x_test, kernel="rbf", bandwidth=BANDWIDTH)
    numbers = {"far": 100 * far, "mmd": 1000 * distance, "floor": 1000 * floor}
    numbers |= {"unit": UNIT, "limit": 1000 * MMD, "most": 100 * FAR}
    # A VAE's means have half the variance of digits, those of a collapsed code less than 5 %.
    if float(images.var(0).sum()) < 0.1 * float(digits.x_test.var(0).sum()):
        raise Wrong(
            "collapsed",
            _(
                "The pictures hardly differ: the code says nothing. Which variance has the "
                "likelihood? With ½ or D/2 the code of digits collapses."
            ),
        )
    if far > FAR:
        raise Wrong(
            "no-digits",
            _(
                "{far:.0f} % of the pictures are far from every digit: more than 1.5 times "
                "{unit} a pixel, which is a usual reconstruction of the chapter's VAE. The limit "
                "is {most:.0f} %. Are the codes drawn as the encoder's codes lie? After training "
                "with the KL at full weight that is N(0, I)."
            ).format(**numbers),
        )
    if distance > MMD:
        raise Wrong(
            "no-variety",
            _(
                "Single pictures look like digits, but as a set they are far from the test digits: "
                "MMD² {mmd:.0f} thousandths, the limit is {limit:.0f}. Are all ten classes there? "
                "Are the codes drawn with the full spread of N(0, I), and do four or more numbers "
                "of the code say something?"
            ).format(**numbers),
        )
    return Right(
        _(
            "{far:.0f} % lie far from every digit. The set's MMD² to the test digits is {mmd:.0f} "
            "thousandths; real digits have {floor:.1f} (zero on average, an estimate may fall "
            "below). New, varied, and not yet real."
        ).format(**numbers)
    )


# Exercise 2 ---------------------------------------------------------------------------------------

STEPS, PAIRS = 12, 40
ENDS = 0.2
# All steps together over the distance of the ends: a VAE's walks have 1.3 or less, codes that are
# drawn anew at each step 2.2, pictures with noise of 0.03 a pixel 1.8.
ROUGH = 1.6
# Of the two pictures in the middle, in units of a usual reconstruction: a VAE's walks have 1.22 to
# 1.28, and 1.30 with a binomial likelihood, an autoencoder's 1.26 to 1.33 with four or eight latent
# dimensions and 1.35 to 1.40 with sixteen or more, beta = 10 has 1.36. Fading the ends gives 1.35.
MIDDLE = 1.32


def ex_03_2(walk: Any) -> Right:
    """A function `walk(x_from, x_to, steps)` of two images (64,) that returns (steps, 64)."""
    digits = digits_data()
    x, y = digits.x_test, digits.y_test
    pairs = [(i, i + 1) for i in range(0, len(x) - 1, 2) if y[i] != y[i + 1]][:PAIRS]
    start, end = (x[list(side)].double() for side in zip(*pairs, strict=True))  # (pairs, D)
    path = torch.stack([_walked(walk, x[i], x[j]) for i, j in pairs])  # (pairs, steps, D)
    _refuse_wrong_ends(path, start, end)
    together, longest = _steps(path)
    if longest > 0.5 and together < ROUGH:
        raise Wrong(
            "jumps",
            _("One step makes up {share:.0f} % of the way: the walk jumps. At most 50 %.").format(
                share=100 * longest
            ),
        )
    _refuse_pixels(path, start, end)
    if _fades_first(walk, path[0], x[pairs[0][0]], x[pairs[0][1]]):
        raise Wrong(
            "fade-first",
            _(
                "Each picture is made from a fade: the model repairs two digits on top of each "
                "other. Mix the two *codes*, and decode each mixture."
            ),
        )
    if together > ROUGH:
        raise Wrong(
            "rough",
            _(
                "All steps together are {together:.1f} times the direct way: the pictures jitter. "
                "The limit is {limit}. Is noise added to the pictures, or a code drawn anew at "
                "each step?"
            ).format(together=together, limit=ROUGH),
        )
    return _look_at_the_middle(path.clamp(0, 1))


def _walked(walk: Any, x_from: Tensor, x_to: Tensor) -> Tensor:
    value = call(walk, x_from, x_to, STEPS)
    if getattr(value, "shape", None) == (STEPS, 1, len(x_from)):
        raise Wrong("batch-axis", _("An axis of length 1 is left over: expected (steps, 64)."))
    return expect_tensor(value, (STEPS, len(x_from)), what="walk(x_from, x_to, 12)")


def _refuse_wrong_ends(path: Tensor, start: Tensor, end: Tensor) -> None:
    def apart(a: Tensor, b: Tensor) -> float:
        return float((a - b).square().mean(1).sqrt().mean())

    ends = apart(path[:, 0], start), apart(path[:, -1], end)
    if max(apart(path[:, 0], end), apart(path[:, -1], start)) < min(*ends, ENDS):
        raise Wrong("reversed", _("The walk goes the other way: it begins near `x_to`."))
    if float((path[:, -1] - path[:, 0]).norm(dim=1).min()) < 1e-3:
        raise Wrong("no-movement", _("A walk ends where it began."))
    if max(ends) > ENDS:
        raise Wrong(
            "ends",
            _(
                "The ends are off by {off:.2f} a pixel, the limit is {limit}; reconstructions of "
                "the chapter's VAE are off by 0.12. Are the images encoded by the model that "
                "decodes, and by their means?"
            ).format(off=max(ends), limit=ENDS),
        )


def _refuse_pixels(path: Tensor, start: Tensor, end: Tensor) -> None:
    """Refuse what is made of the two pictures pixel by pixel."""
    # Where both pictures are blank, the same happens to all pixels: elsewhere they spread by 0.01.
    blank = (start == 0) & (end == 0)
    spread = torch.stack([p[3:-3, b].std(1).mean() for p, b in zip(path, blank, strict=True)])
    # Whatever is added up of the two ends stays in the plane of both.
    ends = torch.linalg.qr(path[:, [0, -1]].mT).Q  # (pairs, D, 2)
    off = path - path @ ends @ ends.mT
    if float(spread.mean()) < 1e-3 or float(off.square().mean().sqrt()) < 0.01:
        raise Wrong(
            "pixels",
            _(
                "This mixes the pixels of the two pictures. Go straight in the latent space and "
                "decode each point."
            ),
        )


def _fades_first(walk: Any, path: Tensor, x_from: Tensor, x_to: Tensor) -> bool:
    """Whether a picture on the way is what becomes of the faded picture."""
    at = STEPS // 2
    faded = x_from + at / (STEPS - 1) * (x_to - x_from)
    try:
        alone = _walked(walk, faded, faded)[0]
    except (Wrong, NotAttempted):  # a walk may refuse to go from a picture to itself
        return False
    return float((path[at] - alone).square().mean().sqrt()) < 1e-3


def _steps(path: Tensor) -> tuple[float, float]:
    """Length of all steps together, and of the longest, over the direct way from end to end."""
    steps = (path[:, 1:] - path[:, :-1]).norm(dim=2)  # (pairs, steps - 1)
    direct = (path[:, -1] - path[:, 0]).norm(dim=1)
    return float((steps.sum(1) / direct).mean()), float((steps.amax(1) / direct).mean())


def _look_at_the_middle(path: Tensor) -> Right:
    digits = digits_data()
    half = slice(STEPS // 2 - 1, STEPS // 2 + 1)
    even = torch.linspace(0, 1, STEPS, dtype=torch.float64)[half, None]
    fade = path[:, :1] + even * (path[:, -1:] - path[:, :1])
    ratio, faded = (
        float(to_nearest(part.reshape(-1, digits.D), digits.x_train).mean()) / UNIT
        for part in (path[:, half], fade)
    )
    numbers = {"ratio": ratio, "faded": faded, "unit": UNIT, "limit": MIDDLE}
    if ratio > min(MIDDLE, faded):
        raise Wrong(
            "no-digits",
            _(
                "Half-way the pictures are {ratio:.3f} times as far from a digit as a usual "
                "reconstruction of the chapter's VAE ({unit} a pixel), the limit is {limit}. "
                "Fading the same ends, two digits on top of each other, gives {faded:.2f}. What "
                "lies between two codes has to decode to digits: that is what the KL is for."
            ).format(**numbers),
        )
    return Right(
        _(
            "Half-way the pictures are {ratio:.2f} times as far from a digit as a usual "
            "reconstruction of the chapter's VAE; fading the same ends gives {faded:.2f}."
        ).format(**numbers)
    )
