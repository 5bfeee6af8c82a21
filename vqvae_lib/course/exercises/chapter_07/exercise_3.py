"""Exercise 7.3: repair the article's model, which has eight faults.

The check watches what the circuit is given. So it knows the code that `loss` has drawn, and what
the loss and its gradients must be for that code: nothing has to be averaged over draws.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from vqvae_lib.course.exercises.answers import call, describe, expect_tensor
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.losses import (
    Terms,
    are_same_gradients,
    compute_terms,
    is_standard_normal,
)
from vqvae_lib.course.exercises.verdicts import NotAttempted, Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.quantum import Circuit, QuantumLayer
from vqvae_lib.quantum.compiled import warm_up

_D, _LATENT, _VARIANCE = 64, 8, 0.05
_CIRCUIT = Circuit.for_latent(_LATENT, 4)
_PERIOD = 2 * math.pi / _CIRCUIT.angle_scale
_N_CALLS = 30  # of `loss`, each with 50 images: 12,000 random numbers
# On the first day the kernels are compiled, which takes a while: before the answer's time runs.
warm_up(torch.float32)


def check(model: Any) -> Right:
    """A class, built without arguments, with encode, decode and loss."""
    if isinstance(model, nn.Module):
        raise Wrong("instance", _("Hand over the class itself, not an instance of it."))
    if not callable(model):
        raise Wrong("not-a-class", _("Expected a class, got {what}.").format(what=describe(model)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = call(model)
        for name in ("encode", "decode", "loss"):
            if not hasattr(built, name):
                raise Wrong(
                    "missing",
                    _("Your class has no `{name}`: keep the names of the starter cell.").format(
                        name=name
                    ),
                )
        if not isinstance(built, nn.Module):
            raise Wrong(
                "no-module", _("Your class is not an nn.Module, so nothing in it is trained.")
            )
        for part in built.children():
            part.eval()  # no Dropout; the model itself stays in training, since it may ask for it
        dtype = next(built.parameters(), torch.zeros(1)).dtype
        x = digits_data().x_train[:50].reshape(50, 1, 8, 8).to(dtype)
        _judge_code(built, x)
        _judge_circuit(built, x)
        with _shake_weights(built):
            _judge_encoder(built, x)
            is_estimated = _judge_loss(built, x, _judge_draws(built, x))
            _judge_gradients(built, x, is_estimated)
    return Right(
        _(
            "All eight are repaired. Few of them ever stop the program; with the others it "
            "runs, and trains something that is neither a hybrid model nor a VAE."
        )
    )


def _call_method(model: Any, name: str, *arguments: Tensor) -> Any:
    try:
        return call(getattr(model, name), *arguments)
    except NotAttempted:
        raise Wrong("returns-nothing", _("`{name}` returns nothing.").format(name=name)) from None


def _encode(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    pair = _call_method(model, "encode", x)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Wrong("type", _("encode(x): expected the pair mu, log_var."))
    for name, part in zip(("mu", "log_var"), pair, strict=True):
        if isinstance(part, Tensor) and len(x) > 1 and part.shape == (len(x), _LATENT // 2):
            raise Wrong(
                "chunk",
                _(
                    "`encode` gives {got} numbers per image, but the circuit takes {d}: "
                    "`chunk` halves its input."
                ).format(got=_LATENT // 2, d=_LATENT),
            )
        if isinstance(part, Tensor) and len(x) == 1 and part.ndim == 1:
            raise Wrong(
                "squeeze",
                _(
                    "With a single image, `{name}` has shape {shape}: the batch axis is gone."
                ).format(name=name, shape=tuple(part.shape)),
            )
        expect_tensor(part, (len(x), _LATENT), what=_("{name} of encode(x)").format(name=name))
    return pair[0], pair[1]


def _decode(model: Any, z: Tensor) -> Tensor:
    images: Tensor = _call_method(model, "decode", z)
    expect_tensor(images, (len(z), _D), what="decode(z)")
    return images


def _watch_circuit(model: Any, name: str, argument: Tensor) -> tuple[Any, QuantumLayer, Tensor]:
    """Run a method; return its value, the circuit, wherever it hides, and the codes it received."""
    calls: list[tuple[QuantumLayer, Tensor]] = []
    forward = QuantumLayer.forward

    def record(layer: QuantumLayer, z: Tensor) -> Tensor:
        calls.append((layer, z))
        return forward(layer, z)

    with mock.patch.object(QuantumLayer, "forward", record):
        value = _call_method(model, name, argument)
    if not calls:
        raise Wrong(
            "no-circuit",
            _(
                "`{name}` runs without the circuit: keep the starter cell's `vq.QuantumLayer`."
            ).format(name=name),
        )
    if any(layer.circuit != _CIRCUIT for layer, _z in calls):
        raise Wrong(
            "other-circuit",
            _("This is not the circuit of the starter cell: leave it as it is."),
        )
    return value, calls[0][0], torch.cat([z.reshape(-1, _LATENT) for _layer, z in calls])


def _loss(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """The loss and the codes (B, 8) that were drawn for it."""
    value, _layer, z = _watch_circuit(model, "loss", x)
    if isinstance(value, float):
        raise Wrong(
            "float", _("`loss` returns a float: return the tensor itself, without `.item()`.")
        )
    expect_tensor(value, (), what="loss(x)")
    once = z[: len(x)]  # running it several times on the same draw is fine
    if len(z) % len(x) or not (z.reshape(-1, len(x), _LATENT) == once).all():
        raise Wrong(
            "count",
            _(
                "For {B} images, `loss` gives the circuit {codes} codes: the exercise asks "
                "for one draw of z for each image."
            ).format(B=len(x), codes=len(z)),
        )
    return value, once


def _trainable_parameters(model: Any) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


@contextlib.contextmanager
def _shake_weights(model: Any) -> Iterator[None]:
    """Add noise to all trained weights, for a while, so that nothing is 0 or equal at the start."""
    parameters = _trainable_parameters(model)
    values = [parameter.detach().clone() for parameter in parameters]
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(parameters, values, strict=True):
                parameter.copy_(value)


def _judge_code(model: Any, x: Tensor) -> None:
    """Images enter as they come, one or many."""
    try:
        _encode(model, x[:5])
    except Wrong as outcome:
        if outcome.kind == "raises" and "shapes cannot be multiplied" in str(outcome):
            raise Wrong(
                "flatten",
                _("Images (B, 1, 8, 8) do not fit the first layer: {reason}").format(
                    reason=outcome
                ),
            ) from None
        raise
    _encode(model, x[:1])


@torch.no_grad()
def _judge_circuit(model: Any, x: Tensor) -> None:
    """The code enters the circuit, all of it and nowhere else; the circuit's angles are trained."""
    z = torch.randn(6, _LATENT, generator=torch.Generator().manual_seed(0)).to(x.dtype)
    _value, layer, codes = _watch_circuit(model, "decode", z)
    images = _decode(model, z)
    if _are_equal(images):
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
                    "The image is not periodic in the code: some of the code reaches the "
                    "decoder without passing through the circuit."
                ),
            )
    if codes.shape != z.shape or not torch.allclose(codes, z):
        raise Wrong("other-code", _("`decode` gives the circuit something other than `z`."))
    if not any(parameter is layer.weights for parameter in model.parameters()):
        raise Wrong(
            "untrained",
            _(
                "The circuit's angles, of shape (3, 4, 3), are not parameters of your model. "
                "The class that holds the circuit has to be an nn.Module, otherwise "
                "`parameters` does not find them."
            ),
        )
    if not layer.weights.requires_grad:
        raise Wrong("frozen", _("The circuit's angles are frozen, but they should be trained."))


def _are_equal(part: Tensor, *, dim: int = 0, atol: float = 1e-6) -> bool:
    """Whether all entries along an axis are the same."""
    return torch.allclose(part, part.narrow(dim, 0, 1).expand_as(part), atol=atol)


def _judge_encoder(model: Any, x: Tensor) -> None:
    """Mean and log-variance are two outputs, computed from the image."""
    mu, log_var = _encode(model, x)
    if torch.allclose(mu, log_var):
        raise Wrong(
            "same",
            _("`mu` and `log_var` are the same numbers: the encoder should learn each of them."),
        )
    for name, part in (("mu", mu), ("log_var", log_var)):
        if _are_equal(part):
            raise Wrong(
                "constant",
                _(
                    "`{name}` is the same for all images: the encoder should compute it from "
                    "the image."
                ).format(name=name),
            )
        if not part.requires_grad:
            raise Wrong("detach", _("`{name}` of `encode` has no gradient.").format(name=name))


@torch.no_grad()
def _judge_draws(model: Any, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The code is drawn in each call, for each image and coordinate, with the right spread.

    Returns some of the losses, each with the noise that was drawn for it.
    """
    mu, log_var = _encode(model, x)
    losses, codes = zip(*(_loss(model, x) for _call in range(_N_CALLS)), strict=True)
    z = torch.stack(codes)  # (calls, B, 8)
    if torch.equal(z[0], z[1]):
        raise Wrong("no-draw", _("Two calls of `loss` use the same `z`: nothing is drawn."))
    noise = (z - mu) / (0.5 * log_var).exp()
    if _are_equal(noise, dim=1, atol=1e-3):
        raise Wrong("shared", _("All images get the same noise: draw it for each image."))
    if _are_equal(noise, dim=2, atol=1e-3):
        raise Wrong(
            "one-number",
            _("All coordinates of a code get the same noise: draw it for each coordinate."),
        )
    if not is_standard_normal(noise, log_var):
        for kind, candidate, hint in (
            (
                "std",
                (z - mu) / log_var.exp(),
                _(
                    "The noise is scaled by exp(log_var), which is the variance: take its "
                    "square root."
                ),
            ),
            (
                "no-spread",
                z - mu,
                _("The draws have standard deviation 1: the encoder's `log_var` is not used."),
            ),
            ("prior", z, _("`z` is drawn from the prior, so it knows nothing about the image.")),
        ):
            if is_standard_normal(candidate, log_var):
                raise Wrong(kind, hint)
        raise Wrong(
            "draws",
            _(
                "The noise in `z`, (z - mu)/std, has mean {mean:.2f} and mean square "
                "{square:.2f}, but standard normal noise has 0 and 1."
            ).format(mean=float(noise.mean()), square=float(noise.square().mean())),
        )
    return list(zip(losses[:3], noise, strict=False))


_CONSTANT = 0.5 * _D * math.log(2 * math.pi * _VARIANCE)


def _loss_terms(model: Any, x: Tensor, noise: Tensor, *, cut: tuple[str, ...] = ()) -> Terms:
    return compute_terms(x, *_encode(model, x), noise, lambda z: _decode(model, z), cut=cut)


@torch.no_grad()
def _judge_loss(model: Any, x: Tensor, draws: list[tuple[Tensor, Tensor]]) -> bool:
    """The loss is the negative ELBO for the code drawn, or a likely mistake; name it.

    The KL may be estimated from the draw, log q(z|x) - log p(z); returns whether it is.
    """
    got = torch.stack([loss for loss, _noise in draws]).double()
    terms = [torch.stack(_loss_terms(model, x, noise)) for _loss, noise in draws]
    squares, kl, estimate = torch.stack(terms, 1).double()  # (draws,) each

    def is_close(other: Tensor) -> bool:
        return torch.allclose(got, other, rtol=1e-4, atol=1e-3)

    error_alone = squares / (2 * _VARIANCE) + _CONSTANT
    right = error_alone + kl
    if is_close(right):
        return False
    if is_close(error_alone + estimate):
        return True
    of_pixels = _("The squared error is averaged over the pixels: that is a variance of D/2.")
    narrow = _("0.05 is the variance, not the standard deviation.")
    of_narrow = squares / (2 * _VARIANCE**2)
    for kind, candidate, hint in (
        (
            "constant",
            right - _CONSTANT,
            _("The Gaussian's constant is missing, ½ D log(2π·0.05): with it the ELBO is in nats."),
        ),
        (
            "constant",
            right - 0.5 * _D * math.log(2 * math.pi),
            _("Only the log(2π) part of the Gaussian's constant is missing."),
        ),
        (
            "no-kl",
            error_alone,
            _("The loss has only one term, but the ELBO has two: the KL is missing."),
        ),
        (
            "no-kl",
            squares / _D,
            _("That is a bare mean squared error: neither a likelihood nor a KL."),
        ),
        ("mse", squares / _D + kl, of_pixels),
        (
            "mse",
            error_alone / _D + kl,
            _("The log-likelihood is averaged over the pixels: sum over them."),
        ),
        ("variance", squares / 2 + kl, _("That is a variance of 1, but it should be 0.05.")),
        ("variance", squares + kl, _("That is a variance of ½, but it should be 0.05.")),
        ("variance", of_narrow + kl + _CONSTANT + 0.5 * _D * math.log(_VARIANCE), narrow),
        ("variance", of_narrow + kl, narrow),
        (
            "kl-mean",
            error_alone + kl / _LATENT,
            _("The KL is averaged over the dimensions of the code: sum over them."),
        ),
        (
            "kl-sign",
            error_alone - kl,
            _("The KL is subtracted. It is part of *minus* the ELBO, so add it."),
        ),
        ("kl-half", error_alone + 2 * kl, _("The KL lacks its factor ½.")),
        ("kl-half", error_alone + kl / 2, _("The KL has its factor ½ twice.")),
        ("sum", len(x) * right, _("The loss is summed over the batch: average over it.")),
        ("elbo", -right, _("That is the ELBO; the loss is minus the ELBO.")),
    ):
        if is_close(candidate):
            raise Wrong(kind, hint)
    raise Wrong(
        "value",
        _(
            "For {B} images and the codes it has drawn, your loss is {got:.2f}, but the "
            "negative ELBO of your `encode` and `decode` is {right:.2f} nats."
        ).format(B=len(x), got=float(got[0]), right=float(right[0])),
    )


def _judge_gradients(model: Any, x: Tensor, is_estimated: bool) -> None:
    """Every weight has the gradient of the negative ELBO, the circuit's included."""
    parameters = _trainable_parameters(model)

    def gradients(value: Tensor, of: list[Any] = parameters) -> tuple[Tensor, ...]:
        return torch.autograd.grad(value, of, allow_unused=True, materialize_grads=True)

    loss, z = _loss(model, x)
    if not loss.requires_grad:
        raise Wrong("no-slope", _("`loss` has no gradient: is there a `detach` or `no_grad`?"))
    got = gradients(loss)
    code = z.detach().requires_grad_()
    images, layer, _z = _watch_circuit(model, "decode", code)
    if not any(slope.any() for p, slope in zip(parameters, got, strict=True) if p is layer.weights):
        raise Wrong("detach", _("The circuit's weights get no gradient: is its output detached?"))
    cut_off = _(
        "No gradient of the reconstruction reaches the encoder: something between code and "
        "image blocks it."
    )
    if not images.requires_grad or not gradients(images.sum(), [code])[0].any():
        raise Wrong("detach", cut_off)
    mu, log_var = _encode(model, x)
    noise = ((z - mu) / (0.5 * log_var).exp()).detach()
    hints: list[tuple[tuple[str, ...], str]] = [
        ((), ""),
        (("mu", "std"), cut_off),
        (("mu",), _("No gradient reaches the encoder through the mean in `z`: is it detached?")),
        (
            ("std",),
            _(
                "No gradient reaches the encoder through the standard deviation in `z`: is it "
                "detached?"
            ),
        ),
        (("kl",), _("The KL has no gradient: is it detached?")),
    ]
    for cut, hint in hints:
        squares, kl, estimate = _loss_terms(model, x, noise, cut=cut)
        if are_same_gradients(
            got, gradients(squares / (2 * _VARIANCE) + (estimate if is_estimated else kl))
        ):
            if hint:
                raise Wrong("detach", hint)
            return
    raise Wrong(
        "slope",
        _("The loss has the right value but the wrong gradient: is there a `detach` or `no_grad`?"),
    )
