"""Models as files: the arguments that build a model as JSON, and its weights as tensors.

In format 2, the arguments are those of the class, with parts as `vqvae_lib._parts` describes them.
Files of format 1 are translated when they are read: arguments have other names there, and the
encoder's heads sit one level deeper.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint
from vqvae_lib._checks import check_count, check_instance, check_path, describe
from vqvae_lib._parts import (
    build,
    build_without_numbers,
    describe_part,
    find_alteration,
    get_class,
)
from vqvae_lib._version import __version__
from vqvae_lib.scaling import Scaling

__all__ = ["ModelFile", "SavedModel", "read_model"]

_FORMAT = 2  # counts up when files change
# Gates take memory when a circuit is built, and entangling ones are no numbers of a file. So many
# are built in any case; more only for a file with as many numbers.
_FREE_GATES = 10_000
_DAMAGE = (
    *(AttributeError, IndexError, KeyError, OverflowError, RecursionError),
    *(RuntimeError, TypeError, ValueError),
)


class SavedModel(nn.Module):
    """A model that can be written into a file, and read back as what it was.

    Attributes
    ----------
    scaling
        What raw data went through before the model saw them, see `vqvae_lib.scaling`; None where
        nobody has said. It is saved with the model.
    """

    scaling: Scaling | None = None

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this model again, for its file."""
        raise NotImplementedError

    @property
    def data_width(self) -> int | None:
        """Dimension D of the data; None if the parts do not state it."""
        return None

    def save(self, path: str | os.PathLike[str], *, scaling: Scaling | None = None) -> None:
        """Write the model into one file: the arguments that build it, and its weights.

        The file holds tensors and JSON (the safetensors format), no pickle, and appears whole or
        not at all; a link is followed. Which parameters are frozen is kept. The mode is not, and
        what runs a circuit does not belong to the model: `load` chooses it.

        Parameters
        ----------
        path
            Where to write; a file that is there is replaced.
        scaling
            What the data went through, which is all that is needed to use the model on new raw
            data: such as ``data.scaling`` of a data set. None: the model's attribute `scaling`.

        Raises
        ------
        TypeError
            If a part is neither the library's own nor a plain layer of torch: a file cannot
            describe it.
        ValueError
            If the model was altered in a way that its file would not show: a part exchanged for
            another, pruned, wrapped, or changed by a hook; or if the scaling is for other data.
        OSError
            If the file cannot be written. It names the path, where nothing has changed.
        """
        scaling = self.scaling if scaling is None else scaling
        path = check_path("path", path)
        if scaling is not None:
            check_instance("scaling", scaling, Scaling, "one of vqvae_lib.scaling: TableScaling(…)")
        if scaling is not None and self.data_width not in (None, scaling.D):
            raise ValueError(
                f"scaling is for rows of {scaling.D} numbers: expected {self.data_width}, as the "
                "model takes them"
            )
        description = describe_part(self)
        if alteration := find_alteration(self, build_without_numbers(description)):
            raise ValueError(
                f"this model was altered, which its file would not show: {alteration}; undo it, "
                "or keep model.state_dict()"
            )
        kind = description.pop("name")
        info = {
            "kind": kind,
            "format": _FORMAT,
            "versions": {"vqvae_lib": __version__, "torch": torch.__version__},
            "arguments": description,
            "frozen": [name for name, p in self.named_parameters() if not p.requires_grad],
            "scaling": describe_part(scaling, "scaling"),
        }
        write_checkpoint(path, self.state_dict(), info)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, backend: Any = "auto") -> Self:
        """Read a model that `save` wrote, in evaluation mode.

        Parameters
        ----------
        path
            The file, of this version of the library or an earlier one.
        backend
            What runs its circuits, if it has any, see `vqvae_lib.quantum.QuantumLayer`.

        Returns
        -------
        A model of this class, or of a subclass if such a one was saved.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged, holds something else, or is of a version that this one cannot read;
            the message says which.
        """
        from vqvae_lib.quantum import Backend, QuantumLayer

        check_instance("backend", backend, (str, Backend), "the name of a backend, or one")
        file = read_model(path, cls)
        try:
            model = build_without_numbers(file.description)
            _fill(model, file)
        except _DAMAGE as error:
            raise ValueError(
                f"{path}, made with {file.versions}, does not fit: {_say(error)}"
            ) from error
        for layer in [part for part in model.modules() if isinstance(part, QuantumLayer)]:
            layer.backend = layer.to_backend(backend).backend
        return model.eval()


class ModelFile(NamedTuple):
    """The content of a file.

    Attributes
    ----------
    description
        What builds the model: its class and arguments.
    tensors
        Its weights, by their names in ``state_dict()``.
    frozen
        Names of the parameters that are not trained; None where the file does not say.
    scaling
        What the data went through, described; None where nobody has said.
    versions
        What wrote the file, in words for an error.
    """

    description: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    frozen: list[str] | None
    scaling: dict[str, Any] | None
    versions: str


def read_model(path: str | os.PathLike[str], cls: type[SavedModel]) -> ModelFile:
    """Read what `SavedModel.save` wrote, in this format or format 1.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, holds no model of the class, or has a newer format.
    """
    path = check_path("path", path)
    if not path.exists():
        raise FileNotFoundError(f"path={str(path)!r}: there is no such file")
    tensors, info = read_checkpoint(path)
    kind = info.get("kind", "a checkpoint of `fit`")
    if not issubclass(get_class(kind) or object, cls):
        raise ValueError(f"{path} holds {kind!r}: expected a model written by {cls.__name__}.save")
    versions = "an unknown version"
    if isinstance(info.get("versions"), dict):
        versions = ", ".join(f"{name} {version}" for name, version in info["versions"].items())
    written = info.get("format")
    if written not in (1, _FORMAT):
        raise ValueError(
            f"{path} has format {written!r}, made with {versions}: this version of vqvae_lib "
            f"reads formats 1 to {_FORMAT}; install a newer one"
        )
    try:
        if written == 1:
            arguments, tensors = _translate_format_1(info, tensors)
        else:
            arguments = info["arguments"]
        description = {"name": kind, **arguments}
        _check_gates(description, sum(t.numel() for t in tensors.values()))
    except _DAMAGE as error:
        raise ValueError(f"{path}, made with {versions}, does not fit: {_say(error)}") from error
    return ModelFile(description, tensors, info.get("frozen"), info.get("scaling"), versions)


def _fill(model: SavedModel, file: ModelFile) -> None:
    """Give a model that was built without numbers those of its file."""
    expected = model.state_dict()
    for name, t in file.tensors.items():
        if name in expected and t.is_floating_point() != expected[name].is_floating_point():
            raise ValueError(f"{name} is {t.dtype}: expected {expected[name].dtype}")
    # The dtype is the file's. Copies: what is read shares its memory with the bytes of the file.
    model.load_state_dict({name: t.clone() for name, t in file.tensors.items()}, assign=True)
    if file.frozen is not None:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name not in file.frozen)
    scaling = build(file.scaling)
    if scaling is not None and not isinstance(scaling, Scaling):
        raise ValueError(f"its scaling is {describe(scaling)}")
    if scaling is not None:
        model.scaling = scaling


def _check_gates(description: Any, numbers: int) -> None:
    """Refuse circuits, anywhere in a description, of more gates than its file can be about."""
    if isinstance(description, list):
        for entry in description:
            _check_gates(entry, numbers)
    if not isinstance(description, dict):
        return
    for entry in description.values():
        _check_gates(entry, numbers)
    if "n_qubits" not in description:
        return
    n = check_count("n_qubits", description["n_qubits"], most=numbers)
    names = ("encoder_layers", "space_layers", "decoder_layers", "layers")
    layers = [check_count(key, description[key], least=0) for key in names if key in description]
    if n * sum(layers) > max(_FREE_GATES, numbers):
        raise ValueError(f"its circuit has {n * sum(layers)} gates, and the file {numbers} numbers")


def _say(error: Exception) -> str:
    """Write an error in one line."""
    return f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())


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
