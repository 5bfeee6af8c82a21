"""The check of exercise 3 of chapter 7: the article's model with eight faults, repaired or not."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.mechanism import (
    NotAttempted,
    Right,
    Wrong,
    call,
    expect_tensor,
)
from vqvae_lib.course.words import _

_D, _LATENT, _VARIANCE = 64, 8, 0.05
_PERIOD = 2 * math.pi / 0.3  # of a circuit with angle scale 0.3


def ex_07_3(model: Any) -> Right:
    """A class, built without arguments, with encode, decode and loss."""
    if isinstance(model, nn.Module):
        raise Wrong("instance", _("Hand over the class itself, not an object of it."))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = call(model)
        for name in ("encode", "decode", "loss"):
            if not hasattr(built, name):
                raise Wrong(
                    "missing", _("Your class has no `{name}`: keep the names.").format(name=name)
                )
        if not isinstance(built, nn.Module):
            raise Wrong("no-module", _("Your class is no nn.Module: nothing in it is trained."))
        built.float()
        _judge_the_code(built)
        _judge_the_circuit(built)
        _judge_the_loss(built)
        _judge_the_slopes(built)
    return Right(
        _(
            "All eight are repaired. Only three of them stop the program; with the other five it "
            "runs, and trains something that is no hybrid model and no VAE."
        )
    )


def _images(B: int) -> Tensor:
    return digits_data().x_train[:B].reshape(B, 1, 8, 8)


def _method(model: Any, name: str, *arguments: Tensor) -> Any:
    try:
        return call(getattr(model, name), *arguments)
    except NotAttempted:
        raise Wrong("returns-nothing", _("`{name}` returns nothing.").format(name=name)) from None


def _encode(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    found = _method(model, "encode", x)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Wrong("type", _("encode(x): expected the pair mu, log_var."))
    for name, part in zip(("mu", "log_var"), found, strict=True):
        if isinstance(part, Tensor) and len(x) > 1 and part.shape == (len(x), _LATENT // 2):
            raise Wrong(
                "chunk",
                _(
                    "`encode` gives {got} numbers an image, and the circuit takes {d}: `chunk` "
                    "halves what is there."
                ).format(got=_LATENT // 2, d=_LATENT),
            )
        if isinstance(part, Tensor) and len(x) == 1 and part.ndim == 1:
            raise Wrong(
                "squeeze",
                _(
                    "With a single image `{name}` has shape {shape}: the batch's axis is gone."
                ).format(name=name, shape=tuple(part.shape)),
            )
        expect_tensor(part, (len(x), _LATENT), what=_("{name} of encode(x)").format(name=name))
    return found[0], found[1]


def _judge_the_code(model: Any) -> None:
    """Images go in as they come, one or many of them."""
    try:
        _encode(model, _images(5))
    except Wrong as outcome:
        if outcome.kind == "raises" and "shapes cannot be multiplied" in str(outcome):
            raise Wrong(
                "flatten",
                _("Images (B, 1, 8, 8) do not fit the first layer: {said}").format(said=outcome),
            ) from None
        raise
    _encode(model, _images(1))


def _decode(model: Any, z: Tensor) -> Tensor:
    return expect_tensor(_method(model, "decode", z), (len(z), _D), what="decode(z)")


@torch.no_grad()
def _judge_the_circuit(model: Any) -> None:
    """The code enters the circuit, and nothing goes around it."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(6, _LATENT, generator=generator)
    images = _decode(model, z)
    if torch.allclose(images, images[:1].expand_as(images), atol=1e-6):
        raise Wrong(
            "no-data",
            _("All codes decode to the same image: no data enter the circuit."),
        )
    for coordinate in range(_LATENT):
        other = z.clone()
        other[:, coordinate] += 1
        if torch.allclose(_decode(model, other), images, atol=1e-6):
            raise Wrong(
                "lost",
                _("Coordinate {i} of the code does not change the image.").format(i=coordinate),
            )
        other[:, coordinate] += 2 * _PERIOD - 1  # RY and RZ: features have period 2π/a
        if not torch.allclose(_decode(model, other), images, atol=1e-3):
            raise Wrong(
                "around",
                _(
                    "The image is not periodic in the code: it reaches the decoder on a way around "
                    "the circuit, or the angle scale is not 0.3."
                ),
            )


def _loss(model: Any, x: Tensor) -> Tensor:
    value = _method(model, "loss", x)
    expect_tensor(value, (), what="loss(x)")
    return value


def _judge_the_loss(model: Any) -> None:
    """Which sums and terms the loss is made of, and what is drawn in it."""
    x = _images(200)
    with torch.no_grad():
        if torch.equal(_loss(model, x), _loss(model, x)):
            raise Wrong(
                "no-draw", _("Two calls of `loss` agree to the last bit: nothing is drawn.")
            )
    # With a faint decoder the draws hardly matter, so that the terms are seen without their noise;
    # a code that says something has a KL that is large enough to be missed.
    with _scaled(model, code=2.5, image=0.05):
        got, error = _average_loss(model, x, draws=30)
        squares, kl = _terms(model, x, spread=0.5, draws=30)
        _name_the_terms(got, error, squares, kl, len(x))
    with _scaled(model, code=2.5, image=1.0):
        got, error = _average_loss(model, x, draws=200)
        expected = {
            spread: _negative_elbo(*_terms(model, x, spread=spread, draws=200))
            for spread in (0.5, 1.0, 0.0)
        }
    tolerance = 6 * error + 0.02  # both are averages over draws
    if abs(got - expected[0.5]) < tolerance:
        return
    if abs(got - expected[1.0]) < tolerance:
        raise Wrong(
            "std", _("Draws spread by exp(log_var), which is the variance: its root is needed.")
        )
    if abs(got - expected[0.0]) < tolerance:
        raise Wrong("mean", _("The loss is that of the mean code: draw z."))
    raise Wrong("draws", _falls_apart(got, expected[0.5]))


@contextlib.contextmanager
def _scaled(model: Any, *, code: float, image: float) -> Iterator[None]:
    """Multiply the weights that make the code, and all others, for a while."""
    parameters = list(model.parameters())
    mu, log_var = _encode(model, _images(2))
    of_code = torch.autograd.grad((mu + log_var).sum(), parameters, allow_unused=True)
    before = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        for parameter, slope in zip(parameters, of_code, strict=True):
            parameter.mul_(image if slope is None else code)
    try:
        with torch.no_grad():
            yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(parameters, before, strict=True):
                parameter.copy_(value)


def _average_loss(model: Any, x: Tensor, *, draws: int) -> tuple[float, float]:
    """Mean of the loss over draws, and its standard error."""
    losses = torch.stack([_loss(model, x) for _draw in range(draws)]).double()
    return float(losses.mean()), float(losses.std() / draws**0.5)


_CONSTANT = 0.5 * _D * math.log(2 * math.pi * _VARIANCE)


def _negative_elbo(squares: float, kl: float) -> float:
    return squares / (2 * _VARIANCE) + _CONSTANT + kl


def _name_the_terms(got: float, error: float, squares: float, kl: float, B: int) -> None:
    """Compare with the negative ELBO, and with what likely mistakes give."""
    right = _negative_elbo(squares, kl)
    tolerance = 6 * error + 0.02
    if abs(got - right) < tolerance:
        return
    error_alone = right - kl
    hints = [
        (
            "constant",
            right - _CONSTANT,
            _("The Gaussian's constant is missing, ½ D log(2π·0.05): with it the ELBO is in nats."),
        ),
        (
            "no-kl",
            error_alone,
            _("The loss has one term, and the ELBO has two: the KL is missing."),
        ),
        (
            "no-kl",
            squares / _D,
            _("That is a mean squared error, alone: no likelihood, and no KL."),
        ),
        (
            "mse",
            squares / _D + kl,
            _("The squared error is averaged over the pixels: that is a variance of D/2."),
        ),
        ("variance", squares / 2 + kl, _("That is a variance of 1: asked for is 0.05.")),
        ("variance", squares + kl, _("That is a variance of ½: asked for is 0.05.")),
        (
            "kl-mean",
            error_alone + kl / _LATENT,
            _("The KL is averaged over the dimensions of the code: sum over them."),
        ),
        (
            "kl-sign",
            error_alone - kl,
            _("The KL is subtracted from the loss: it is part of *minus* the ELBO, so add it."),
        ),
        ("kl-half", error_alone + 2 * kl, _("The KL lacks its factor ½.")),
        ("sum", B * right, _("The loss is summed over the batch: average over it.")),
        ("elbo", -right, _("That is the ELBO; the loss is minus it.")),
    ]
    kind, likely, hint = min(hints, key=lambda one: abs(one[1] - got))
    if abs(likely - got) < tolerance * max(1, abs(likely / right)):
        raise Wrong(kind, hint)
    raise Wrong("value", _falls_apart(got, right))


def _falls_apart(got: float, right: float) -> str:
    return _(
        "For 200 images your loss is {got:.2f} on average, and the negative ELBO of your `encode` "
        "and `decode` is {right:.2f} nats."
    ).format(got=got, right=right)


def _terms(model: Any, x: Tensor, *, spread: float, draws: int) -> tuple[float, float]:
    """Mean squared distance of an image from its reconstruction, and mean KL.

    Draws spread by exp(spread * log_var); 0 stands for none.
    """
    mu, log_var = _encode(model, x)
    draws = draws if spread else 1
    generator = torch.Generator().manual_seed(1)
    total = 0.0
    for _draw in range(draws):
        eps = torch.randn(mu.shape, generator=generator) if spread else torch.zeros_like(mu)
        images = _decode(model, mu + (spread * log_var).exp() * eps)
        total += float((x.flatten(1) - images).square().sum(1).mean()) / draws
    return total, float(_kl(mu, log_var))


def _kl(mu: Tensor, log_var: Tensor) -> Tensor:
    return 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(1).mean()


def _judge_the_slopes(model: Any) -> None:
    """Every weight is trained, those of the circuit too."""
    parameters = list(model.parameters())
    if sum(p.numel() for p in parameters if tuple(p.shape) == (3, 4, 3)) == 0:
        raise Wrong(
            "untrained",
            _(
                "No parameter of your model has the circuit's shape (3, 4, 3): the class that "
                "holds the circuit has to be an nn.Module, or `parameters` does not find it."
            ),
        )
    loss = _loss(model, _images(50))
    if not loss.requires_grad:
        raise Wrong("no-slope", _("`loss` has no slope: is there a `detach` or `no_grad`?"))
    slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, slope in zip(parameters, slopes, strict=True):
        if tuple(parameter.shape) == (3, 4, 3) and (slope is None or not slope.any()):
            raise Wrong("detach", _("The circuit's weights get no slope: is its output detached?"))
    mu, log_var = _encode(model, _images(50))
    of_kl = torch.autograd.grad(_kl(mu, log_var), parameters, allow_unused=True)
    for ours, whole in zip(of_kl, slopes, strict=True):
        if ours is None:
            continue
        if whole is None or torch.allclose(ours, whole, rtol=1e-3, atol=1e-6):
            raise Wrong(
                "detach",
                _(
                    "No slope of the reconstruction reaches the encoder: somewhere between code "
                    "and image it is cut off."
                ),
            )
