"""Exercise 3.2: walk from digit to digit through the latent space.

Limits were measured with the chapter's training recipe: VAEs with 4, 8, 12, 16 and 32 latent
dimensions and four seeds each, unless a comment says otherwise.
"""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_tensor
from vqvae_lib.course.exercises.digits import USUAL_DISTANCE, digits_data, distance_to_nearest
from vqvae_lib.course.exercises.verdicts import NotAttempted, Right, Wrong
from vqvae_lib.course.words import _

N_STEPS, N_PAIRS = 12, 40
# Of the ends: a VAE's are off by 0.14 to 0.18, with two latent dimensions by 0.22.
MOST_OFF_AT_ENDS = 0.2
# All steps together over the distance of the ends: a VAE's walks have 1.25 or less, codes that are
# drawn at each step 2.2, pictures with noise of 0.03 per pixel 1.8.
LONGEST_WALK = 1.6
# Of the two pictures in the middle, in units of a usual reconstruction: a VAE's walks have 1.19 to
# 1.29, with a binomial likelihood 1.22, an autoencoder's 1.23 to 1.28 with four or eight latent
# dimensions and 1.29 to 1.33 with sixteen or more, beta = 10 has 1.30 to 1.36. Fading has 1.28 to
# 1.36.
MOST_AT_MIDDLE = 1.29


def check(walk: Any) -> Right:
    """A function `walk(x_from, x_to, steps)` of two images (64,) that returns (steps, 64)."""
    digits = digits_data()
    x, y = digits.x_test, digits.y_test
    pairs = [(i, i + 1) for i in range(0, len(x) - 1, 2) if y[i] != y[i + 1]][:N_PAIRS]
    start, end = (x[list(side)].double() for side in zip(*pairs, strict=True))  # (pairs, D)
    path = torch.stack([_take_walk(walk, x[i], x[j]) for i, j in pairs])  # (pairs, steps, D)
    _refuse_wrong_ends(path, start, end)
    length, longest = _measure_steps(path)
    if longest > 0.5 and length < LONGEST_WALK:
        raise Wrong(
            "jumps",
            _(
                "One step makes up {share:.0f} % of the way, so the walk jumps; at most 50 % "
                "is allowed."
            ).format(share=100 * longest),
        )
    _refuse_pixels(path, start, end)
    if _fades_before_encoding(walk, path[0], x[pairs[0][0]], x[pairs[0][1]]):
        raise Wrong(
            "fade-first",
            _(
                "Each picture starts from a fade: the model repairs two digits lying on top "
                "of each other. Mix the two *codes*, and decode each mixture."
            ),
        )
    if length > LONGEST_WALK:
        raise Wrong(
            "rough",
            _(
                "All steps together are {length:.1f} times the direct way, so the pictures "
                "jitter; the limit is {limit}. Do you add noise to the pictures, or draw a "
                "new code at each step?"
            ).format(length=length, limit=LONGEST_WALK),
        )
    return _judge_middle(path.clamp(0, 1))


def _take_walk(walk: Any, x_from: Tensor, x_to: Tensor) -> Tensor:
    value = call(walk, x_from, x_to, N_STEPS)
    if getattr(value, "shape", None) == (N_STEPS, 1, len(x_from)):
        raise Wrong("batch-axis", _("An axis of length 1 is left over: expected (steps, 64)."))
    return expect_tensor(value, (N_STEPS, len(x_from)), what="walk(x_from, x_to, 12)")


def _refuse_wrong_ends(path: Tensor, start: Tensor, end: Tensor) -> None:
    def distance(a: Tensor, b: Tensor) -> float:
        return float((a - b).square().mean(1).sqrt().mean())

    ends = distance(path[:, 0], start), distance(path[:, -1], end)
    if max(distance(path[:, 0], end), distance(path[:, -1], start)) < min(*ends, MOST_OFF_AT_ENDS):
        raise Wrong("reversed", _("The walk goes the wrong way: it begins near `x_to`."))
    if float((path[:, -1] - path[:, 0]).norm(dim=1).min()) < 1e-3:
        raise Wrong("no-movement", _("A walk ends where it began."))
    if max(ends) > MOST_OFF_AT_ENDS:
        raise Wrong(
            "ends",
            _(
                "The ends are off by {off:.2f} per pixel, and the limit is {limit}; the "
                "chapter's VAE reconstructs to within 0.15. Does the same model encode and "
                "decode, and do you take the means of the codes?"
            ).format(off=max(ends), limit=MOST_OFF_AT_ENDS),
        )


def _refuse_pixels(path: Tensor, start: Tensor, end: Tensor) -> None:
    """Refuse walks that mix the two pictures pixel by pixel."""
    # Where both pictures are blank, the same happens to all pixels: elsewhere they spread by 0.01.
    blank = (start == 0) & (end == 0)
    spread = torch.stack([p[3:-3, b].std(1).mean() for p, b in zip(path, blank, strict=True)])
    # Every weighted sum of the two ends stays in the plane of both.
    ends = torch.linalg.qr(path[:, [0, -1]].mT).Q  # (pairs, D, 2)
    residual = path - path @ ends @ ends.mT
    if float(spread.mean()) < 1e-3 or float(residual.square().mean().sqrt()) < 0.01:
        raise Wrong(
            "pixels",
            _(
                "This mixes the pixels of the two pictures. Walk straight through the latent "
                "space, and decode each point."
            ),
        )


def _fades_before_encoding(walk: Any, path: Tensor, x_from: Tensor, x_to: Tensor) -> bool:
    """Whether a picture on the way is the reconstruction of the faded pictures."""
    at = N_STEPS // 2
    fade = x_from + at / (N_STEPS - 1) * (x_to - x_from)
    try:
        reconstruction = _take_walk(walk, fade, fade)[0]
    except (Wrong, NotAttempted):  # a walk may refuse to go from a picture to itself
        return False
    return float((path[at] - reconstruction).square().mean().sqrt()) < 1e-3


def _measure_steps(path: Tensor) -> tuple[float, float]:
    """Length of all steps together, and of the longest, over the direct way from end to end."""
    steps = (path[:, 1:] - path[:, :-1]).norm(dim=2)  # (pairs, steps - 1)
    direct = (path[:, -1] - path[:, 0]).norm(dim=1)
    return float((steps.sum(1) / direct).mean()), float((steps.amax(1) / direct).mean())


def _judge_middle(path: Tensor) -> Right:
    digits = digits_data()
    half = slice(N_STEPS // 2 - 1, N_STEPS // 2 + 1)
    even = torch.linspace(0, 1, N_STEPS, dtype=torch.float64)[half, None]
    fade = path[:, :1] + even * (path[:, -1:] - path[:, :1])
    ratio, fade_ratio = (
        float(distance_to_nearest(part.reshape(-1, digits.D), digits.x_train).mean())
        / USUAL_DISTANCE
        for part in (path[:, half], fade)
    )
    numbers = {"ratio": ratio, "faded": fade_ratio, "unit": USUAL_DISTANCE, "limit": MOST_AT_MIDDLE}
    if ratio > min(MOST_AT_MIDDLE, fade_ratio):
        raise Wrong(
            "no-digits",
            _(
                "Half-way, the pictures are {ratio:.3f} times as far from a digit as a usual "
                "reconstruction of the chapter's VAE ({unit} per pixel); the limit is {limit}. "
                "Fading between the same ends, two digits on top of each other, gives {faded:.2f}. "
                "What lies between two codes has to decode to digits: that is what the KL is for."
            ).format(**numbers),
        )
    return Right(
        _(
            "Half-way, the pictures are {ratio:.2f} times as far from a digit as a usual "
            "reconstruction of the chapter's VAE; fading between the same ends gives "
            "{faded:.2f}."
        ).format(**numbers)
    )
