"""The variational autoencoder: a prior, a likelihood, an encoder of distributions, a bound.

Data flow in one direction: x (B, D) -> encoder -> mu, log_var (B, d) -> reparameterise ->
z (B, d) -> bottleneck -> o (B, m) -> decoder -> parameters of the likelihood p(x|z). Every model of
the course from chapter 3 on is this class with another bottleneck: nothing, a classical layer, or a
quantum circuit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vqvae_lib._checks import (
    check_count,
    check_generator,
    check_instance,
    check_number,
    check_same_length,
    check_same_shape,
    check_tensor,
    describe,
)
from vqvae_lib._model_files import SavedModel
from vqvae_lib.bounds import (
    elbo,
    gaussian_kl,
    gaussian_log_prob,
    importance_bound,
    mean_over_batch,
    sum_over_dimensions,
)
from vqvae_lib.conditions import Condition, NoCondition
from vqvae_lib.likelihoods import Likelihood
from vqvae_lib.networks import check_activation, find_weight, mlp

__all__ = ["VAE", "GaussianEncoder", "KLWarmUp", "Posterior", "mlp_vae", "reparameterise"]

# How many numbers the decoder gives at a time in `log_likelihood`: 4 MB, which caches hold.
_CHUNK = 1 << 20
_HALF = (torch.bfloat16, torch.float16)


class Posterior(NamedTuple):
    """The approximate posterior q(z|x) = N(mu, diag exp(log_var)).

    Attributes
    ----------
    mu
        Mean, shape (B, d).
    log_var
        Logarithm of the variance (not of the standard deviation), shape (B, d).
    """

    mu: torch.Tensor
    log_var: torch.Tensor


def reparameterise(
    mu: Tensor,
    log_var: Tensor,
    *,
    K: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw ``z = mu + exp(log_var / 2) * eps`` with eps ~ N(0, I), differentiable in both.

    Parameters
    ----------
    mu, log_var
        Shape (B, d).
    K
        How many draws per sample; None for one, without an axis for it.
    generator
        Source of eps; None means torch's global one.

    Returns
    -------
    torch.Tensor
        Shape (B, d), or (K, B, d).
    """
    mu = check_tensor("mu", mu, ("B", "d"))
    log_var = check_tensor("log_var", log_var, ("B", "d"), like=mu)
    check_same_shape("mu", mu, "log_var", log_var)
    shape = mu.shape if K is None else (check_count("K", K), *mu.shape)
    generator = _check_source(generator)
    eps = torch.randn(shape, generator=generator, dtype=mu.dtype, device=mu.device)
    return mu + (0.5 * log_var).exp() * eps


class GaussianEncoder(nn.Module):
    """A trunk with two linear heads, one for the mean and one for the log-variance of q(z|x).

    Parameters
    ----------
    trunk
        Maps x (B, D) to features (B, width).
    width
        Number of features.
    d
        Latent dimension.
    """

    def __init__(self, trunk: nn.Module, width: int, d: int) -> None:
        super().__init__()
        width, self.d = check_count("width", width), check_count("d", d)
        self.trunk = check_instance("trunk", trunk, nn.Module, "a torch.nn.Module")
        self.mu = nn.Linear(width, self.d)
        self.log_var = nn.Linear(width, self.d)

    def forward(self, x: Tensor) -> Posterior:
        """Encode: ``(B, D) -> (B, width) -> two times (B, d)``."""
        x = check_tensor("x", x, ("B", "D"), like=find_weight(self))
        h = self.trunk(x)  # (B, D) -> (B, width)
        return Posterior(self.mu(h), self.log_var(h))  # (B, width) -> (B, d) each

    @property
    def input_width(self) -> int | None:
        """Width of the rows that it takes; None where its trunk does not say."""
        return getattr(self.trunk, "input_width", None)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this encoder again, for files."""
        return {"trunk": self.trunk, "width": self.mu.in_features, "d": self.d}


class VAE(SavedModel):
    """Variational autoencoder with prior p(z) = N(0, I_d).

    Parameters
    ----------
    encoder
        Maps x (B, D) to the pair ``(mu, log_var)``, (B, d) each, and has the attribute ``d``:
        a `GaussianEncoder`, for example.
    decoder
        Maps (B, m) to the parameters of the likelihood, (B, D * params_per_dimension). It ends
        linearly: the likelihood has its own nonlinearity.
    likelihood
        p(x|z), see `vqvae_lib.likelihoods`.
    bottleneck
        Maps the code to what the decoder takes, (B, d) -> (B, m); None passes the code on.
    condition
        For a model of p(x|y): what y is, `Labels` or `Numbers`. Every method then asks for y, and
        its `width` numbers are appended to each row that encoder and decoder take,
        (B, D + width) and (B, m + width). The bottleneck does not see them.
    beta
        Weight of the KL in the loss; 1 for the ELBO.
    K
        Importance samples in the loss. Above 1 it is the negative IWAE bound, and beta must be 1.

    Attributes
    ----------
    kl_weight
        A further factor on the KL, which counts in training mode only; 1, and less during a
        `KLWarmUp`. It is not saved with the weights, and a copy made during a warm-up has the
        weight from before it.
    scaling
        What raw data went through before the model saw them, see `vqvae_lib.scaling`; None where
        nobody has said. `save` keeps it.

    Raises
    ------
    ValueError
        If a number is out of range. When used: if the encoder's output is not two times (B, d), or
        the decoder's is not as wide as the likelihood needs it; if y is missing, or given to a
        model without a condition.
    TypeError
        If `encoder` does not state its ``d``, `likelihood` is not a `Likelihood`, or `condition`
        is not a `Condition`.

    Notes
    -----
    `encode`, `decode`, `reconstruct` and `loss` can be differentiated; `sample`, `sample_mean`,
    `interpolate` and `log_likelihood` run without gradients. No method changes the mode of the
    model: with dropout or batch normalisation in it, call ``eval()`` before you evaluate it.

    Data and conditions may be NumPy arrays, and of another width of numbers than the weights,
    whose dtype they are brought to. Where networks compute in half precision, by ``autocast`` or by
    ``to(torch.bfloat16)``, the bounds are still computed in float32.

    Examples
    --------
    >>> from vqvae_lib.likelihoods import Gaussian
    >>> encoder = GaussianEncoder(mlp([64, 128], output_activation="gelu"), 128, d=8)
    >>> model = VAE(encoder, mlp([8, 128, 64]), Gaussian())
    >>> x = torch.rand(5, 64)  # (B, D)
    >>> model.encode(x).mu.shape
    torch.Size([5, 8])
    >>> sorted(model.loss(x))
    ['kl', 'loss', 'reconstruction']
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        bottleneck: nn.Module | None = None,
        *,
        condition: Condition = NoCondition(),
        beta: float = 1.0,
        K: int = 1,
    ) -> None:
        super().__init__()
        if not isinstance(getattr(encoder, "d", None), int):
            raise TypeError(
                f"encoder is {describe(encoder)} without the attribute d: expected a module that "
                "maps x to (mu, log_var) and states its latent dimension, such as "
                "GaussianEncoder(trunk, width, d)"
            )
        check_parts(likelihood, condition)
        self.encoder = check_instance("encoder", encoder, nn.Module, "a torch.nn.Module")
        self.bottleneck = (
            nn.Identity()
            if bottleneck is None
            else check_instance("bottleneck", bottleneck, nn.Module, "a torch.nn.Module")
        )
        self.decoder = check_instance("decoder", decoder, nn.Module, "a torch.nn.Module")
        self.likelihood = likelihood
        self.condition = condition
        self.beta = check_number("beta", beta, least=0)
        self.K = check_count("K", K)
        if self.K > 1 and self.beta != 1:
            raise ValueError(
                f"beta={beta!r} with K={K!r}: the importance-weighted bound has no KL term to "
                "weigh; expected beta=1, or K=1"
            )
        self.kl_weight = 1.0

    @property
    def d(self) -> int:
        """Latent dimension."""
        return self.encoder.d  # type: ignore[return-value]

    @property
    def data_width(self) -> int | None:
        """Dimension D of the data; None where the encoder does not say."""
        width = getattr(self.encoder, "input_width", None)
        return None if width is None else width - self.condition.width

    @property
    def _data_shape(self) -> tuple[str, int | str]:
        return ("B", "D" if self.data_width is None else self.data_width)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this model again, for its file."""
        return {
            "encoder": self.encoder,
            "decoder": self.decoder,
            "likelihood": self.likelihood,
            "bottleneck": self.bottleneck,
            "condition": self.condition,
            "beta": self.beta,
            "K": self.K,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle begins with: the KL's weight is that before a warm-up."""
        state = self.__dict__.copy()
        state["kl_weight"] = state.pop("_weight_before_warm_up", self.kl_weight)
        return state

    def extra_repr(self) -> str:
        """Name the objective, and the condition if there is one, when the model is printed."""
        objective = f"beta={self.beta:g}, K={self.K}"
        return f"{objective}, condition={self.condition}" if self.condition.width else objective

    # ---------------------------------------------------------------- parts

    def encode(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """Approximate posterior q(z|x): ``(B, D) -> two times (B, d)``."""
        x = check_tensor("x", x, self._data_shape, like=find_weight(self), finite=True)
        return self._encode(x, _check_rows(y, "x", x))

    def _encode(self, x: Tensor, y: Tensor | None) -> Posterior:
        """Encode rows that were checked."""
        like = find_weight(self)
        x = x if like is None else x.to(like.dtype)  # of half precision, perhaps
        posterior = self.encoder(self._append_condition(x, y))
        return self._check_posterior(posterior, len(x), "encoder gave", "the encoder's")

    def _check_posterior(self, q: object, B: int, subject: str, owner: str) -> Posterior:
        """Refuse what is not a pair, or does not have one row for each of B samples."""
        if not isinstance(q, tuple) or len(q) != 2:
            raise TypeError(
                f"{subject} {describe(q)}: expected the pair (mu, log_var), each (B, {self.d})"
            )
        return Posterior(
            *(
                check_tensor(f"{owner} {name}", value, (B, self.d))
                for name, value in zip(Posterior._fields, q, strict=True)
            )
        )

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Parameters of p(x|z): ``(..., B, d) -> (..., B, D * params_per_dimension)``."""
        z = check_tensor("z", z, (..., "B", self.d), like=find_weight(self), finite=True)
        return self._decode(z, _check_rows(y, "z", z.movedim(-2, 0)))

    def _decode(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Decode codes of our own, whose nan, in a training that diverges, the loss must show."""
        like = find_weight(self)
        z = z if like is None else z.to(like.dtype)
        leading = z.shape[:-1]  # (..., B), which the networks see as one axis of R rows
        o = self.bottleneck(z.flatten(0, -2)).unflatten(0, leading)  # (R, d) -> (..., B, m)
        rows = self._append_condition(o, y).flatten(0, -2)  # (R, m + width)
        return self.decoder(rows).unflatten(0, leading)

    def _decode_checked(self, z: Tensor, y: Tensor | None, D: int | None) -> Tensor:
        """Decode, and refuse a decoder that was made for another likelihood or another D."""
        params = self._decode(z, y)
        self.likelihood.check_params(params, D)
        return _widen(params)

    def _append_condition(self, rows: Tensor, y: Tensor | None) -> Tensor:
        """Append to each row what it is conditioned on: ``(..., B, k) -> (..., B, k + width)``."""
        condition = self.condition.rows(y, like=rows)  # (B, width), or an error about y
        if not self.condition.width:
            return rows.contiguous()  # as torch.cat would give them, but without a copy
        return torch.cat([rows, condition.expand(*rows.shape[:-1], -1)], dim=-1)

    # ---------------------------------------------------------------- use

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Reconstruct x, as `reconstruct` does."""
        return self.reconstruct(x, y)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Mean of p(x|z) at the posterior's mean: ``(B, D) -> (B, D)``."""
        z = self.encode(x, y).mu  # (B, d)
        return self.likelihood.mean(self._decode_checked(z, y, x.shape[1]))

    @torch.no_grad()
    def sample(
        self, n: int, y: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw new data: z ~ N(0, I), then x ~ p(x|z). The encoder is not involved.

        Parameters
        ----------
        n
            How many to draw.
        y
            Conditions of the new data, n rows, for a conditional model.
        generator
            Source of z and x; None means torch's global one.

        Returns
        -------
        torch.Tensor
            Shape (n, D). With an encoder of one's own that does not state its `input_width`, it is
            as wide as the decoder gives it, and of a decoder made for another likelihood only an
            output that cannot be split is refused.
        """
        z = self._draw_codes(n, generator)
        params = self._decode_checked(z, y, self.data_width)
        return self.likelihood.sample(params, generator=generator)

    @torch.no_grad()
    def sample_mean(
        self, n: int, y: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw z ~ N(0, I) and give the mean of p(x|z): new pictures without pixel noise.

        Parameters and result are those of `sample`; with the same generator, so are the codes.
        """
        z = self._draw_codes(n, generator)
        return self.likelihood.mean(self._decode_checked(z, y, self.data_width))

    def _draw_codes(self, n: int, generator: torch.Generator | None) -> Tensor:
        """Draw from the prior, (n, d), in the weights' dtype and on their device."""
        weight = find_weight(self)
        where: dict[str, Any] = (
            {} if weight is None else {"dtype": weight.dtype, "device": weight.device}
        )
        shape = check_count("n", n), self.d
        return torch.randn(shape, generator=_check_source(generator), **where)

    @torch.no_grad()
    def interpolate(
        self, x_from: Tensor, x_to: Tensor, y: Tensor | None = None, *, steps: int = 9
    ) -> Tensor:
        """Decode points on the straight line between the codes of two batches.

        Parameters
        ----------
        x_from, x_to
            Data, shape (B, D) each.
        y
            Conditions of both, for a conditional model.
        steps
            Number of points including the two ends, 2 or more.

        Returns
        -------
        torch.Tensor
            Means of p(x|z), shape (steps, B, D).
        """
        weight = find_weight(self)
        x_from = check_tensor("x_from", x_from, self._data_shape, like=weight, finite=True)
        x_to = check_tensor("x_to", x_to, self._data_shape, like=weight, finite=True)
        y = _check_rows(y, "x_from", x_from)
        check_same_shape("x_from", x_from, "x_to", x_to)
        steps = check_count("steps", steps, least=2)
        start, end = self.encode(x_from, y).mu, self.encode(x_to, y).mu  # (B, d) each
        t = torch.linspace(0, 1, steps, dtype=start.dtype, device=start.device)  # (steps,)
        z = start + t[:, None, None] * (end - start)  # (steps, B, d)
        return self.likelihood.mean(self._decode_checked(z, y, x_from.shape[1]))

    # ---------------------------------------------------------------- bounds

    def loss(
        self,
        x: Tensor,
        y: Tensor | None = None,
        *,
        posterior: Posterior | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Negative bound of a batch and its parts, each a scalar in nats per sample.

        Parameters
        ----------
        x
            Data, shape (B, D).
        y
            Conditions, B rows, for a conditional model.
        posterior
            Draw codes from this q instead of q(z|x), mu and log_var of shape (B, d) each: the
            bound on log p(x) holds for any.
        generator
            Source of eps; None means torch's global one.

        Returns
        -------
        dict
            ``"loss"``, minimised: ``reconstruction + beta * kl_weight * kl`` in training mode,
            ``reconstruction + beta * kl`` in evaluation mode, and the negative IWAE bound, without
            weights, for K > 1. ``"reconstruction"``: minus the average of log p(x|z). ``"kl"``:
            the KL of q from the prior, before any weight.

        Raises
        ------
        ValueError, TypeError
            If x is not of shape (B, D), holds a value that the likelihood cannot produce, or does
            not fit y, `posterior` or a part of the model.
        """
        x = self._check_data(x, least=1)
        y = _check_rows(y, "x", x)
        if posterior is None:
            posterior = self._encode(x, y)
        else:
            posterior = self._check_posterior(posterior, len(x), "posterior is", "posterior's")
        posterior = Posterior(*(t.to(x.dtype) for t in posterior))
        z = reparameterise(*posterior, K=self.K, generator=generator)  # (K, B, d)
        log_px = self._log_px(x, z, y)  # (K, B)
        kl = gaussian_kl(*posterior)  # (B,)
        if self.K == 1:
            weight = self.beta * (self.kl_weight if self.training else 1.0)
            bound = elbo(log_px[0], kl, beta=weight)  # (B,)
        else:
            bound = importance_bound(_log_weights(log_px, z, posterior))  # (K, B) -> (B,)
        return {
            "loss": -mean_over_batch(bound),
            "reconstruction": -mean_over_batch(log_px),
            "kl": mean_over_batch(kl),
        }

    @torch.no_grad()
    def log_likelihood(
        self,
        x: Tensor,
        y: Tensor | None = None,
        *,
        K: int,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Estimate log p(x) of each sample from below, by the IWAE bound with K samples.

        Samples and draws are taken in parts, so that the decoder gives about a million numbers
        at a time, whatever B and K.

        Parameters
        ----------
        x
            Data, shape (B, D).
        y
            Conditions, B rows, for a conditional model.
        K
            Importance samples, 1 or more. K = 1 estimates the ELBO; published values use 5000.
        generator
            Source of eps; None means torch's global one.

        Returns
        -------
        torch.Tensor
            In nats, shape (B,).
        """
        K = check_count("K", K)
        x = self._check_data(x)
        y = _check_rows(y, "x", x)
        codes = max(1, _CHUNK // max(1, x.shape[1] * self.likelihood.params_per_dimension))
        draws = min(K, codes)  # per sample at a time
        bounds = []
        for rows in torch.arange(len(x), device=x.device).split(max(1, codes // draws)):
            x_part, y_part = x[rows], None if y is None else y[rows]  # (b, D)
            posterior = Posterior(*(t.to(x.dtype) for t in self._encode(x_part, y_part)))
            log_weights = []
            for start in range(0, K, draws):
                z = reparameterise(*posterior, K=min(draws, K - start), generator=generator)
                log_px = self._log_px(x_part, z, y_part)  # (draws, b)
                log_weights.append(_log_weights(log_px, z, posterior))
            bounds.append(importance_bound(torch.cat(log_weights)))  # (K, b) -> (b,)
        return torch.cat(bounds)  # (B,)

    def _check_data(self, x: Tensor, *, least: int = 0) -> Tensor:
        """Return x as bounds take it, in float32 or better; an error for what it cannot be."""
        like = find_weight(self)
        if like is not None and like.dtype in _HALF:
            like = like.new_empty(0, dtype=torch.float32)
        x = check_tensor("x", x, self._data_shape, like=like, least=least)
        self.likelihood.check_data(x)
        return x

    def _log_px(self, x: Tensor, z: Tensor, y: Tensor | None) -> Tensor:
        """Log p(x|z) of K codes per sample: ``(K, B, d) -> (K, B)``."""
        params = self._decode_checked(z, y, x.shape[1])  # (K, B, D * params_per_dimension)
        return sum_over_dimensions(self.likelihood.log_prob(x, params))  # (K, B, D) -> (K, B)


def _log_weights(log_px: Tensor, z: Tensor, posterior: Posterior) -> Tensor:
    """Weigh codes (K, B, d) by ``log w = log p(x|z) + log p(z) - log q(z|x)``: (K, B)."""
    return log_px + gaussian_log_prob(z) - gaussian_log_prob(z, *posterior)


def _widen(t: Tensor) -> Tensor:
    """Bring numbers of half precision to float32, which sums of many of them need."""
    return t.float() if t.dtype in _HALF else t


def check_parts(likelihood: object, condition: object) -> None:
    """Refuse what is no likelihood, or no condition."""
    check_instance(
        "likelihood", likelihood, Likelihood, "one of vqvae_lib.likelihoods, such as Gaussian()"
    )
    check_instance(
        "condition", condition, Condition, "one of vqvae_lib.conditions, such as Labels(10)"
    )


def _check_rows(y: Tensor | None, name: str, rows: Tensor) -> Tensor | None:
    """Return conditions as a tensor; an error if they are not as many as the rows of another."""
    if y is not None:
        y = check_tensor("y", y, ("B", ...), dtype=None)
        check_same_length("y", y, name, rows)
    return y


def _check_source(generator: torch.Generator | None) -> torch.Generator | None:
    return None if generator is None else check_generator("generator", generator)


class KLWarmUp:
    """Let the weight of a VAE's KL rise from 1/epochs to 1, and stay there.

    For ``fit(model, ..., before_epoch=KLWarmUp(model, 20))``, which enters it as a context: when
    training ends, however it ends, the KL has the weight that it had before. It belongs to one
    model: a copy of that, or its twin on another backend, has a KL weight of its own and needs a
    warm-up of its own; `fit` refuses one that was made for another model.

    Parameters
    ----------
    model
        The VAE that is trained, with K = 1.
    epochs
        Length of the rise.

    Raises
    ------
    TypeError
        If `model` is not a `VAE`.
    ValueError
        If `epochs` is not a whole number of at least 1, or the model's bound has no KL term.
    """

    def __init__(self, model: VAE, epochs: int) -> None:
        if not isinstance(model, VAE):
            raise TypeError(
                f"model is {describe(model)}: expected a VAE, whose loss weighs the KL by kl_weight"
            )
        if model.K > 1:
            raise ValueError(
                f"model has K={model.K}: its importance-weighted bound has no KL term to weigh; "
                "expected a model with K=1"
            )
        self.model = model
        self.epochs = check_count("epochs", epochs)

    def __call__(self, epoch: int) -> None:
        """Set the weight for an epoch, counted from 0."""
        self.model.kl_weight = min(1.0, (epoch + 1) / self.epochs)

    def __enter__(self) -> KLWarmUp:
        self._weight_before = self.model.kl_weight
        vars(self.model)["_weight_before_warm_up"] = self._weight_before  # for copies of it
        return self

    def __exit__(self, *error: object) -> None:
        self.model.kl_weight = self._weight_before
        vars(self.model).pop("_weight_before_warm_up", None)

    def __repr__(self) -> str:
        return f"KLWarmUp(epochs={self.epochs})"


def mlp_vae(
    D: int,
    hidden: int,
    d: int,
    likelihood: Likelihood,
    *,
    condition: Condition = NoCondition(),
    activation: str = "gelu",
    beta: float = 1.0,
    K: int = 1,
) -> VAE:
    """Build the plainest VAE: one hidden layer on either side, nothing in the middle.

    Parameters
    ----------
    D
        Dimension of the data.
    hidden
        Width of the hidden layers.
    d
        Latent dimension.
    likelihood
        p(x|z), which decides how many numbers the decoder gives for each dimension.
    condition
        What y is, for a model of p(x|y), as in `VAE`.
    activation
        Nonlinearity of the hidden layers, one of those of `vqvae_lib.networks.mlp`.
    beta, K
        As in `VAE`.

    Returns
    -------
    VAE
        D -> hidden -> d -> hidden -> parameters of the likelihood.
    """
    D, d = check_count("D", D), check_count("d", d)
    check_parts(likelihood, condition)
    hidden = check_count("hidden", hidden)
    check_activation("activation", activation)
    trunk = mlp([D + condition.width, hidden], output_activation=activation)
    encoder = GaussianEncoder(trunk, hidden, d)
    widths = [d + condition.width, hidden, D * likelihood.params_per_dimension]
    decoder = mlp(widths, activation=activation)
    return VAE(encoder, decoder, likelihood, condition=condition, beta=beta, K=K)
