"""Exercise 11.2: mix digits by their codes, and share their labels."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, as_tensor, call, expect_tensor, recognise
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.likelihoods import Bernoulli, Gaussian
from vqvae_lib.vqvae import VQVAE


def check(mix: Any) -> Right:
    """A function `mix(model, x, y, partner, lam)` that returns (N, 64) images, (N, 10) labels."""
    data = digits_data()
    generator = torch.Generator().manual_seed(3)
    x, y = data.x_train[:12].float(), data.y_train[:12]
    partner = torch.randint(12, (12,), generator=generator)  # some have the same label
    lam = 0.05 + 0.9 * torch.rand(12, generator=generator)  # on both sides of a half
    for likelihood in (Bernoulli(), Gaussian()):
        model = _make_model(likelihood)
        images, labels = _mix(mix, model, x, y, partner, lam)
        repetition, _labels = _mix(mix, model, x, y, partner, lam)
        if not torch.allclose(images, repetition, atol=1e-4):
            raise Wrong(
                "drawn",
                _(
                    "The same arguments gave other images, so a code or a picture was drawn. "
                    "Use the mean of both."
                ),
            )
        with torch.no_grad():
            truth, mistakes = _solve_images(model, x, partner, lam[:, None])
        recognise(images, truth, mistakes, case=_("the images, where they differ most"))
        truth, mistakes = _solve_labels(y, partner, lam)
        recognise(labels, truth, mistakes, case=_("the labels, where they differ most"))
    return Right(
        _(
            "Each row of labels sums to 1. Where both ends are of one class, the label stays "
            "whole. A model that knows no labels can mix any two."
        )
    )


def _make_model(likelihood: Any) -> Any:
    """Make a model that is far from linear, so that it matters what is mixed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        model = VQVAE(64, 16, 4, 2, likelihood=likelihood, angle_scale=1.0, init="random").eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    return model


def _mix(mix: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
    """Call the answer, and take the images and the shares of labels that it gives."""
    value = call(mix, *arguments)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise Wrong("pair", _("Expected two things: the images, and their shares of labels."))
    images = expect_tensor(value[0], (12, 64), what=_("images"), dtype=torch.float32)
    return images, _read_shares(value[1])


def _read_shares(value: Any) -> Tensor:
    """Return shares of labels, or say that they are whole labels."""
    value = as_tensor(value)
    if isinstance(value, Tensor) and tuple(value.shape) == (12,):
        raise Wrong(
            "labels-whole",
            _(
                "You return one label per image: expected ten shares each, shape (N, 10), as "
                "one-hot rows mix."
            ),
        )
    return expect_tensor(value, (12, 10), what=_("labels"), dtype=torch.float32)


def _solve_labels(y: Tensor, partner: Tensor, lam: Tensor) -> tuple[Tensor, list[Mistake]]:
    """The right shares of labels, and those of likely mistakes."""
    one_hot, share, rows = torch.eye(10)[y], lam[:, None], torch.arange(12)
    overwritten = torch.zeros(12, 10)
    overwritten[rows, y] = lam
    other_first = overwritten.clone()
    overwritten[rows, y[partner]] = 1 - lam
    other_first[rows, y[partner]] = 1 - lam
    other_first[rows, y] = lam
    lost_share = _(
        "Where both ends are of one class, you overwrite the first share with the second."
    )
    return share * one_hot + (1 - share) * one_hot[partner], [
        ("labels-own", one_hot, _("The labels are not mixed: each is that of `x`.")),
        (
            "labels-turned",
            (1 - share) * one_hot + share * one_hot[partner],
            _(
                "The images have share `lam` of `x`, but the labels have share `lam` of the "
                "partner."
            ),
        ),
        (
            "labels-half",
            (one_hot + one_hot[partner]) / 2,
            _("The labels are shared half and half, but the images by `lam`."),
        ),
        (
            "labels-hard",
            torch.eye(10)[torch.where(lam > 0.5, y, y[partner])],
            _("Each image has the label of the nearer end: the exercise asks for its shares."),
        ),
        ("labels-lost", overwritten, lost_share),
        ("labels-lost", other_first, lost_share),
    ]


def _solve_images(
    model: Any, x: Tensor, partner: Tensor, share: Tensor
) -> tuple[Tensor, list[Mistake]]:
    """The right images, and those of likely mistakes."""
    mu = model.encode(x).mu
    z = share * mu + (1 - share) * mu[partner]

    def mean(code: Tensor) -> Tensor:
        return model.likelihood.mean(model.decode(code))

    def mix_codes(share: Tensor) -> Tensor:
        return mean(share * mu + (1 - share) * mu[partner])

    pixels = share * x + (1 - share) * x[partner]
    ends = share * mean(mu) + (1 - share) * mean(mu)[partner]
    return mean(z), [
        ("pixels", pixels, _("These are mixed pixels. Mix the codes, and decode.")),
        (
            "ends",
            ends,
            _("You decode both ends and mix the pictures. Mix the codes first, then decode once."),
        ),
        (
            "encoded-late",
            mean(model.encode(pixels).mu),
            _("You mix pixels, then encode. Encode both ends first, then mix their codes."),
        ),
        (
            "turned",
            mix_codes(1 - share),
            _("`lam` is the share of `x`, and 1 - lam that of its partner."),
        ),
        *(
            (
                "folded",
                mix_codes(share_of_end),
                _("`lam` is the share of `x`, whether it is above or below a half."),
            )
            for share_of_end in (torch.minimum(share, 1 - share), torch.maximum(share, 1 - share))
        ),
        (
            "logits",
            model.decode(z),
            _(
                "`decode` gives the likelihood's parameters, here logits; the picture is "
                "`model.likelihood.mean` of them."
            ),
        ),
        (
            "sigmoid",
            model.decode(z).sigmoid(),
            _(
                "A sigmoid is the mean of some likelihoods, but not of this model's. What "
                "gives the mean for any of them?"
            ),
        ),
        (
            "no-circuit",
            model.likelihood.mean(model.decoder(z)),
            _("`model.decoder` alone leaves out the circuit: use `model.decode`."),
        ),
        ("no-mix", mean(mu), _("These are the reconstructions of `x`: nothing is mixed.")),
    ]
