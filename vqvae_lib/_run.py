"""One training run: all that changes from epoch to epoch, and that a resumed run gets back."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from vqvae_lib._checks import describe
from vqvae_lib._evaluating import begin_training, evaluating, find_held
from vqvae_lib._process import GlobalGenerators
from vqvae_lib._samples import Samples, describe_scale, is_out_of_scale
from vqvae_lib.history import History

__all__ = ["OPTIMIZERS", "Run", "TrainingDiverged", "TrainingInterrupted", "Transform"]

BeforeEpoch = Callable[[int], Any]
Transform = Callable[[Tensor, torch.Generator], Tensor]
Terms = dict[str, Tensor | float]

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
        Of the completed epochs.
    """

    history: History


class TrainingInterrupted(KeyboardInterrupt):
    """Training was stopped by hand; the model is at its last completed epoch, or at its best.

    In a notebook, ``sys.last_value.history`` is at hand after a stop.

    Attributes
    ----------
    history : History
        Of the completed epochs.
    """

    history: History


@dataclass(frozen=True)
class _Completed:
    """What stands after the last completed epoch: replaced as a whole, whatever interrupts."""

    history: History
    weights: dict[str, Any]
    best: dict[str, Any]  # the weights of the best epoch


# Where people find them.
TrainingDiverged.__module__ = TrainingInterrupted.__module__ = "vqvae_lib.training"


class Run:
    """A model in training, with its optimiser, its random numbers and what it has completed."""

    def __init__(
        self,
        model: nn.Module,
        train: Samples,
        valid: Samples,
        *,
        seed: int,
        batch_size: int,
        drop_last: bool,
        optimizer: str,
        weight_decay: float,
        transform: Transform | None,
        before_epoch: BeforeEpoch | None,
    ) -> None:
        self.model, self.train, self.valid = model, train, valid
        self.seed, self.batch_size, self.drop_last = seed, batch_size, drop_last
        self.transform, self.before_epoch = transform, before_epoch
        self.device = train[0].device
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.global_generators = GlobalGenerators(self.device, seed)
        self.held = find_held(model)
        # All weights, frozen ones too, which have no gradient and so are passed over: they may be
        # thawed. fused: one kernel for all of them, which takes a quarter off a small model's
        # step. Not every device has it; None leaves the choice to torch.
        fused = True if self.device.type in ("cpu", "cuda") else None
        weights = _list_weights(model)
        self.optimizer = OPTIMIZERS[optimizer](weights, weight_decay=weight_decay, fused=fused)
        self.trained_at_first = self._list_trained()
        start = _copy_weights(model)
        self.completed = _Completed(History(), start, start)

    @property
    def history(self) -> History:
        """Of the completed epochs."""
        return self.completed.history

    # ---------------------------------------------------------------- an epoch

    def begin_epoch(self, epoch: int) -> None:
        """Let the caller change the model, and get ready for what it has become."""
        if self.before_epoch is not None:
            self.before_epoch(epoch)
        begin_training(self.model, self.held)
        known = {p for group in self.optimizer.param_groups for p in group["params"]}
        if added := [p for p in _list_weights(self.model) if p not in known]:
            self.optimizer.add_param_group({"params": added})

    def train_epoch(self, lr: float) -> dict[str, float]:
        """Go through the samples once, in a new order; return each term's mean over them."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        epoch, N = self.history.epochs, len(self.train[0])
        _seed_devices(self.model, f"{self.seed} training {epoch}")
        means = _Means()
        order = torch.randperm(N, generator=self.generator, device=self.device)  # (N,)
        for step, rows in enumerate(order.split(self.batch_size)):
            if self.drop_last and len(rows) < self.batch_size:
                break
            x, *y = (part[rows] for part in self.train)  # (B, ...) each
            if self.transform is not None:
                x = _transform_batch(self.transform, x, self.generator)
            terms = self._compute_terms((x, *y), self.generator)
            loss = _check_loss(terms["loss"], self.model)
            value = loss.item()
            if not math.isfinite(value):
                raise self._diverge(f"the loss became {value} in epoch {epoch}, step {step}", step)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            means.add(terms, len(rows))
        return means.compute()

    def evaluate(self) -> dict[str, float]:
        """Return each term's mean over the validation data, drawing the same noise each time."""
        if not self.valid:
            return {}
        _seed_devices(self.model, f"{self.seed} validation")
        generator = torch.Generator(self.device).manual_seed(self.seed)
        means = _Means()
        with evaluating(self.model):
            # Without gradients there is room for larger batches.
            size = max(self.batch_size, 1024)
            for batch in zip(*(part.split(size) for part in self.valid), strict=True):
                means.add(self._compute_terms(batch, generator), len(batch[0]))
        return means.compute()

    def complete_epoch(self, train: dict[str, float], valid: dict[str, float], lr: float) -> None:
        """Complete the epoch, if it left the model sound: keep its terms and its weights."""
        epoch = self.history.epochs
        if valid and not math.isfinite(valid["loss"]):
            raise self._diverge(f"the validation loss became {valid['loss']} after epoch {epoch}")
        weights = _copy_weights(self.model)
        for name, t in weights.items():
            # The last step may have spoilt them without another loss to show it.
            if not _is_finite(t) and _is_finite(self.completed.weights.get(name)):
                raise self._diverge(f"{name} is not finite after epoch {epoch}")
        history = self.history.copy()
        history.append(train, valid, lr)
        best = weights if history.best_epoch == epoch else self.completed.best
        self.completed = _Completed(history, weights, best)

    def _compute_terms(self, batch: Samples, generator: torch.Generator) -> Terms:
        try:
            terms = self.model.loss(*batch, generator=generator)  # type: ignore[operator]
        except ValueError as error:
            if len(batch[0]) > 1 or not self.model.training or "per channel" not in str(error):
                raise
            raise ValueError(
                "a batch has 1 sample, and batch normalisation needs two to train with: pass "
                "drop_last=True if it is the last of an epoch, or another batch_size"
            ) from error
        return _check_terms(terms, self.model)

    def _diverge(self, event: str, step: int = -1) -> TrainingDiverged:
        data = [("x_train", self.train[0]), *(("x_valid", x) for x in self.valid[:1])]
        odd = [(name, x) for name, x in data if is_out_of_scale(x)]
        looks = "; ".join(describe_scale(name, x) for name, x in odd or data)
        if step == 0 and not self.history.epochs:
            advice = f"No step has been taken yet: look at data and loss. {looks}."
        elif odd:
            advice = f"Try a smaller lr, or other units: {looks}."
        else:
            advice = "Try a smaller lr."
        return TrainingDiverged(f"{event}; what this epoch did is undone. {advice}")

    # ---------------------------------------------------------------- beginning and end

    @contextmanager
    def ending_well(self, *, best: bool) -> Iterator[None]:
        """End with the weights of the best epoch or, after an accident, of the last good one."""
        try:
            yield
        except BaseException as error:
            self._put_back(best=best)
            self._set_trained(self.trained_at_first)  # so that the same call can be made again
            if isinstance(error, KeyboardInterrupt):
                stop = TrainingInterrupted(
                    f"stopped after {self.history.epochs} completed epochs; the model has the "
                    f"weights of the {'best' if best else 'last'} of them, and their history is "
                    "`sys.last_value.history`"
                )
                stop.history = self.history
                raise stop from None
            with suppress(AttributeError):  # not every exception has a place for it
                error.history = self.history  # type: ignore[attr-defined]
            raise
        else:
            if best:
                self._put_back(best=True)
        finally:
            self.optimizer.zero_grad()  # the gradients' memory is of no more use

    def _put_back(self, *, best: bool) -> None:
        # Not strictly: since then the caller may have added parts.
        weights = self.completed.best if best else self.completed.weights
        self.model.load_state_dict(weights, strict=False)

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs, between two epochs: named tensors and the history."""
        names: dict[Tensor, str] = {p: name for name, p in self.model.named_parameters()}
        entries = self.optimizer.state.items()
        return {
            "model": self.completed.weights,
            "best": self.completed.best,
            "optimizer": {names[p]: state for p, state in entries if p in names},
            "rng": {"generator": self.generator.get_state(), **self.global_generators.states},
            "history": asdict(self.history),
            "trained": self._list_trained(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where another run's `state` was taken.

        What the caller did to the model before each of its epochs is done to this one, too.
        """
        history = History(**state["history"])
        with self.global_generators.installed():
            for epoch in range(history.epochs):
                self.begin_epoch(epoch)
        _check_names(state["model"], self.model)
        self.model.load_state_dict(state["model"])
        self._set_trained(state["trained"])
        self.completed = _Completed(history, state["model"], state["best"])
        names = {p: name for name, p in self.model.named_parameters()}
        settings = self.optimizer.state_dict()["param_groups"]
        order = [names.get(p) for group in self.optimizer.param_groups for p in group["params"]]
        entries = {i: state["optimizer"][n] for i, n in enumerate(order) if n in state["optimizer"]}
        self.optimizer.load_state_dict({"state": entries, "param_groups": settings})
        self.generator.set_state(state["rng"]["generator"])
        self.global_generators.states = {n: state["rng"][n] for n in self.global_generators.states}

    def _list_trained(self) -> list[str]:
        return [name for name, p in self.model.named_parameters() if p.requires_grad]

    def _set_trained(self, names: list[str]) -> None:
        for name, p in self.model.named_parameters():
            if p.is_floating_point():
                p.requires_grad_(name in names)


class _Means:
    """Means of terms over all samples, from their means over batches."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.batches: dict[str, list[Any]] = {}

    def add(self, terms: Terms, count: int) -> None:
        """Add a batch's terms, means over `count` samples."""
        if self.counts and terms.keys() != self.batches.keys():
            raise ValueError(
                f"loss returned the terms {list(terms)} for a batch and {list(self.batches)} for "
                "those before it: expected the same for all"
            )
        self.counts.append(count)
        for name, term in terms.items():
            if isinstance(term, Tensor):
                # Reading a number waits for a GPU: that is done once, at the end of the epoch.
                term = term.item() if term.device.type == "cpu" else term.detach().clone()
            self.batches.setdefault(name, []).append(term)

    def compute(self) -> dict[str, float]:
        """Weigh each batch by its size."""
        means = {}
        for name, terms in self.batches.items():
            numbers = torch.stack(terms).tolist() if isinstance(terms[0], Tensor) else terms
            total = sum(n * float(term) for n, term in zip(self.counts, numbers, strict=True))
            means[name] = total / sum(self.counts)
        return means


def _seed_devices(model: nn.Module, purpose: str) -> None:
    """Restart the draws of parts that have their own, such as a quantum device with shots."""
    parts = [part for part in model.modules() if callable(getattr(part, "manual_seed", None))]
    for i, part in enumerate(parts):
        digest = hashlib.sha256(f"{purpose} {i}".encode()).digest()
        part.manual_seed(int.from_bytes(digest[:4], "big") >> 1)  # type: ignore[operator]


def _transform_batch(transform: Transform, x: Tensor, generator: torch.Generator) -> Tensor:
    output = transform(x, generator)
    if not isinstance(output, Tensor) or output.shape != x.shape or output.dtype != x.dtype:
        raise ValueError(
            f"transform returned {describe(output)} for {describe(x)}: expected the same shape "
            "and dtype"
        )
    return output


def _check_terms(terms: Any, model: nn.Module) -> Terms:
    """Refuse what is not a dict of real numbers with the key "loss"."""
    method = f"{type(model).__name__}.loss"
    if not isinstance(terms, dict) or "loss" not in terms:
        output = (
            f"a dict with the keys {list(terms)}" if isinstance(terms, dict) else describe(terms)
        )
        raise TypeError(
            f'{method} returned {output}: expected a dict of scalar tensors with the key "loss"'
        )
    for name, term in terms.items():
        scalar = isinstance(term, Tensor) and term.ndim == 0 and not term.is_complex()
        # Not the loss, which must have a gradient.
        if not scalar and (name == "loss" or not isinstance(term, Real)):
            raise TypeError(
                f"{method} returned {describe(term)} as {name!r}: expected a scalar tensor, such "
                "as the mean over the batch"
            )
    return terms


def _check_loss(loss: Any, model: nn.Module) -> Tensor:
    if not loss.requires_grad:
        raise ValueError(
            f"{type(model).__name__}.loss returned a loss without a gradient: expected one that "
            "depends on a weight with requires_grad=True, and no detach(), item() or no_grad()"
        )
    return loss


def _check_names(weights: dict[str, Tensor], model: nn.Module) -> None:
    """Refuse a model that the caller has changed in another way than that of the file."""
    shapes = {name: getattr(t, "shape", None) for name, t in model.state_dict().items()}
    if shapes != {name: t.shape for name, t in weights.items()}:
        odd = next(n for n in {**shapes, **weights} if n not in shapes or n not in weights
                   or shapes[n] != weights[n].shape)  # fmt: skip
        raise ValueError(
            f"checkpoint and model differ in {odd}: expected before_epoch to add the same parts "
            "each time, by the epoch alone; pass resume=False to start anew"
        )


def _list_weights(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.is_floating_point()]


def _copy_weights(model: nn.Module) -> dict[str, Any]:
    """Copy all that a model saves: weights, buffers and, of some, an extra state of any kind."""
    return {
        name: t.detach().clone() if isinstance(t, Tensor) else deepcopy(t)
        for name, t in model.state_dict().items()
    }


def _is_finite(t: Any) -> bool:
    return not isinstance(t, Tensor) or bool(t.isfinite().all())
