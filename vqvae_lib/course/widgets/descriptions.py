"""Descriptions of networks and circuits for the browser, where the scripts run them.

`network.js` runs what `describe_network` returns, and `simulator.js` what `describe_circuit` does.
"""

import base64
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqvae_lib._checks import check_choice
from vqvae_lib.quantum.circuit import Circuit, Entangle, Operation, Rotate

__all__ = ["ACTIVATIONS", "describe_circuit", "describe_network", "pack_float16", "read_numbers"]

ACTIVATIONS = {
    nn.GELU: "gelu",
    nn.ReLU: "relu",
    nn.Sigmoid: "sigmoid",
    nn.SiLU: "silu",
    nn.Tanh: "tanh",
}


def pack_float16(name: str, values: Tensor) -> str:
    """Pack numbers as little-endian float16 bytes, in base64.

    Parameters
    ----------
    name
        What errors call them.
    values
        Real numbers of any shape.

    Raises
    ------
    ValueError
        If a number is not finite in float16.
    """
    with np.errstate(over="ignore"):
        array = values.detach().cpu().numpy().astype("<f2")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite in float16")
    return base64.b64encode(array.tobytes()).decode()


def read_numbers(name: str, values: Any, shape: tuple[int, ...]) -> Tensor:
    """Convert an array to doubles, and check its shape.

    Parameters
    ----------
    name
        What errors call it.
    values
        Array or tensor.
    shape
        The shape that it must have.

    Returns
    -------
    Tensor
        float64, of this shape, on the CPU.

    Raises
    ------
    ValueError
        If the shape is another, or a number is not finite.
    """
    array = torch.as_tensor(values, dtype=torch.float64).detach().cpu()
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {tuple(array.shape)}")
    if not array.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, and one is not")
    return array


def describe_network(decoder: nn.Module, output_activation: str = "none") -> list[dict[str, Any]]:
    """Describe a decoder of linear layers and activations.

    Parameters
    ----------
    decoder
        Linear layers, each followed by GELU, ReLU, sigmoid, SiLU, tanh or nothing, in one
        Sequential or in nested ones.
    output_activation
        What follows the last layer, for a decoder that ends in logits: "sigmoid", or "none".

    Returns
    -------
    list of dict
        For each Linear layer its shape [outputs, inputs], its weights and biases in float16, and
        the activation after it.

    Raises
    ------
    ValueError
        If there are no layers or one of another kind, a weight is not finite in float16, or the
        activation is unknown or would follow another.
    """
    layers: list[dict[str, Any]] = []
    for module in _list_parts(decoder):
        if isinstance(module, nn.Linear):
            if module.bias is None:
                raise ValueError("decoder: expected Linear layers with a bias, got one without")
            layers.append(
                {
                    "shape": list(module.weight.shape),
                    "weight": pack_float16("decoder: a weight", module.weight),
                    "bias": pack_float16("decoder: a weight", module.bias),
                    "activation": "none",
                }
            )
        elif type(module) in ACTIVATIONS and layers and layers[-1]["activation"] == "none":
            layers[-1]["activation"] = ACTIVATIONS[type(module)]
        else:
            kinds = ", ".join(["Linear", *(kind.__name__ for kind in ACTIVATIONS)])
            raise ValueError(
                f"decoder: cannot run {type(module).__name__} here, expected {kinds}, each "
                "activation after a Linear layer of its own"
            )
    if not layers:
        raise ValueError("decoder: expected at least one Linear layer, got none")
    _append_activation(layers[-1], output_activation)
    return layers


def _list_parts(module: nn.Module) -> list[nn.Module]:
    """List the modules of nested Sequentials in the order in which they run, shared ones too."""
    if isinstance(module, nn.Sequential):
        return [part for child in module._modules.values() if child for part in _list_parts(child)]
    return [] if isinstance(module, nn.Identity) else [module]


def _append_activation(layer: dict[str, Any], activation: str) -> None:
    """Put an activation after the last layer."""
    check_choice("output_activation", activation, ("none", *ACTIVATIONS.values()))
    if activation == "none":
        return
    if layer["activation"] != "none":
        raise ValueError(
            f"output_activation={activation!r}: the decoder ends in {layer['activation']} already"
        )
    layer["activation"] = activation


def describe_circuit(circuit: Circuit) -> dict[str, Any]:
    """Describe a circuit by what happens to its qubits, step by step.

    Returns
    -------
    dict
        ``n``, ``initial``, ``embedding`` (the axes that a qubit is turned about), ``scale`` (of
        the angles), ``gate``, ``readout``, and ``operations``: each ["embed"],
        ["rotate", row of the weights] or ["entangle", pairs of qubits].
    """
    return {
        "n": circuit.n_qubits,
        "initial": circuit.initial,
        "embedding": str(circuit.embedding).split("+"),
        "scale": circuit.angle_scale,
        "gate": circuit.gate,
        "operations": [_spell(operation) for operation in circuit.operations()],
        "readout": circuit.readout,
    }


def _spell(operation: Operation) -> list[Any]:
    match operation:
        case Rotate(row):
            return ["rotate", row]
        case Entangle(pairs):
            return ["entangle", [list(pair) for pair in pairs]]
        case _:
            return ["embed"]
