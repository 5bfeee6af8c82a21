"""Models as files: the arguments that build a model as JSON, and its weights as tensors.

Format 2 holds one flat dict of arguments. Files of format 1 are translated when they are read:
arguments have other names there, and the encoder's heads sit one level deeper.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint
from vqvae_lib._version import __version__
from vqvae_lib.conditions import Condition, Labels, NoCondition, Numbers
from vqvae_lib.likelihoods import Bernoulli, Binomial, Gaussian, Likelihood

__all__ = ["ModelFile", "read_model", "write_model"]

_FORMAT = 2  # counts up when files change
_KIND = "VQVAE"
_LIKELIHOODS = {cls.__name__: cls for cls in (Bernoulli, Binomial, Gaussian)}
_CONDITIONS = {cls.__name__: cls for cls in (NoCondition, Labels, Numbers)}


class ModelFile(NamedTuple):
    """The content of a file.

    Attributes
    ----------
    arguments
        What builds the model, the likelihood and the condition as objects.
    tensors
        Its weights, by their names in ``state_dict()``.
    versions
        What wrote the file, in words for an error.
    """

    arguments: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    versions: str


def write_model(
    path: str | os.PathLike[str], arguments: dict[str, Any], tensors: dict[str, Tensor]
) -> None:
    """Write a model whole or not at all; TypeError for parts that a file cannot describe."""
    likelihood, condition = arguments["likelihood"], arguments["condition"]
    info = {
        "kind": _KIND,
        "format": _FORMAT,
        "versions": {"vqvae_lib": __version__, "torch": torch.__version__},
        "arguments": arguments
        | {
            "likelihood": _describe_likelihood(likelihood),
            "condition": _describe_condition(condition),
        },
    }
    write_checkpoint(Path(path), tensors, info)


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read what `write_model` wrote, in this format or format 1.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, holds something else, or has a newer format.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"path={str(path)!r}: there is no such file")
    tensors, info = read_checkpoint(path)
    if info.get("kind") != _KIND:
        raise ValueError(
            f"{path} holds {info.get('kind', 'a checkpoint of `fit`')!r}: expected a model "
            "written by VQVAE.save"
        )
    versions = ", ".join(f"{name} {version}" for name, version in info["versions"].items())
    if info["format"] == 1:
        arguments, tensors = _translate_format_1(info, tensors)
    elif info["format"] == _FORMAT:
        arguments = info["arguments"]
    else:
        raise ValueError(
            f"{path} has format {info['format']}, made with {versions}: this version of vqvae_lib "
            f"reads formats 1 to {_FORMAT}; install a newer one"
        )
    image_shape = arguments.get("image_shape")
    built = {
        "likelihood": _build(arguments["likelihood"], _LIKELIHOODS),
        "condition": _build(arguments["condition"], _CONDITIONS),
        "image_shape": None if image_shape is None else tuple(image_shape),  # JSON knows lists
    }
    return ModelFile(arguments | built, tensors, versions)


def _describe_likelihood(likelihood: Likelihood) -> dict[str, Any]:
    _check_own("likelihood", likelihood, _LIKELIHOODS)
    return {"name": type(likelihood).__name__} | likelihood.settings()


def _describe_condition(condition: Condition) -> dict[str, Any]:
    _check_own("condition", condition, _CONDITIONS)
    return {"name": type(condition).__name__} | asdict(condition)  # type: ignore[call-overload]


def _check_own(argument: str, part: object, known: dict[str, Any]) -> None:
    # By its type: a subclass is not one of the library's own, whatever it inherits.
    if type(part) not in known.values():
        raise TypeError(
            f"{argument} is a {type(part).__name__}, which a file cannot describe: expected one of "
            f"{', '.join(known)}, or keep model.state_dict()"
        )


def _build(description: dict[str, Any], known: dict[str, Any]) -> Any:
    arguments = dict(description)
    return known[arguments.pop("name")](**arguments)


def _translate_format_1(
    info: dict[str, Any], tensors: dict[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Give the arguments and the tensors of a file of format 1 their present names."""
    tensors = dict(tensors)
    arguments = dict(info["settings"])
    circuit = arguments.pop("circuit")  # holds the latent dimension, too
    arguments.pop("init", None)  # how the weights began, which the tensors replace
    arguments.pop("trunk", None)  # "conv" where there is an image_shape
    condition: dict[str, Any] = {"name": "NoCondition"}
    if (n_classes := arguments.pop("n_classes", None)) is not None:
        condition = {"name": "Labels", "n_classes": n_classes}
    if (dim := arguments.pop("condition_dim", None)) is not None:
        condition = {"name": "Numbers", "dim": dim}
    likelihood = info["likelihood"]
    if likelihood["name"] == "Gaussian":
        likelihood = _translate_gaussian(likelihood)
    arguments |= circuit | {"likelihood": likelihood, "condition": condition}
    for head in ("encoder.mu", "encoder.log_var"):
        tensors |= {
            f"{head}.{name}": tensors.pop(f"{head}.0.{name}") for name in ("weight", "bias")
        }
    tensors.pop("likelihood.fixed_variance", None)  # now among the arguments
    return arguments, tensors


def _translate_gaussian(likelihood: dict[str, Any]) -> dict[str, Any]:
    variance, floor = likelihood["variance"], likelihood["min_variance"]
    if variance == "learned":
        # The default start of that time. It does not matter any more: the variance is on file.
        start = {"min_variance": floor, "initial_variance": floor + 0.1}
        return {"name": "Gaussian", "variance": "shared"} | start
    if variance == "heads":
        return {"name": "Gaussian", "variance": "per_dimension", "min_variance": floor}
    return {"name": "Gaussian", "variance": variance}
