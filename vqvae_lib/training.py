"""Training: one readable loop, with history, early stopping, checkpoints and exact resume.

A model is anything with ``loss(x, generator=g)``, or ``loss(x, y, generator=g)`` where there are
labels, returning a dict of named scalars, of which ``"loss"`` is minimised; the other terms are
recorded beside it.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint
from vqvae_lib._checks import check_count

__all__ = ["History", "TrainingDiverged", "cosine", "fit"]

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


Transform = Callable[[Tensor, torch.Generator], Tensor]


class TrainingDiverged(RuntimeError):
    """The loss or a weight stopped being finite; the model is back at its last good epoch."""


@dataclass(repr=False)
class History:
    """What happened in training, epoch by epoch.

    Attributes
    ----------
    train
        Each term of the loss by name: its mean over each epoch's training batches, taken while
        the weights move.
    valid
        The same on the validation data, after each epoch; empty without such data.
    lr
        Learning rate of each epoch.
    """

    train: dict[str, list[float]] = field(default_factory=dict)
    valid: dict[str, list[float]] = field(default_factory=dict)
    lr: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """Epochs run."""
        return len(self.lr)

    @property
    def best_epoch(self) -> int | None:
        """Epoch, counted from 0, of the smallest loss: validation's if there is, else training's.

        The first of equals; None before the first epoch.
        """
        losses = (self.valid or self.train).get("loss", [])
        return min(range(len(losses)), key=losses.__getitem__, default=None)

    def __repr__(self) -> str:
        last = "".join(
            f", {name} loss {terms['loss'][-1]:.4g}"
            for name, terms in (("training", self.train), ("validation", self.valid))
            if terms
        )
        return f"History({self.epochs} epochs, best {self.best_epoch}{last})"


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

    Everything random in it follows from `seed` (and torch's global generator is left as it was):
    the same call on the same model gives the same bits. The model's modes (training, evaluation)
    and the weight of its KL are put back at the end too.

    Parameters
    ----------
    model
        Has ``loss(x, generator=g) -> {"loss": scalar, ...}``; changed in place.
    x_train
        Data, shape (N, ...), finite, on the model's device.
    y_train
        Labels, shape (N, ...), any type; the loss is then called as ``loss(x, y, generator=g)``.
    epochs
        How often the data is gone through, counting the epochs of a resumed run.
    batch_size
        Samples in a step; the last batch of an epoch may be smaller.
    lr
        Learning rate.
    optimizer
        "adam", "adamw" or "sgd" (without momentum).
    weight_decay
        As the optimiser defines it.
    x_valid
        Data to watch, shape (N_valid, ...). What a model draws in its loss is drawn anew, but
        the same, after each epoch.
    y_valid
        Its labels, shape (N_valid, ...), if there are any.
    patience
        Stop when the validation loss has not improved for that many epochs, and in any case end
        with the weights of the best epoch. None: run all epochs, end with the last weights.
    schedule
        Maps the epoch, counted from 0, to a factor on `lr`.
    before_epoch
        Called with the epoch, counted from 0, before it; `vqvae_lib.vae.VAE.warm_up` makes one.
        What it does may depend on the epoch alone, or a resumed run would differ.
    transform
        Maps each training batch and a generator to the batch that is trained on, of the same
        shape: ``lambda x, g: binarise(x, generator=g)`` draws black and white anew each time.
    checkpoint
        File that is written after each epoch, and from which a run is taken up again. The run is
        known by its settings, its data, the printed model and the names of functions: what a
        function of the same name does is not looked at.
    resume
        Whether to take up `checkpoint` if it exists; False starts anew and overwrites it.
    seed
        Seeds the shuffling, the model's noise and its dropout.
    progress
        Whether to show a bar on stderr. None: with a terminal or in a notebook. VQVAE_PROGRESS=0
        in the environment always silences it.

    Returns
    -------
    History
        Of all epochs, those before a resume included.

    Raises
    ------
    ValueError
        If an argument does not fit, the data is not finite, or `checkpoint` is damaged or was
        written by a run with other settings, data or model.
    TypeError
        If the data is no tensor of floating-point numbers, or the model has no such loss.
    TrainingDiverged
        If the loss or a weight stops being finite: model and checkpoint keep the last good epoch.

    Examples
    --------
    >>> from vqvae_lib import fit, load_digits, mlp_autoencoder
    >>> data = load_digits()
    >>> history = fit(mlp_autoencoder(64, 128, 2), data.x_train, epochs=3, x_valid=data.x_test)
    >>> len(history.train["loss"]), len(history.valid["loss"])
    (3, 3)
    """
    _check_data("x_train", x_train, model)
    if x_valid is not None:
        _check_data("x_valid", x_valid, model)
        if x_valid.shape[1:] != x_train.shape[1:]:
            raise ValueError(
                f"x_valid has shape {tuple(x_valid.shape)}, x_train {tuple(x_train.shape)}: "
                "expected them to differ in the number of samples only"
            )
    _check_labels(x_train, y_train, x_valid, y_valid)
    _check_settings(epochs, batch_size, lr, weight_decay, optimizer, patience, x_valid)

    device = x_train.device
    schedule = schedule or _constant
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("model has no parameter to train")
    # fused: one kernel for all weights, a quarter off the time of a small model's step.
    opt = _OPTIMIZERS[optimizer](parameters, lr=lr, weight_decay=weight_decay, fused=True)
    generator = torch.Generator(device).manual_seed(seed)
    history = History()
    best = _copy(model)

    with _own_randomness(device, seed), _own_modes(model):
        path = None if checkpoint is None else Path(checkpoint)
        settings: dict[str, Any] = {}
        if path is not None:
            settings = {
                "device": device.type,
                "seed": seed,
                "batch_size": batch_size,
                "lr": lr,
                "optimizer": optimizer,
                "weight_decay": weight_decay,
                "patience": patience,
                "x_train": _fingerprint(x_train),
                "x_valid": None if x_valid is None else _fingerprint(x_valid),
                "y_train": None if y_train is None else _fingerprint(y_train),
                "y_valid": None if y_valid is None else _fingerprint(y_valid),
                "transform": None if transform is None else _name(transform),
                "before_epoch": None if before_epoch is None else _name(before_epoch),
                "model": repr(model),
                # What is frozen is not printed, and Adam's state goes by position.
                "trained": "\n".join(n for n, p in model.named_parameters() if p.requires_grad),
            }
            if resume and path.exists():
                rates = [lr * schedule(epoch) for epoch in range(epochs)]
                tensors, history = _read(path, settings, rates)
                best = _put_back(tensors, model, opt, generator)
        good = _copy(model)  # weights after the last good epoch

        with _Progress(progress, epochs, history.epochs) as bar:
            while history.epochs < epochs and not _stalled(history, patience):
                epoch = history.epochs
                rate = lr * schedule(epoch)
                for group in opt.param_groups:
                    group["lr"] = rate
                if before_epoch is not None:
                    before_epoch(epoch)
                try:
                    train = _train_epoch(
                        model, opt, x_train, y_train, batch_size, transform, generator, epoch
                    )
                    valid = {}
                    if x_valid is not None:
                        valid = _evaluate(model, x_valid, y_valid, batch_size, seed)
                    _check_finite(model, valid, epoch)
                except TrainingDiverged:
                    model.load_state_dict(good)
                    raise
                _record(history, train, valid, rate)
                good = _copy(model)
                if history.best_epoch == epoch:
                    best = good
                if path is not None:
                    info = {"settings": settings, "history": asdict(history)}
                    write_checkpoint(path, _state(good, best, opt, generator), info)
                bar.advance(train, valid)

        if patience is not None:
            model.load_state_dict(best)
    opt.zero_grad()
    return history


def cosine(epochs: int) -> Callable[[int], float]:
    """Make a schedule that falls from 1 to 0 along half a cosine, for `fit(..., schedule=...)`.

    Parameters
    ----------
    epochs
        Length of the fall; the factor stays 0 afterwards.

    Raises
    ------
    ValueError
        If `epochs` is no whole number of at least 1.

    Examples
    --------
    >>> [round(cosine(4)(epoch), 2) for epoch in range(4)]
    [1.0, 0.85, 0.5, 0.15]
    """
    check_count("epochs", epochs)
    return lambda epoch: 0.5 * (1 + math.cos(math.pi * min(epoch / epochs, 1.0)))


def _train_epoch(
    model: nn.Module,
    opt: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor | None,
    batch_size: int,
    transform: Transform | None,
    generator: torch.Generator,
    epoch: int,
) -> dict[str, float]:
    """Go through the data once in a new order; return each term's mean over the samples."""
    model.train()
    sums: dict[str, float] = {}
    order = torch.randperm(len(x), generator=generator, device=x.device)  # (N,)
    for step, batch in enumerate(order.split(batch_size)):
        rows = x[batch]  # (B, ...)
        if transform is not None:
            rows = _transformed(transform, rows, generator)
        terms = _loss(model, rows, None if y is None else y[batch], generator)
        loss = terms["loss"].item()
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss became {loss} in epoch {epoch}, step {step}; the model is back at the "
                "weights before this epoch. Try a smaller lr."
            )
        opt.zero_grad()
        terms["loss"].backward()
        opt.step()
        _add(sums, terms, len(batch))
    return {name: total / len(x) for name, total in sums.items()}


@torch.no_grad()
def _evaluate(
    model: nn.Module, x: Tensor, y: Tensor | None, batch_size: int, seed: int
) -> dict[str, float]:
    """Each term's mean over the validation data.

    The generator is a new one each time: two epochs are compared on the same noise.
    """
    model.eval()
    generator = torch.Generator(x.device).manual_seed(seed)
    sums: dict[str, float] = {}
    at_once = max(batch_size, 1024)
    for start in range(0, len(x), at_once):
        rows = slice(start, start + at_once)
        labels = None if y is None else y[rows]
        _add(sums, _loss(model, x[rows], labels, generator), len(x[rows]))
    return {name: total / len(x) for name, total in sums.items()}


def _transformed(transform: Transform, x: Tensor, generator: torch.Generator) -> Tensor:
    changed = transform(x, generator)
    if not isinstance(changed, Tensor) or changed.shape != x.shape or changed.dtype != x.dtype:
        what = (
            f"{tuple(changed.shape)} of {changed.dtype}"
            if isinstance(changed, Tensor)
            else (type(changed).__name__)
        )
        raise ValueError(
            f"transform made {what} of a batch {tuple(x.shape)} of {x.dtype}: expected the same"
        )
    return changed


def _loss(
    model: nn.Module, x: Tensor, y: Tensor | None, generator: torch.Generator
) -> dict[str, Tensor]:
    loss = getattr(model, "loss", None)
    data = (x,) if y is None else (x, y)
    terms = loss(*data, generator=generator) if callable(loss) else None
    if not isinstance(terms, dict) or "loss" not in terms:
        raise TypeError(
            f"{type(model).__name__}.loss(x, generator=g) gave {type(terms).__name__}: expected a "
            'dict of scalar tensors with the key "loss"'
        )
    return terms


def _add(sums: dict[str, float], terms: dict[str, Tensor], count: int) -> None:
    for name, term in terms.items():
        sums[name] = sums.get(name, 0.0) + count * term.item()


def _record(
    history: History, train: dict[str, float], valid: dict[str, float], rate: float
) -> None:
    for kept, terms in ((history.train, train), (history.valid, valid)):
        for name, value in terms.items():
            kept.setdefault(name, []).append(value)
    history.lr.append(rate)


def _stalled(history: History, patience: int | None) -> bool:
    best = history.best_epoch
    return patience is not None and best is not None and history.epochs - 1 - best >= patience


def _constant(epoch: int) -> float:
    return 1.0


# ---------------------------------------------------------------- checks


def _check_settings(
    epochs: int,
    batch_size: int,
    lr: float,
    weight_decay: float,
    optimizer: str,
    patience: int | None,
    x_valid: Tensor | None,
) -> None:
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("patience", patience)):
        if value is not None:
            check_count(name, value)
    if not 0 < lr < math.inf:
        raise ValueError(f"lr={lr!r}: expected a number above 0")
    if not 0 <= weight_decay < math.inf:
        raise ValueError(f"weight_decay={weight_decay!r}: expected 0 or more")
    if optimizer not in _OPTIMIZERS:
        raise ValueError(f"optimizer={optimizer!r}: expected one of {', '.join(_OPTIMIZERS)}")
    if patience is not None and x_valid is None:
        raise ValueError(f"patience={patience} without x_valid: expected data to watch")


def _check_data(name: str, x: Tensor, model: nn.Module) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{name} is {kind}: expected a tensor of floating-point numbers")
    if x.ndim < 2 or x.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(x.shape)}: expected (N, ...), nowhere zero")
    wrong = ~torch.isfinite(x)
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"{name}{place} is {x[tuple(place)].item()}, one of {int(wrong.sum())} values that "
            "are not finite: expected finite numbers"
        )
    for parameter_name, parameter in model.named_parameters():
        if parameter.device != x.device or parameter.dtype != x.dtype:
            raise ValueError(
                f"{name} is {x.dtype} on {x.device}, the model's {parameter_name} "
                f"{parameter.dtype} on {parameter.device}: expected the same"
            )


def _check_labels(
    x_train: Tensor, y_train: Tensor | None, x_valid: Tensor | None, y_valid: Tensor | None
) -> None:
    for part, x, y in (("train", x_train, y_train), ("valid", x_valid, y_valid)):
        if y is not None and (x is None or y.shape[:1] != x.shape[:1]):
            rows = "no data" if x is None else f"{len(x)} rows"
            raise ValueError(
                f"y_{part} has shape {tuple(y.shape)}, x_{part} has {rows}: expected a label a row"
            )
    if x_valid is not None and (y_train is None) != (y_valid is None):
        raise ValueError("y_train and y_valid: expected both or neither")


def _check_finite(model: nn.Module, valid: dict[str, float], epoch: int) -> None:
    """After the epoch: the last step may have spoilt the weights without a later loss to show."""
    if not math.isfinite(valid.get("loss", 0.0)):
        raise TrainingDiverged(
            f"the validation loss became {valid['loss']} after epoch {epoch}; the model is back "
            "at the weights before this epoch. Try a smaller lr."
        )
    for name, t in model.state_dict().items():
        if t.is_floating_point() and not torch.isfinite(t).all():
            raise TrainingDiverged(
                f"{name} is not finite after epoch {epoch}; the model is back at the weights "
                "before this epoch. Try a smaller lr."
            )


# ---------------------------------------------------------------- state


@contextmanager
def _own_randomness(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's global generators inside, put them back outside: dropout draws from them."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def _own_modes(model: nn.Module) -> Iterator[None]:
    """Put each part's mode back at the end, also where the caller froze one on purpose.

    And the weight of a KL, which an annealing that was cut short would leave below 1.
    """
    modes = {module: module.training for module in model.modules()}
    weights = {module: module.kl_weight for module in modes if hasattr(module, "kl_weight")}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for module, weight in weights.items():
            module.kl_weight = weight


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in model.state_dict().items()}


def _state(
    last: dict[str, Tensor],
    best: dict[str, Tensor],
    opt: torch.optim.Optimizer,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """All tensors from which training goes on as if it had never stopped, under flat names."""
    tensors = {f"model/{name}": t for name, t in last.items()}
    tensors |= {f"best/{name}": t for name, t in best.items()}
    for i, values in opt.state_dict()["state"].items():
        tensors |= {f"optimizer/{i}/{key}": t for key, t in values.items() if t is not None}
    tensors["rng/generator"] = generator.get_state()
    tensors["rng/torch"] = torch.get_rng_state()
    if generator.device.type == "cuda":
        tensors["rng/cuda"] = torch.cuda.get_rng_state(generator.device)
    return tensors


def _read(
    path: Path, settings: dict[str, Any], rates: list[float]
) -> tuple[dict[str, Tensor], History]:
    """Read a checkpoint of the run that is asked for; ValueError if it is of another one."""
    tensors, info = read_checkpoint(path)
    remedy = "pass resume=False to start anew, or another checkpoint"
    for name, wanted in settings.items():
        written = info["settings"].get(name)
        if written != wanted:
            # A model is printed over several lines: those that differ first are enough.
            lines = zip_longest(str(written).splitlines(), str(wanted).splitlines(), fillvalue="")
            before, now = next((a.strip(), b.strip()) for a, b in lines if a != b)
            raise ValueError(
                f"{path} was written with {name}: {before}, this call has {now}: expected the "
                f"same; {remedy}"
            )
    history = History(**info["history"])
    if history.epochs > len(rates):
        raise ValueError(
            f"{path} holds {history.epochs} epochs, this call has epochs={len(rates)}: expected "
            f"as many or more; {remedy}"
        )
    for epoch, (rate, wanted) in enumerate(zip(history.lr, rates, strict=False)):
        if rate != wanted:
            raise ValueError(
                f"{path} was written with lr {rate!r} in epoch {epoch}, this call's schedule "
                f"gives {wanted!r}: expected the same; {remedy}"
            )
    return tensors, history


def _put_back(
    tensors: dict[str, Tensor],
    model: nn.Module,
    opt: torch.optim.Optimizer,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Undo `_state`; return the best weights."""
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}, "rng": {}}
    for name, t in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = t
    model.load_state_dict(parts["model"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, t in parts["optimizer"].items():
        i, _, key = name.partition("/")
        state.setdefault(int(i), {})[key] = t
    opt.load_state_dict({"state": state, "param_groups": opt.state_dict()["param_groups"]})
    generator.set_state(parts["rng"]["generator"])
    torch.set_rng_state(parts["rng"]["torch"])
    if "cuda" in parts["rng"]:
        torch.cuda.set_rng_state(parts["rng"]["cuda"], generator.device)
    return parts["best"]


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def _fingerprint(x: Tensor) -> str:
    values = x.detach().cpu().contiguous().view(torch.uint8).numpy()
    return f"{x.dtype} {tuple(x.shape)} sha256 {hashlib.sha256(values.data).hexdigest()}"


# ---------------------------------------------------------------- progress


class _Progress:
    """One line on stderr that counts the epochs, or nothing."""

    def __init__(self, wanted: bool | None, epochs: int, done: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=epochs,
            initial=done,
            unit="epoch",
            file=sys.stderr,
            dynamic_ncols=True,
            disable=not _progress_wanted(wanted),
        )

    def advance(self, train: dict[str, float], valid: dict[str, float]) -> None:
        shown = {"loss": f"{train['loss']:.4g}"}
        if valid:
            shown["valid"] = f"{valid['loss']:.4g}"
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def _progress_wanted(wanted: bool | None) -> bool:
    if os.environ.get("VQVAE_PROGRESS") == "0":
        return False
    if wanted is not None:
        return wanted
    # Jupyter's stderr is no terminal, yet shows a bar well. Who runs in it has IPython loaded.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return sys.stderr.isatty() or hasattr(shell, "kernel")
