"""Exercise 3.4: repair a VAE with five bugs."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from vqvae_lib.course.exercises.answers import call, expect_tensor
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import NotAttempted, Right, Wrong
from vqvae_lib.course.words import _

_HIDDEN, _LATENT = 32, 6


def check(model: Any) -> Right:
    """A class, built as `model(D, hidden, d)`, with encode, reparameterise and loss."""
    if isinstance(model, nn.Module):
        raise Wrong("instance", _("Hand over the class itself, not an instance of it."))
    built = call(model, 64, _HIDDEN, _LATENT)
    for name in ("encode", "reparameterise", "loss", "decoder"):
        if not hasattr(built, name):
            raise Wrong(
                "missing",
                _("Your class has no `{name}`: keep the names of the starter cell.").format(
                    name=name
                ),
            )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flaws = _flaws(built)
    names = {
        "chunk": _("the width of the code"),
        "squeeze": _("a batch of one"),
        "std": _("the standard deviation"),
        "reduction": _("the reduction of the error"),
        "no-kl": _("the KL"),
    }
    left = {kind: hint for kind, hint in flaws.items() if hint}
    repaired = [name for kind, name in names.items() if flaws.get(kind) == ""]
    if left:
        kind, hint = next(iter(left.items()))
        text = _("Repaired so far: {repaired}.").format(
            repaired=", ".join(repaired) or _("nothing yet")
        )
        if "reduction" not in flaws and kind in names:
            hint += " " + _("The loss is examined once everything runs.")
        raise Wrong(kind, f"{text} {hint}")
    return Right(
        _(
            "All five are repaired: the width of the code, a batch of one, the standard "
            "deviation, the reduction, and the KL. Only the first stops the program, and only if "
            "the decoder is as wide as it should be."
        )
    )


def _flaws(model: Any) -> dict[str, str]:
    """Find each bug by its kind: a hint where it is left, empty where it is gone."""
    with torch.no_grad():
        for parameter in model.parameters():  # a code that says something
            parameter.mul_(2)
    flaws = {
        kind: _describe_flaw(flaw, model)
        for kind, flaw in (
            ("chunk", _halves_the_code),
            ("squeeze", _loses_the_batch),
            ("std", _spread_is_wrong),
        )
    }
    slope = _describe_flaw(_draw_stops_the_slope, model)
    try:
        slope = slope or _loss_stops_the_slope(model)
        flaws |= _loss_is_wrong(model)
    except Wrong as outcome:
        flaws[outcome.kind] = str(outcome)
    return flaws | {"slope": slope}


def _describe_flaw(flaw: Any, model: Any) -> str:
    try:
        return str(flaw(model))
    except Wrong as outcome:
        return str(outcome)


def _method(model: Any, name: str, *arguments: Tensor) -> Any:
    try:
        return call(getattr(model, name), *arguments)
    except NotAttempted:
        raise Wrong(
            "returns-nothing",
            _("`{name}` returns nothing: write its body, and `return` the result.").format(
                name=name
            ),
        ) from None


def _images(B: int) -> Tensor:
    return digits_data().x_train[:B].reshape(B, 1, 8, 8)


def _encode(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    flaws = _method(model, "encode", x)
    if not isinstance(flaws, tuple | list) or len(flaws) != 2:
        raise Wrong("type", _("encode(x): expected the pair mu, log_var."))
    return flaws[0], flaws[1]


def _halves_the_code(model: Any) -> str:
    parts = _encode(model, _images(5))
    width = parts[0].shape[-1]
    if width == _LATENT // 2:
        return _(
            "Built with d = {d}, `encode` gives {got} numbers per sample: `chunk` cuts its "
            "input in two."
        ).format(d=_LATENT, got=width)
    for name, part in zip(("mu", "log_var"), parts, strict=True):
        expect_tensor(part, (5, _LATENT), what=_("{name} of 5 images").format(name=name))
    try:
        call(model.decoder, torch.zeros(5, _LATENT))
    except Wrong:
        return _(
            "Built with d = {d}, `encode` gives {d} numbers per sample, but `decoder` does "
            "not accept {d}: its first layer still expects another width."
        ).format(d=_LATENT)
    return ""


def _loses_the_batch(model: Any) -> str:
    try:
        mu = _encode(model, _images(1))[0]
    except Wrong as outcome:
        return _("With a single image: {reason}").format(said=outcome)
    if mu.ndim == 1:
        return _("With a single image, `mu` has shape {shape}: the batch axis is gone.").format(
            shape=tuple(mu.shape)
        )
    return ""


def _spread_is_wrong(model: Any) -> str:
    mu, log_var = torch.ones(4000, _LATENT), torch.full((4000, _LATENT), 2.0)
    z = expect_tensor(
        _method(model, "reparameterise", mu, log_var),
        (4000, _LATENT),
        what="reparameterise(mu, log_var)",
    )
    spread, middle = float(z.std()), float(z.mean())
    if spread < 1e-6:
        return _("`reparameterise` adds no noise, so nothing is drawn.")
    # One number for the whole batch, or for all dimensions, has no spread across them.
    if float(z.std(0).mean()) < 0.5 * spread or float(z.std(1).mean()) < 0.5 * spread:
        return _("The noise is shared: draw it separately for each sample and dimension.")
    if float(z.min()) >= 1:
        return _(
            "The noise is never negative: `rand` is uniform from 0 to 1, but `randn` is normal."
        )
    if abs(spread / math.e - 1) > 0.05:
        return _(
            "At log_var = 2 the draws have standard deviation {got:.2f}, expected "
            "{expected:.2f}: what is log_var the logarithm of?"
        ).format(got=spread, expected=math.e)
    if abs(middle - 1) > 0.15:
        return _("The draws are centred at {got:.2f} where mu = 1.").format(got=middle)
    return ""


def _draw_stops_the_slope(model: Any) -> str:
    mu, log_var = (torch.full((50, _LATENT), value, requires_grad=True) for value in (1.0, -1.0))
    z = _method(model, "reparameterise", mu, log_var)
    slopes: tuple[Tensor | None, ...] = (None, None)
    if isinstance(z, Tensor) and z.requires_grad:
        slopes = torch.autograd.grad(z.sum(), (mu, log_var), allow_unused=True)
    of_mu, of_log_var = slopes
    if of_mu is None or not torch.allclose(of_mu, torch.ones_like(of_mu)):
        return _(
            "No gradient reaches the encoder through the draw: `.sample()`, `torch.normal` "
            "and `no_grad` all block it. Draw the noise separately, then scale and shift it."
        )
    if of_log_var is None or float(of_log_var.abs().max()) == 0:
        return _("The draw has no gradient in `log_var`: is the standard deviation detached?")
    return ""


def _loss_stops_the_slope(model: Any) -> str:
    x = _images(100)
    loss = _method(model, "loss", x)
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        return _(
            "`loss` returns a number without a gradient, and `backward` needs one: return the "
            "tensor itself, without `float`, `item`, `detach` or `no_grad`."
        )
    decoder = {id(parameter) for parameter in model.decoder.parameters()}
    encoder = [p for p in model.parameters() if id(p) not in decoder]
    mu, log_var = _encode(model, x)
    kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean()
    of_loss, of_kl = (
        torch.autograd.grad(value.sum(), encoder, allow_unused=True) for value in (loss, kl)
    )
    if all(
        a is None or (b is not None and torch.allclose(a, b, rtol=1e-4, atol=1e-6))
        for a, b in zip(of_loss, of_kl, strict=True)
    ):
        return _(
            "No gradient of the squared error reaches the encoder: is the draw in `loss` "
            "detached, or under `no_grad`?"
        )
    return ""


@torch.no_grad()
def _loss_is_wrong(model: Any) -> dict[str, str]:
    """Tell which sums and terms the loss is made of."""
    batches = _images(100), 0.5 * _images(100)

    def loss(x: Tensor) -> Tensor:
        return expect_tensor(_method(model, "loss", x), (), what="loss(x)")

    draws = not torch.equal(loss(batches[0]), loss(batches[0]))
    # A decoder that always answers the same takes the draws out, and the difference of two batches
    # what is constant: both terms are then exact.
    for parameter in model.decoder.parameters():
        parameter.zero_()
    squares, kl, got = torch.zeros(3, dtype=torch.float64)
    for x, sign in zip(batches, (1, -1), strict=True):
        mu, log_var = _encode(model, x)
        x_hat = model.decoder(torch.zeros_like(mu))
        squares += sign * (x.flatten(1) - x_hat).square().double().sum(1).mean()
        terms = (mu**2 + log_var.exp() - 1 - log_var).double()
        kl += sign * 0.5 * terms.sum(1).mean()
        got += sign * loss(x)
    flaws = _name_the_terms(got, squares, kl, width=mu.shape[1])
    if not draws:
        flaws["draw"] = _("Two calls of `loss` agree to the last bit: nothing was drawn.")
    return flaws


def _name_the_terms(got: Tensor, squares: Tensor, kl: Tensor, *, width: int) -> dict[str, str]:
    """Find a squared error and a KL, each summed or averaged somehow, that add up to the loss."""
    errors = {
        "": squares,
        _(
            "The squared error is averaged over the pixels as well: that is a likelihood of "
            "variance D/2. Sum over the pixels, average over the batch."
        ): squares / 64,
        _("The squared error has a factor ½: that is a variance of 1 instead of ½."): squares / 2,
        _("The squared error is summed over the batch as well: average over the samples."): (
            squares * 100
        ),
    }
    prices = {
        "": kl,
        _("The loss has only one term, but the ELBO has two."): 0 * kl,
        _("The KL is averaged over the dimensions of the code: sum over them."): kl / width,
        _("The KL is subtracted. The loss is *minus* the ELBO, so add it."): -kl,
        _("The KL lacks its factor ½."): 2 * kl,
        _("The KL has its factor ½ twice."): kl / 2,
        _("The KL is summed over the batch: average over the samples."): 100 * kl,
        _("The KL is averaged over the dimensions, and has its factor ½ twice."): kl / width / 2,
    }
    distances = {
        (error, price): float((got - a - b).abs())
        for error, a in errors.items()
        for price, b in prices.items()
    }
    (error, price), distance = min(distances.items(), key=lambda item: item[1])
    if distance > 1e-3:
        message = _(
            "The loss is not the sum of a squared error and a KL in any form the check knows. Sum "
            "the error over the pixels and the KL over the dimensions, and average both over the "
            "batch."
        )
        return {"loss": message}
    return {"reduction": error, "no-kl": price}
