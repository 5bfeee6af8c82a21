"""Training: one loop, with a history, early stopping, checkpoints and a resume to the same bits.

A model is any ``nn.Module`` with ``loss(x, generator=g)``, or ``loss(x, y, generator=g)`` where
there are labels, that returns a dict of named scalar tensors, each a mean over the samples of the
batch. ``"loss"`` is minimised; the other terms are recorded along with it.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

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
from vqvae_lib._process import is_small, use_one_thread
from vqvae_lib._progress import ProgressBar
from vqvae_lib._run import OPTIMIZERS, Run, TrainingDiverged, TrainingInterrupted, Transform
from vqvae_lib._run_file import RunFile
from vqvae_lib._samples import Samples, check_samples, check_weights, warn_of_scale
from vqvae_lib.history import History

__all__ = ["TrainingDiverged", "TrainingInterrupted", "cosine", "fit"]

_MOST_EPOCHS = 10**7  # their learning rates are listed beforehand


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
    the same call on the same model gives the same bits, also beside other runs in other threads,
    with which it takes turns. That holds for randomness drawn from torch, and for parts with a
    method ``manual_seed``, such as a circuit on a device with shots; functions of the caller's own
    have to draw from the generator that they are given. On a GPU, torch may add in another order
    each time. A model whose step is at most 2**26 multiplications, a few milliseconds, is trained
    in one thread whatever torch is set to: a second gains little, and costs a lot on a busy
    machine. Its bits don't depend on the number of threads. That number, torch's global generators
    and the modes (training or evaluation) of the model's parts are left as they were.

    A model in training mode is trained as it is, with parts in evaluation mode that stay so: batch
    normalisation and dropout that are frozen stay frozen. A model that is itself in evaluation mode
    is trained with all its parts in training mode.

    If training ends early, for whatever reason, the model has the weights of its last completed
    epoch (with `patience`, of its best one), and the exception the attribute ``history``.

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
        from then on. What it does may depend on the epoch alone: before a run is resumed, it is
        called for the completed epochs once more, one after the other.
    transform
        Maps each training batch and a generator to the batch that is trained on, of the same
        shape: ``lambda x, g: binarise(x, generator=g)`` draws black and white anew each time.
    checkpoint
        File that is written before the first epoch and after each. A run that was interrupted goes
        on from it when the same call is made again, and ends with the same bits as if it had never
        stopped, under the conditions above. The file of another run is refused: settings, data and
        functions are compared, and of the model what it prints, the attributes and modes of its
        parts, its parameters' shapes, and the code of classes that are the caller's own.
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
        returns a dict of scalar tensors with the key ``"loss"``, its weights are of half
        precision, or `checkpoint` cannot hold its state.
    TrainingDiverged
        If the loss or a weight stops being finite.
    TrainingInterrupted
        If it is stopped by hand (Ctrl-C, or a notebook's stop button); a KeyboardInterrupt.

    Warns
    -----
    UserWarning
        If the numbers of `x_train` or `x_valid` are far from 1 (root mean square above 10).

    Examples
    --------
    >>> from vqvae_lib import fit, load_digits, mlp_autoencoder
    >>> data = load_digits()
    >>> history = fit(mlp_autoencoder(64, 128, 2), data.x_train, epochs=3, x_valid=data.x_valid)
    >>> len(history.train["loss"]), len(history.valid["loss"])
    (3, 3)
    """
    _check_model(model)
    epochs = check_count("epochs", epochs, most=_MOST_EPOCHS)
    lr = check_number("lr", lr, above=0)
    settings: dict[str, Any] = {
        "seed": check_seed("seed", seed),
        "batch_size": check_count("batch_size", batch_size),
        "drop_last": check_flag("drop_last", drop_last),
        "optimizer": check_choice("optimizer", optimizer, OPTIMIZERS),
        "weight_decay": check_number("weight_decay", weight_decay, least=0),
        "transform": _check_function("transform", transform),
        "before_epoch": _check_function("before_epoch", before_epoch),
    }
    patience = None if patience is None else check_count("patience", patience)
    resume = check_flag("resume", resume)
    progress = None if progress is None else check_flag("progress", progress)
    train, valid = check_samples(check_weights(model), x_train, y_train, x_valid, y_valid)
    _check_sense(model, train, valid, patience, settings)
    learning_rates = _list_learning_rates(lr, _check_function("schedule", schedule), epochs)
    small = is_small(model, train[0], settings["batch_size"])
    run_file = None
    if checkpoint is not None:
        on_cpu = train[0].device.type == "cpu"  # elsewhere the number doesn't matter
        threads = 1 if small else torch.get_num_threads() if on_cpu else None
        identity = identify_run(model, train, valid, patience=patience, threads=threads, **settings)
        run_file = RunFile(check_path("checkpoint", checkpoint), identity)
    warn_of_scale("x_train", train[0])
    if valid:
        warn_of_scale("x_valid", valid[0])
    context = before_epoch if isinstance(before_epoch, AbstractContextManager) else nullcontext()

    with preserve_modes(model), use_one_thread(small), context:
        run = Run(model, train, valid, **settings)
        if run_file is not None and resume and run_file.exists():
            run.restore(run_file.read(learning_rates))
        elif run_file is not None:
            run_file.write(run.state())  # what cannot be written is better known before an epoch

        bar = ProgressBar(progress, epochs, run.history.epochs)
        with bar, run.ending_well(best=patience is not None):
            for epoch in range(run.history.epochs, epochs):
                if patience is not None and run.history.epochs_since_best >= patience:
                    break
                with run.global_generators.installed():
                    run.begin_epoch(epoch)
                    train_terms = run.train_epoch(learning_rates[epoch])
                    valid_terms = run.evaluate()
                run.complete_epoch(train_terms, valid_terms, learning_rates[epoch])
                if run_file is not None:
                    run_file.write(run.state())
                bar.advance(train_terms, valid_terms)
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
    try:
        parameters = inspect.signature(model.loss).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):  # a compiled method, which says nothing about itself
        return
    if "generator" not in parameters and not any(
        p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()
    ):
        raise TypeError(
            f"{type(model).__name__}.loss takes {', '.join(parameters) or 'nothing'}: expected "
            "generator=None among its arguments, from which all that is random is drawn"
        )


def _check_function(name: str, function: Any) -> Any:
    """Return None or something that can be called."""
    if function is None:
        return None
    expected = "a function, or an object that can be called"
    return check_instance(name, function, Callable, expected)  # type: ignore[arg-type]


def _check_sense(
    model: nn.Module,
    train: Samples,
    valid: Samples,
    patience: int | None,
    settings: dict[str, Any],
) -> None:
    """Refuse arguments that are right by themselves and don't fit together."""
    if patience is not None and not valid:
        raise ValueError(f"patience={patience} without x_valid: expected data to watch")
    N, batch_size = len(train[0]), settings["batch_size"]
    if settings["drop_last"] and batch_size > N:
        raise ValueError(
            f"drop_last=True with batch_size={batch_size} and {N} samples, which leaves none: "
            f"expected a batch_size of at most {N}"
        )
    if getattr(settings["before_epoch"], "model", model) is not model:
        raise ValueError(
            "before_epoch was made for another model than the one that is trained (a copy or a "
            "twin is another one): make it anew, such as KLWarmUp(model, ...)"
        )


def _list_learning_rates(
    lr: float, schedule: Callable[[int], float] | None, epochs: int
) -> list[float]:
    """Learning rate of each epoch."""
    if schedule is None:
        return [lr] * epochs
    factors = (
        check_number(f"schedule({epoch})", schedule(epoch), least=0) for epoch in range(epochs)
    )
    return [
        check_number(f"lr times schedule({epoch})", lr * factor)
        for epoch, factor in enumerate(factors)
    ]
