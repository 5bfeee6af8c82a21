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

import torch
from torch import Tensor, nn

from vqvae_lib._checks import (
    check_choice,
    check_count,
    check_flag,
    check_instance,
    check_number,
    check_path,
    check_seed,
    describe,
)
from vqvae_lib._evaluating import preserve_modes
from vqvae_lib._identity import identify_run
from vqvae_lib._process import is_small
from vqvae_lib._progress import ProgressBar
from vqvae_lib._run import OPTIMIZERS, Run, TrainingDiverged, Transform
from vqvae_lib._run_file import RunFile
from vqvae_lib._samples import check_samples, warn_of_scale
from vqvae_lib.history import History

__all__ = ["TrainingDiverged", "TrainingInterrupted", "cosine", "fit"]


class TrainingInterrupted(KeyboardInterrupt):
    """Training was stopped by hand; the model is at its last completed epoch, or at its best.

    In a notebook, ``sys.last_value.history`` is at hand after a stop.

    Attributes
    ----------
    history : History
        Of the completed epochs.
    """

    def __init__(self, history: History) -> None:
        super().__init__(
            f"stopped after {history.epochs} completed epochs, whose history is "
            "sys.last_value.history"
        )
        self.history = history


def fit(
    model: nn.Module,
    x_train: Tensor,
    y_train: Tensor | None = None,
    *,
    epochs: int,
    batch_size: int = 64,
    drop_last: bool = False,
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
    the same call on the same model gives the same bits, also beside other runs in other threads.
    That holds for randomness drawn from torch, and for parts with a method ``manual_seed``, such as
    a circuit on a device with shots; functions of the caller's own have to draw from the generator
    that they are given. On a GPU, torch may add in another order each time. Models so small that a
    second thread would cost more than it gains are trained in one, whatever torch is set to; their
    bits don't depend on the number of threads. That setting, torch's global generators and the
    modes (training or evaluation) of the model's parts are left as they were.

    A model in training mode is trained as it is, a part in evaluation mode included: batch
    normalisation and dropout that are frozen stay frozen. A model that is itself in evaluation mode
    is trained with all its parts in training mode.

    If training ends early for whatever reason, the model has the weights of its last completed
    epoch.

    Parameters
    ----------
    model
        Has ``loss(x, generator=g) -> {"loss": scalar, ...}``, each term a mean over the batch: the
        history weighs it by the batch's size, so a sum would give wrong numbers without an error.
        Terms that are only recorded may be plain numbers. The weights are float32 or float64 and
        change in place; a `checkpoint` of the same run replaces those that it has now.
    x_train
        Data, shape (N, ...) with two axes or more, finite, on the model's device; converted to its
        dtype. Networks begin with weights that suit numbers around 1.
    y_train
        Labels or other conditions, shape (N, ...), of any dtype; the loss is then called as
        ``loss(x, y, generator=g)``.
    epochs
        How often to go through the data, the epochs before a resume included.
    batch_size
        Samples per step; the last batch of an epoch may be smaller. Validation, which needs no
        memory for gradients, takes at least 1024 samples at a time.
    drop_last
        Leave out the last batch of an epoch if it is smaller than the others. Batch normalisation
        of tables cannot be trained on a single sample, which may be what remains.
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
        changed. It may freeze and thaw parts, set their modes, and add new ones, which are trained
        from then on. What else it does may depend on the epoch alone, or a resumed run would
        differ.
    transform
        Maps each training batch and a generator to the batch that is trained on, of the same
        shape: ``lambda x, g: binarise(x, generator=g)`` draws black and white anew each time.
    checkpoint
        File that is written before the first epoch and after each. A run that was interrupted goes
        on from it when the same call is made again, and ends with the same bits as if it had never
        stopped, under the conditions above. The file of another run is refused: settings, data,
        functions, the printed model, the settings and modes of its parts and its parameters' shapes
        are compared.
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
        If the data is not a tensor or an array of numbers, `model` is not a module whose ``loss``
        returns a dict of scalar tensors with the key ``"loss"``, or its state cannot be written.
    TrainingDiverged
        If the loss or a weight stops being finite: model and checkpoint keep the last good epoch,
        and the error has the `history`.
    TrainingInterrupted
        If it is stopped by hand (Ctrl-C, or a notebook's stop button). With `patience`, the model
        then has the weights of its best epoch.

    Warns
    -----
    UserWarning
        If the numbers of `x_train` are far from 1 (root mean square above 10).

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
    check_choice("optimizer", optimizer, OPTIMIZERS)
    weight_decay = check_number("weight_decay", weight_decay, least=0)
    resume, drop_last = check_flag("resume", resume), check_flag("drop_last", drop_last)
    seed = check_seed("seed", seed)
    check_choice("progress", progress, (None, False, True))
    train, valid = check_samples(model, x_train, y_train, x_valid, y_valid)
    _check_last_batch(model, train[0], batch_size, drop_last)
    if patience is not None:
        patience = check_count("patience", patience)
        if not valid:
            raise ValueError(f"patience={patience} without x_valid: expected data to watch")
    _check_functions(model, schedule, before_epoch, transform)
    learning_rates = _list_learning_rates(lr, schedule, epochs)
    small = is_small(model, batch_size)
    run_file = None
    if checkpoint is not None:
        identity = identify_run(
            model,
            train,
            valid,
            seed=seed,
            batch_size=batch_size,
            drop_last=drop_last,
            optimizer=optimizer,
            weight_decay=weight_decay,
            patience=patience,
            transform=transform,
            before_epoch=before_epoch,
            threads=1 if small else torch.get_num_threads(),
        )
        run_file = RunFile(check_path("checkpoint", checkpoint), identity)
    warn_of_scale(train[0], stacklevel=2)
    context = before_epoch if isinstance(before_epoch, AbstractContextManager) else nullcontext()

    with preserve_modes(model), context:
        if not model.training:
            model.train()
        run = Run(model, optimizer, weight_decay, seed)
        if run_file is not None and resume and run_file.exists():
            run.restore(run_file.read(learning_rates))
        elif run_file is not None:
            run_file.write(run.state())  # what cannot be written is better known before an epoch

        bar = ProgressBar(progress, epochs, run.history.epochs)
        with bar, _interruptible(run, patience):
            for epoch in range(run.history.epochs, epochs):
                if patience is not None and run.history.epochs_since_best >= patience:
                    break
                with run.undo_unless_completed(), run.borrow_process(one_thread=small):
                    if before_epoch is not None:
                        before_epoch(epoch)
                        run.adopt_parameters()
                    train_terms = run.train_epoch(
                        train, batch_size, learning_rates[epoch], transform, drop_last=drop_last
                    )
                    valid_terms = run.evaluate(valid, batch_size) if valid else {}
                    run.record(train_terms, valid_terms, learning_rates[epoch], train)
                if run_file is not None:
                    run_file.write(run.state())
                bar.advance(train_terms, valid_terms)

        if patience is not None:
            run.keep_best()
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


def _check_model(model: nn.Module) -> None:
    if not isinstance(model, nn.Module) or not callable(getattr(model, "loss", None)):
        raise TypeError(
            f"model is {describe(model)} without a method `loss`: expected a torch.nn.Module with "
            'loss(x, generator=g) -> {"loss": scalar tensor, ...}'
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("model has no parameter to train: expected one with requires_grad=True")


def _check_functions(
    model: nn.Module,
    schedule: Callable[[int], float] | None,
    before_epoch: Callable[[int], None] | None,
    transform: Transform | None,
) -> None:
    expected = "a function, or an object that can be called"
    functions = {"schedule": schedule, "before_epoch": before_epoch, "transform": transform}
    for name, function in functions.items():
        if function is not None:
            check_instance(name, function, Callable, expected)  # type: ignore[arg-type]
    if getattr(before_epoch, "model", model) is not model:
        raise ValueError(
            "before_epoch was made for another model than the one that is trained (a copy or a "
            "twin is another one): make it anew, such as KLWarmUp(model, ...)"
        )


def _check_last_batch(model: nn.Module, x: Tensor, batch_size: int, drop_last: bool) -> None:
    """Refuse batches that cannot be trained on while nothing has been lost yet."""
    N = len(x)
    if drop_last and batch_size > N:
        raise ValueError(
            f"drop_last=True with batch_size={batch_size} and {N} samples, which leaves none: "
            f"expected a batch_size of at most {N}"
        )
    rest = 0 if drop_last else N % batch_size
    if x.ndim == 2 and 1 in (rest, batch_size) and _normalises_batches(model):
        raise ValueError(
            f"batch_size={batch_size} leaves one of {N} samples alone in a batch, and batch "
            "normalisation compares two or more: expected drop_last=True, or another batch_size"
        )


def _normalises_batches(model: nn.Module) -> bool:
    return any(
        isinstance(part, nn.BatchNorm1d) and (part.training or not model.training)
        for part in model.modules()
    )


@contextmanager
def _interruptible(run: Run, patience: int | None) -> Iterator[None]:
    """Turn a stop by hand into an error that keeps what was reached."""
    try:
        yield
    except KeyboardInterrupt:
        if patience is not None:
            run.keep_best()
        raise TrainingInterrupted(run.history) from None


def _list_learning_rates(
    lr: float, schedule: Callable[[int], float] | None, epochs: int
) -> list[float]:
    """Learning rate of each epoch."""
    if schedule is None:
        return [lr] * epochs
    return [
        lr * check_number(f"schedule({epoch})", schedule(epoch), least=0) for epoch in range(epochs)
    ]
