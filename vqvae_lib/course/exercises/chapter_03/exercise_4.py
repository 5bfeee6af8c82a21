"""Exercise 3.4: repair a VAE with five bugs.

The bugs are examined one by one, so that the check can name those that are gone. It watches what
the decoder is given: for these codes it knows what the loss and its gradient must be.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vqvae_lib.course.exercises.answers import call, expect_tensor
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.losses import are_same_gradients, compute_terms, is_standard_normal
from vqvae_lib.course.exercises.verdicts import NotAttempted, Right, Wrong
from vqvae_lib.course.words import _

_HIDDEN, _LATENT = 32, 6
_N_CALLS = 20  # of `loss`, each with 100 images: 12,000 random numbers


def check(model: Any) -> Right:
    """A class, built as `model(D, hidden, d)`, with encode, reparameterise and loss."""
    if isinstance(model, nn.Module):
        raise Wrong("instance", _("Hand over the class itself, not an instance of it."))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        flaws = _find_flaws(_build(model))
    names = {
        "chunk": _("the width of the code"),
        "squeeze": _("a batch of one"),
        "std": _("the standard deviation"),
        "reduction": _("the reduction of the error"),
        "no-kl": _("the KL"),
    }
    hints = {kind: hint for kind, hint in flaws.items() if hint}
    repaired = [name for kind, name in names.items() if flaws.get(kind) == ""]
    if hints:
        kind, hint = next(iter(hints.items()))
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


def _build(model: Any) -> Any:
    built = call(model, 64, _HIDDEN, _LATENT)
    for name in ("encode", "reparameterise", "loss", "decoder"):
        if not hasattr(built, name):
            raise Wrong(
                "missing",
                _("Your class has no `{name}`: keep the names of the starter cell.").format(
                    name=name
                ),
            )
    if not isinstance(built, nn.Module) or not isinstance(built.decoder, nn.Module):
        raise Wrong("no-module", _("Your class and its `decoder` have to be of type nn.Module."))
    for part in built.children():
        part.eval()  # no Dropout
    with torch.no_grad():
        for parameter in built.parameters():  # a code that says something
            parameter.mul_(2)
    return built


def _find_flaws(model: Any) -> dict[str, str]:
    """Map each kind of bug to a hint if the model has it, and to "" if it does not."""
    flaws = {
        kind: _describe(examine, model)
        for kind, examine in (
            ("chunk", _examine_width),
            ("squeeze", _examine_single_image),
            ("std", _examine_draw),
        )
    }
    gradient = _describe(_examine_gradient_of_draw, model)
    try:
        flaws |= {kind: hint for kind, hint in _examine_loss(model).items() if not flaws.get(kind)}
        gradient = gradient or _examine_gradient_of_loss(model)
    except Wrong as outcome:
        flaws[outcome.kind] = str(outcome)
    return flaws | {"slope": gradient}


def _describe(examine: Callable[[Any], str], model: Any) -> str:
    """Run an examination, and take an error in it for its hint."""
    try:
        return examine(model)
    except Wrong as outcome:
        return str(outcome)


# Running the model --------------------------------------------------------------------------------


def _call_method(model: Any, name: str, *arguments: Tensor) -> Any:
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
    pair = _call_method(model, "encode", x)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Wrong("type", _("encode(x): expected the pair mu, log_var."))
    return pair[0], pair[1]


def _run_loss(model: Any, x: Tensor) -> tuple[Any, Tensor]:
    """Return what `loss` returns, and the noise (B, d) in the codes that it decodes."""
    codes: list[Tensor] = []
    watch = model.decoder.register_forward_pre_hook(lambda _module, z: codes.append(z[0].detach()))
    try:
        value = _call_method(model, "loss", x)
    finally:
        watch.remove()
    expect_tensor(value, (), what="loss(x)")
    mu, log_var = _encode(model, x)
    if len(codes) != 1 or codes[0].shape != mu.shape:
        raise Wrong("codes", _("`loss` has to run `decoder` once, on one code `z` for each image."))
    return value, ((codes[0] - mu) / (0.5 * log_var).exp()).detach()


# What is examined ---------------------------------------------------------------------------------


def _examine_width(model: Any) -> str:
    """Code and decoder have the width d that was asked for."""
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


def _examine_single_image(model: Any) -> str:
    """A batch of one keeps its axis."""
    try:
        mu = _encode(model, _images(1))[0]
    except Wrong as outcome:
        return _("With a single image: {reason}").format(reason=outcome)
    if mu.ndim == 1:
        return _("With a single image, `mu` has shape {shape}: the batch axis is gone.").format(
            shape=tuple(mu.shape)
        )
    return ""


def _examine_draw(model: Any) -> str:
    """`reparameterise` draws from N(mu, exp(log_var))."""
    mu, log_var = torch.ones(4000, _LATENT), torch.full((4000, _LATENT), 2.0)
    z = expect_tensor(
        _call_method(model, "reparameterise", mu, log_var),
        (4000, _LATENT),
        what="reparameterise(mu, log_var)",
    )
    spread, mean = float(z.std()), float(z.mean())
    if spread < 1e-6:
        return _("`reparameterise` adds no noise, so nothing is drawn.")
    # Noise shared by the whole batch, or by all dimensions, has no spread across them.
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
    if abs(mean - 1) > 0.15:
        return _("The draws are centred at {got:.2f} where mu = 1.").format(got=mean)
    return ""


def _examine_gradient_of_draw(model: Any) -> str:
    """`reparameterise` has gradients in both of its arguments."""
    mu, log_var = (torch.full((50, _LATENT), value, requires_grad=True) for value in (1.0, -1.0))
    z = _call_method(model, "reparameterise", mu, log_var)
    gradients: tuple[Tensor | None, ...] = (None, None)
    if isinstance(z, Tensor) and z.requires_grad:
        gradients = torch.autograd.grad(z.sum(), (mu, log_var), allow_unused=True)
    of_mu, of_log_var = gradients
    if of_mu is None or not torch.allclose(of_mu, torch.ones_like(of_mu)):
        return _(
            "No gradient reaches the encoder through the draw: `.sample()`, `torch.normal` "
            "and `no_grad` all block it. Draw the noise separately, then scale and shift it."
        )
    if of_log_var is None or float(of_log_var.abs().max()) == 0:
        return _("The draw has no gradient in `log_var`: is the standard deviation detached?")
    return ""


@torch.no_grad()
def _examine_loss(model: Any) -> dict[str, str]:
    """The loss is a sum of its two terms, for codes drawn from q(z|x)."""
    x = _images(100)
    _mu, log_var = _encode(model, x)
    noise = torch.stack([_run_loss(model, x)[1] for _call in range(_N_CALLS)])  # (calls, B, d)
    flaws = _name_terms(model)
    if torch.allclose(noise[0], noise[1], atol=1e-6):
        flaws["draw"] = _("Two calls of `loss` use the same codes: nothing was drawn.")
    elif not is_standard_normal(noise, log_var):
        flaws["std"] = _(
            "In `loss` the noise, (z - mu)/std, has mean {mean:.2f} and mean square "
            "{square:.2f}, but standard normal noise has 0 and 1. Let `reparameterise` draw."
        ).format(mean=float(noise.mean()), square=float(noise.square().mean()))
    return flaws


def _name_terms(model: Any) -> dict[str, str]:
    """Find a squared error and a KL, each summed or averaged somehow, that add up to the loss."""
    batches = [scale * _images(100) for scale in (1.0, 0.5) for _draw in range(3)]
    rows = []
    for x in batches:
        loss, noise = _run_loss(model, x)
        terms = compute_terms(x, *_encode(model, x), noise, model.decoder)
        rows.append(torch.stack([torch.as_tensor(loss), *terms]))
    width = noise.shape[1]
    got, squares, kl, kl_estimate = torch.stack(rows, 1).double()  # (batches,) each
    errors = [
        ("", squares),
        (
            _(
                "The squared error is averaged over the pixels as well: that is a likelihood of "
                "variance D/2. Sum over the pixels, average over the batch."
            ),
            squares / 64,
        ),
        (
            _("The squared error has a factor ½: that is a variance of 1 instead of ½."),
            squares / 2,
        ),
        (
            _("The squared error is summed over the batch as well: average over the samples."),
            squares * 100,
        ),
    ]
    prices = [
        ("", kl),
        ("", kl_estimate),
        (_("The loss has only one term, but the ELBO has two."), 0 * kl),
        (_("The KL is averaged over the dimensions of the code: sum over them."), kl / width),
        (_("The KL is subtracted. The loss is *minus* the ELBO, so add it."), -kl),
        (_("The KL lacks its factor ½."), 2 * kl),
        (_("The KL has its factor ½ twice."), kl / 2),
        (_("The KL is summed over the batch: average over the samples."), 100 * kl),
        (
            _("The KL is averaged over the dimensions, and has its factor ½ twice."),
            kl / width / 2,
        ),
    ]
    misfits = []
    for error, a in errors:
        for price, b in prices:
            rest = got - a - b  # a constant, which does not matter
            misfits.append((float((rest - rest.mean()).abs().max()), error, price))
    misfit, error, price = min(misfits)
    if misfit > 1e-3 * float(got.std()):
        return {
            "loss": _(
                "The loss is not the sum of a squared error and a KL in any form the check "
                "knows. Sum the error over the pixels and the KL over the dimensions, and average "
                "both over the batch."
            )
        }
    return {"reduction": error, "no-kl": price}


def _examine_gradient_of_loss(model: Any) -> str:
    """Every weight has the gradient of the squared error plus the KL."""
    x = _images(100)
    loss, noise = _run_loss(model, x)
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        return _(
            "`loss` returns a number without a gradient, and `backward` needs one: return the "
            "tensor itself, without `float`, `item`, `detach` or `no_grad`."
        )
    parameters = list(model.parameters())

    def differentiate(value: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            value, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
        )

    gradients = differentiate(loss)
    hints: list[tuple[tuple[str, ...], str]] = [
        ((), ""),
        (
            ("mu", "std"),
            _(
                "No gradient of the squared error reaches the encoder: is the draw in `loss` "
                "detached, or under `no_grad`?"
            ),
        ),
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
        squares, kl, kl_estimate = compute_terms(
            x, *_encode(model, x), noise, model.decoder, cut=cut
        )
        for price in (kl, kl_estimate):
            if are_same_gradients(gradients, differentiate(squares + price)):
                return hint
    return _("The loss has the right value but the wrong gradient: is there a `detach`?")
