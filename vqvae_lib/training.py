"""Training: one loop, with a history, early stopping, checkpoints and a resume to the same bits.

A model is any ``nn.Module`` with ``loss(x, generator=g)``, or ``loss(x, y, generator=g)`` where
there are labels, that returns a dict of named scalar tensors, each a mean over the samples of the
batch. ``"loss"`` is minimised; the other terms are recorded along with it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vqvae_lib._checks import check_choice, check_count, check_flag, check_number, describe
from vqvae_lib._evaluating import evaluating, preserve_modes
from vqvae_lib._identity import identify_run
from vqvae_lib._progress import ProgressBar
from vqvae_lib._run_file import RunFile
from vqvae_lib._samples import Samples, check_samples
from vqvae_lib.history import History

__all__ = ["TrainingDiverged", "cosine", "fit"]

Transform = Callable[[Tensor, torch.Generator], Tensor]

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


class TrainingDiverged(RuntimeError):
    """The loss or a weight stopped being finite; the model is back at its last good epoch."""


def fit(
    model: nn.Module,
    x_train: Tensor,
    y_train: Tensor | None = None,
    *,
    epochs: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    optimizer: str = "adam",
    weight_decay: float = 0.0,
    x_valid: Tensor | None = None,
    y_valid: Tensor | None = None,
    patience: int | None = None,
    schedule: Callable[[int], float] | None = None,
    before_epoch: Callable[[int], None] | None = None,
    transform: Transform | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> History:
    """Train a model on data held in memory.

    Everything random follows from `seed`: on the CPU, with one installation and number of threads,
    the same call on the same model gives the same bits. That holds for randomness drawn from torch;
    functions of the caller's own have to draw from the generator that they are given. On a GPU,
    torch may add in another order each time. Torch's global generators and the modes (training or
    evaluation) of the model's parts are left as they were.

    Parameters
    ----------
    model
        Has ``loss(x, generator=g) -> {"loss": scalar, ...}``, each term a mean over the batch: the
        history weighs it by the batch's size, so a sum would give wrong numbers without an error.
        The weights change in place; a `checkpoint` of the same run replaces those that it has now.
    x_train
        Data, shape (N, ...) with two axes or more, finite, of the model's dtype, on its device.
    y_train
        Labels or other conditions, shape (N, ...), of any dtype; the loss is then called as
        ``loss(x, y, generator=g)``.
    epochs
        How often to go through the data, the epochs before a resume included.
    batch_size
        Samples per step; the last batch of an epoch may be smaller. Validation, which needs no
        memory for gradients, takes at least 1024 samples at a time.
    lr
        Learning rate.
    optimizer
        "adam", "adamw" or "sgd" (without momentum).
    weight_decay
        As the optimiser defines it.
    x_valid
        Data on which the loss is measured after each epoch, shape (N_valid, ...). Whatever the
        loss draws from its generator there is the same in every epoch, so that epochs can be
        compared.
    y_valid
        Its labels, shape (N_valid, ...), where `y_train` is given.
    patience
        Stop once the validation loss hasn't improved for this many epochs, and in any case end
        with the weights of the best epoch. None: run all epochs and end with the last weights.
    schedule
        Maps the epoch, counted from 0, to a factor on `lr`; `cosine` makes one.
    before_epoch
        Called with the epoch, counted from 0, before it begins; `vqvae_lib.vae.KLWarmUp` is one.
        If it is a context manager, training takes place inside it, so that it can put back what it
        changed. What it does may depend on the epoch alone, or a resumed run would differ.
    transform
        Maps each training batch and a generator to the batch that is trained on, of the same
        shape: ``lambda x, g: binarise(x, generator=g)`` draws black and white anew each time.
    checkpoint
        File that is written after each epoch. A run that was interrupted goes on from it when the
        same call is made again, and ends with the same bits as if it had never stopped, under the
        conditions above. The file of another run is refused: settings, data, functions, the
        printed model and its parameters' shapes are compared.
    resume
        Whether to go on from `checkpoint` if it exists. The file's weights then replace the
        model's, whatever these were: a pretrained model of the same architecture loses its own.
        False starts anew from the model's weights, and overwrites the file.
    seed
        Seeds the order of the samples, whatever the model draws, and its dropout.
    progress
        Whether to show a progress bar on stderr. None: on a terminal or in a notebook.
        VQVAE_PROGRESS=0 in the environment hides it in any case.

    Returns
    -------
    History
        Of all epochs, those before a resume included.

    Raises
    ------
    ValueError
        If an argument doesn't fit, the data is not finite, or `checkpoint` is damaged or belongs
        to another run.
    TypeError
        If the data is not a tensor of floating-point numbers, or `model` is not a module whose
        ``loss`` returns a dict of scalar tensors with the key ``"loss"``.
    TrainingDiverged
        If the loss or a weight stops being finite: model and checkpoint keep the last good epoch.

    Examples
    --------
    >>> from vqvae_lib import fit, load_digits, mlp_autoencoder
    >>> data = load_digits()
    >>> history = fit(mlp_autoencoder(64, 128, 2), data.x_train, epochs=3, x_valid=data.x_valid)
    >>> len(history.train["loss"]), len(history.valid["loss"])
    (3, 3)
    """
    _check_model(model)
    epochs = check_count("epochs", epochs)
    batch_size = check_count("batch_size", batch_size)
    lr = check_number("lr", lr, above=0)
    check_choice("optimizer", optimizer, _OPTIMIZERS)
    weight_decay = check_number("weight_decay", weight_decay, least=0)
    check_flag("resume", resume)
    seed = check_count("seed", seed, least=0)
    check_choice("progress", progress, (None, False, True))
    train, valid = check_samples(model, x_train, y_train, x_valid, y_valid)
    if patience is not None:
        patience = check_count("patience", patience)
        if not valid:
            raise ValueError(f"patience={patience} without x_valid: expected data to watch")
    learning_rates = _list_learning_rates(lr, schedule, epochs)

    run_file = None
    if checkpoint is not None:
        identity = identify_run(
            model,
            train,
            valid,
            seed=seed,
            batch_size=batch_size,
            optimizer=optimizer,
            weight_decay=weight_decay,
            patience=patience,
            transform=transform,
            before_epoch=before_epoch,
        )
        run_file = RunFile(Path(checkpoint), identity)
    context = before_epoch if isinstance(before_epoch, AbstractContextManager) else nullcontext()

    with _isolate_randomness(x_train.device, seed), preserve_modes(model), context:
        run = _Run(model, optimizer, weight_decay, seed)
        if run_file is not None and resume and run_file.exists():
            run.restore(run_file.read(learning_rates))

        with ProgressBar(progress, epochs, run.history.epochs) as bar:
            for epoch in range(run.history.epochs, epochs):
                if patience is not None and run.history.epochs_since_best >= patience:
                    break
                if before_epoch is not None:
                    before_epoch(epoch)
                with run.undo_divergence():
                    train_terms = run.train_epoch(
                        train, batch_size, learning_rates[epoch], transform
                    )
                    valid_terms = run.evaluate(valid, batch_size) if valid else {}
                    run.record(train_terms, valid_terms, learning_rates[epoch])
                if run_file is not None:
                    run_file.write(run.state())
                bar.advance(train_terms, valid_terms)

        if patience is not None:
            model.load_state_dict(run.best_weights)
    run.optimizer.zero_grad()  # the gradients' memory is of no more use
    return run.history


def cosine(epochs: int) -> Callable[[int], float]:
    """Make a schedule that falls from 1 to 0 along half a cosine, for `fit(..., schedule=...)`.

    Parameters
    ----------
    epochs
        Length of the fall; the factor stays 0 afterwards.

    Raises
    ------
    ValueError
        If `epochs` is not a whole number of at least 1.

    Examples
    --------
    >>> [round(cosine(4)(epoch), 2) for epoch in range(4)]
    [1.0, 0.85, 0.5, 0.15]
    """
    epochs = check_count("epochs", epochs)
    return lambda epoch: 0.5 * (1 + math.cos(math.pi * min(epoch / epochs, 1.0)))


class _Run:
    """All that changes while a model is trained, and that a resumed run must get back."""

    def __init__(self, model: nn.Module, optimizer: str, weight_decay: float, seed: int) -> None:
        parameters = [p for p in model.parameters() if p.requires_grad]
        self.model = model
        self.seed = seed
        device = parameters[0].device
        # fused: one kernel for all weights, which takes a quarter off a small model's step. Not
        # every device has it; None leaves the choice to torch.
        fused = True if device.type in ("cpu", "cuda") else None
        self.optimizer = _OPTIMIZERS[optimizer](parameters, weight_decay=weight_decay, fused=fused)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.history = History()
        self.last_weights = _copy_weights(model)  # after the last completed epoch
        self.best_weights = self.last_weights

    def train_epoch(
        self, samples: Samples, batch_size: int, lr: float, transform: Transform | None
    ) -> dict[str, float]:
        """Go through the samples once, in a new order; return each term's mean over them."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.model.train()
        N = len(samples[0])
        sums: dict[str, float] = {}
        order = torch.randperm(N, generator=self.generator, device=self.generator.device)  # (N,)
        for step, rows in enumerate(order.split(batch_size)):
            x, *y = (part[rows] for part in samples)  # (B, ...) each
            if transform is not None:
                x = _transform_batch(transform, x, self.generator)
            terms = _compute_terms(self.model, (x, *y), self.generator)
            loss = terms["loss"].item()
            if not math.isfinite(loss):
                raise _make_divergence_error(
                    f"the loss became {loss} in epoch {self.history.epochs}, step {step}"
                )
            self.optimizer.zero_grad()
            terms["loss"].backward()
            self.optimizer.step()
            _accumulate(sums, terms, len(rows))
        return {name: total / N for name, total in sums.items()}

    def evaluate(self, samples: Samples, batch_size: int) -> dict[str, float]:
        """Return each term's mean over the samples, drawing the same noise each time."""
        generator = torch.Generator(self.generator.device).manual_seed(self.seed)
        sums: dict[str, float] = {}
        with evaluating(self.model):
            # Without gradients there is room for larger batches.
            for batch in zip(*(part.split(max(batch_size, 1024)) for part in samples), strict=True):
                terms = _compute_terms(self.model, batch, generator)
                _accumulate(sums, terms, len(batch[0]))
        return {name: total / len(samples[0]) for name, total in sums.items()}

    def record(self, train: dict[str, float], valid: dict[str, float], lr: float) -> None:
        """Complete the epoch, if it left the model sound: keep its terms and its weights."""
        epoch = self.history.epochs
        if valid and not math.isfinite(valid["loss"]):
            raise _make_divergence_error(
                f"the validation loss became {valid['loss']} after epoch {epoch}"
            )
        weights = _copy_weights(self.model)
        for name, t in weights.items():
            # The last step may have spoilt them without another loss to show it.
            if not t.isfinite().all():
                raise _make_divergence_error(f"{name} is not finite after epoch {epoch}")
        self.history.append(train, valid, lr)
        self.last_weights = weights
        if self.history.best_epoch == epoch:
            self.best_weights = weights

    @contextmanager
    def undo_divergence(self) -> Iterator[None]:
        """Bring back the weights of the last completed epoch if the next one diverges."""
        try:
            yield
        except TrainingDiverged:
            self.model.load_state_dict(self.last_weights)
            raise

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs, between two epochs: named tensors and the history."""
        rng = {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.generator.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.generator.device)
        return {
            "model": self.last_weights,
            "best": self.best_weights,
            "optimizer": self.optimizer.state_dict()["state"],
            "rng": rng,
            "history": asdict(self.history),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where another run's `state` was taken."""
        self.history = History(**state["history"])
        self.last_weights, self.best_weights = state["model"], state["best"]
        self.model.load_state_dict(self.last_weights)
        settings = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state["optimizer"], "param_groups": settings})
        self.generator.set_state(state["rng"]["generator"])
        torch.set_rng_state(state["rng"]["torch"])
        if self.generator.device.type == "cuda":
            torch.cuda.set_rng_state(state["rng"]["cuda"], self.generator.device)


def _check_model(model: nn.Module) -> None:
    if not isinstance(model, nn.Module) or not callable(getattr(model, "loss", None)):
        raise TypeError(
            f"model is {describe(model)} without a method `loss`: expected a torch.nn.Module with "
            'loss(x, generator=g) -> {"loss": scalar tensor, ...}'
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("model has no parameter to train: expected one with requires_grad=True")


def _list_learning_rates(
    lr: float, schedule: Callable[[int], float] | None, epochs: int
) -> list[float]:
    """Learning rate of each epoch."""
    if schedule is None:
        return [lr] * epochs
    return [
        lr * check_number(f"schedule({epoch})", schedule(epoch), least=0) for epoch in range(epochs)
    ]


@contextmanager
def _isolate_randomness(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's global generators inside, since dropout draws from them; put them back after."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


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
    terms = model.loss(*batch, generator=generator)  # type: ignore[operator]
    if not isinstance(terms, dict) or "loss" not in terms:
        output = (
            f"a dict with the keys {list(terms)}" if isinstance(terms, dict) else describe(terms)
        )
        raise TypeError(
            f"{type(model).__name__}.loss returned {output}: expected a dict of scalar tensors "
            'with the key "loss"'
        )
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.ndim > 0:
            raise TypeError(
                f"{type(model).__name__}.loss returned {describe(term)} as {name!r}: expected a "
                "scalar tensor, such as the mean over the batch"
            )
    return terms


def _accumulate(sums: dict[str, float], terms: dict[str, Tensor], count: int) -> None:
    """Add the terms, means over `count` samples, to the sums over all samples."""
    for name, term in terms.items():
        sums[name] = sums.get(name, 0.0) + count * term.item()


def _make_divergence_error(event: str) -> TrainingDiverged:
    return TrainingDiverged(
        f"{event}; the model is back at its weights before this epoch. Try a smaller lr."
    )


def _copy_weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in model.state_dict().items()}
