"""One training run: all that changes while a model is trained, and that a resume must get back."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqvae_lib._checks import describe
from vqvae_lib._evaluating import evaluating
from vqvae_lib._process import GlobalGenerators, use_one_thread
from vqvae_lib._samples import Samples, describe_scale
from vqvae_lib.history import History

__all__ = ["OPTIMIZERS", "Run", "TrainingDiverged", "Transform"]

Transform = Callable[[Tensor, torch.Generator], Tensor]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


class TrainingDiverged(RuntimeError):
    """The loss or a weight stopped being finite; the model is back at its last good epoch.

    Attributes
    ----------
    history : History
        Of the epochs before.
    """

    history: History


class Run:
    """A model in training: its optimiser, everything it draws from, and what happened so far.

    Parameters
    ----------
    model
        Its weights change in place.
    optimizer, weight_decay
        As `fit` takes them.
    seed
        Of all that is drawn.
    """

    def __init__(self, model: nn.Module, optimizer: str, weight_decay: float, seed: int) -> None:
        # All of them: a frozen one has no gradient and stays, and may be thawed later.
        parameters = list(model.parameters())
        device = parameters[0].device
        # fused: one kernel for all weights, which takes a quarter off a small model's step. Not
        # every device has it; None leaves the choice to torch.
        fused = True if device.type in ("cpu", "cuda") else None
        self.model = model
        self.seed = seed
        self.optimizer = OPTIMIZERS[optimizer](parameters, weight_decay=weight_decay, fused=fused)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.global_generators = GlobalGenerators(device, seed)
        self.history = History()
        self.last_weights = _copy_weights(model)  # after the last completed epoch
        self.best_weights = self.last_weights

    @contextmanager
    def borrow_process(self, *, one_thread: bool) -> Iterator[None]:
        """Draw from the run's own state of torch's global generators, and set the threads."""
        with self.global_generators.installed(), use_one_thread(one_thread):
            yield

    def adopt_parameters(self) -> None:
        """Let the optimiser train what has joined the model since the last epoch."""
        group = self.optimizer.param_groups[0]["params"]
        known = set(map(id, group))
        new = [p for p in self.model.parameters() if id(p) not in known]
        if new:
            group.extend(new)
            self.last_weights = _copy_weights(self.model)

    def train_epoch(
        self,
        samples: Samples,
        batch_size: int,
        lr: float,
        transform: Transform | None,
        *,
        drop_last: bool,
    ) -> dict[str, float]:
        """Go through the samples once, in a new order; return each term's mean over them."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        N, epoch = len(samples[0]), self.history.epochs
        _seed_devices(self.model, self.seed, 1 + epoch)
        order = torch.randperm(N, generator=self.generator, device=self.generator.device)  # (N,)
        order = order[: N - N % batch_size if drop_last else N]
        sums: dict[str, float] = {}
        for step, rows in enumerate(order.split(batch_size)):
            x, *y = (part[rows] for part in samples)  # (B, ...) each
            if transform is not None:
                x = _transform_batch(transform, x, self.generator)
            terms = _compute_terms(self.model, (x, *y), self.generator)
            loss = terms["loss"].item()
            if not math.isfinite(loss):
                event = f"the loss became {loss} in epoch {epoch}, step {step}"
                raise self._make_divergence_error(event, samples[0], steps=epoch + step)
            self.optimizer.zero_grad()
            terms["loss"].backward()
            self.optimizer.step()
            _accumulate(sums, terms, len(rows))
        return {name: total / len(order) for name, total in sums.items()}

    def evaluate(self, samples: Samples, batch_size: int) -> dict[str, float]:
        """Return each term's mean over the samples, drawing the same noise each time."""
        generator = torch.Generator(self.generator.device).manual_seed(self.seed)
        _seed_devices(self.model, self.seed, 0)
        sums: dict[str, float] = {}
        with evaluating(self.model):
            # Without gradients there is room for larger batches.
            for batch in zip(*(part.split(max(batch_size, 1024)) for part in samples), strict=True):
                terms = _compute_terms(self.model, batch, generator)
                _accumulate(sums, terms, len(batch[0]))
        return {name: total / len(samples[0]) for name, total in sums.items()}

    def record(
        self, train: dict[str, float], valid: dict[str, float], lr: float, samples: Samples
    ) -> None:
        """Complete the epoch, if it left the model sound: keep its terms and its weights."""
        epoch = self.history.epochs
        if valid and not math.isfinite(valid["loss"]):
            event = f"the validation loss became {valid['loss']} after epoch {epoch}"
            raise self._make_divergence_error(event, samples[0])
        weights = _copy_weights(self.model)
        for name, t in weights.items():
            # The last step may have spoilt them without another loss to show it.
            if isinstance(t, Tensor) and not t.isfinite().all():
                event = f"{name} is not finite after epoch {epoch}"
                raise self._make_divergence_error(event, samples[0])
        self.history.append(train, valid, lr)
        self.last_weights = weights
        if self.history.best_epoch == epoch:
            self.best_weights = weights

    @contextmanager
    def undo_unless_completed(self) -> Iterator[None]:
        """Bring back the weights of the last completed epoch if the next one comes to no end."""
        try:
            yield
        except BaseException:
            self.model.load_state_dict(self.last_weights)
            raise

    def keep_best(self) -> None:
        """Give the model the weights of its best epoch."""
        # Not strict: a part may have joined the model after that epoch.
        self.model.load_state_dict(self.best_weights, strict=False)

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs, between two epochs: named tensors and the history."""
        return {
            "model": self.last_weights,
            "best": self.best_weights,
            "optimizer": self.optimizer.state_dict()["state"],
            "rng": {"generator": self.generator.get_state(), **self.global_generators.states},
            "history": asdict(self.history),
            "trained": [name for name, p in self.model.named_parameters() if p.requires_grad],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where another run's `state` was taken; ValueError if it is of another model."""
        self.history = History(**state["history"])
        self.last_weights, self.best_weights = state["model"], state["best"]
        try:
            self.model.load_state_dict(self.last_weights)
        except RuntimeError as error:
            raise ValueError(
                "the checkpoint's weights do not fit the model. Parts that `before_epoch` adds "
                f"have to be there before a run is resumed. torch says: {error}"
            ) from error
        for name, p in self.model.named_parameters():
            p.requires_grad_(name in state["trained"])
        settings = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state["optimizer"], "param_groups": settings})
        states = dict(state["rng"])
        self.generator.set_state(states.pop("generator"))
        self.global_generators.states = states

    def _make_divergence_error(
        self, event: str, x: Tensor, *, steps: int | None = None
    ) -> TrainingDiverged:
        if steps == 0:
            advice = "No step had been taken, so the learning rate is not the cause"
        else:
            advice = "Try a smaller lr"
        error = TrainingDiverged(
            f"{event}; the model is back at its weights before this epoch. {advice}; x_train has "
            f"{describe_scale(x)}, and networks begin with weights that suit numbers around 1."
        )
        error.history = self.history
        return error


def _seed_devices(model: nn.Module, seed: int, stage: int) -> None:
    """Restart the draws of whatever draws from a device of its own, such as a circuit with shots.

    Stage 0 is validation, which has to draw the same each time; 1 and above are the epochs. Each
    device gets numbers of its own.
    """
    devices = (part for part in model.modules() if hasattr(part, "manual_seed"))
    for number, device in enumerate(devices):
        numbers = np.random.SeedSequence([seed, stage, number]).generate_state(1)
        device.manual_seed(int(numbers[0]))  # type: ignore[operator]


def _transform_batch(transform: Transform, x: Tensor, generator: torch.Generator) -> Tensor:
    output = transform(x, generator)
    if not isinstance(output, Tensor) or output.shape != x.shape or output.dtype != x.dtype:
        raise ValueError(
            f"transform returned {describe(output)} for {describe(x)}: expected the same shape "
            "and dtype"
        )
    return output


def _compute_terms(
    model: nn.Module, batch: Samples, generator: torch.Generator
) -> dict[str, Tensor]:
    """Compute the terms of the loss; TypeError for anything but scalars by name."""
    terms = model.loss(*batch, generator=generator)  # type: ignore[operator]
    if not isinstance(terms, dict) or "loss" not in terms:
        output = (
            f"a dict with the keys {list(terms)}" if isinstance(terms, dict) else describe(terms)
        )
        raise TypeError(
            f"{type(model).__name__}.loss returned {output}: expected a dict of scalar tensors "
            'with the key "loss"'
        )
    # A term that is only recorded may be a plain number.
    terms = {
        name: torch.tensor(term) if isinstance(term, int | float) else term
        for name, term in terms.items()
    }
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.ndim > 0:
            raise TypeError(
                f"{type(model).__name__}.loss returned {describe(term)} as {name!r}: expected a "
                "scalar tensor, such as the mean over the batch"
            )
    if torch.is_grad_enabled() and not terms["loss"].requires_grad:
        raise TypeError(
            f"{type(model).__name__}.loss returned a loss that depends on no trainable weight: "
            "expected one computed by torch, of parameters with requires_grad=True"
        )
    return terms


def _accumulate(sums: dict[str, float], terms: dict[str, Tensor], count: int) -> None:
    """Add the terms, means over `count` samples, to the sums over all samples."""
    for name, term in terms.items():
        sums[name] = sums.get(name, 0.0) + count * term.item()


def _copy_weights(model: nn.Module) -> dict[str, Any]:
    """Copy a model's state: tensors, and whatever its parts call their extra state."""
    return {
        name: t.detach().clone() if isinstance(t, Tensor) else copy.deepcopy(t)
        for name, t in model.state_dict().items()
    }
