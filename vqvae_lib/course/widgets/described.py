"""How networks and circuits are described for the browser, where the scripts run them.

`network.js` runs what `describe_network` gives, `simulator.js` what `describe_circuit` gives.
"""

import base64
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqvae_lib.quantum.circuit import Circuit, Entangle, Operation, Rotate

__all__ = ["ACTIVATIONS", "describe_circuit", "describe_network", "float16", "numbers"]

ACTIVATIONS = {
    nn.GELU: "gelu",
    nn.ReLU: "relu",
    nn.Sigmoid: "sigmoid",
    nn.SiLU: "silu",
    nn.Tanh: "tanh",
}


def float16(name: str, values: Tensor) -> str:
    """Pack numbers as little-endian float16 bytes, in base64.

    Parameters
    ----------
    name
        What they are, for the error.
    values
        Real numbers of any shape.

    Raises
    ------
    ValueError
        If one is not finite in float16.
    """
    with np.errstate(over="ignore"):
        array = values.detach().cpu().numpy().astype("<f2")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite in float16")
    return base64.b64encode(array.tobytes()).decode()


def numbers(name: str, values: Any, shape: tuple[int, ...]) -> Tensor:
    """Take an array as doubles.

    Parameters
    ----------
    name
        What it is, for the errors.
    values
        Array or tensor.
    shape
        The shape that it must have.

    Returns
    -------
    Tensor
        Of this shape, on the CPU.

    Raises
    ------
    ValueError
        If it has another shape, or a number is not finite.
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
        Sequential or several, one in another.
    output_activation
        What follows the last layer, for a decoder that ends in logits: "sigmoid", or "none".

    Returns
    -------
    list of dict
        Of each Linear layer its shape [outputs, inputs], its weights and biases in float16, and
        the activation behind it.

    Raises
    ------
    ValueError
        If there is no layer or one of another kind, a weight is not finite in float16, or the
        activation is unknown or follows another.
    """
    layers: list[dict[str, Any]] = []
    for module in _flatten(decoder):
        if isinstance(module, nn.Linear):
            if module.bias is None:
                raise ValueError("decoder: expected Linear layers with a bias, got one without")
            layers.append(
                {
                    "shape": list(module.weight.shape),
                    "weight": float16("decoder: a weight", module.weight),
                    "bias": float16("decoder: a weight", module.bias),
                    "activation": "none",
                }
            )
        elif type(module) in ACTIVATIONS and layers and layers[-1]["activation"] == "none":
            layers[-1]["activation"] = ACTIVATIONS[type(module)]
        else:
            known = ", ".join(["Linear", *(kind.__name__ for kind in ACTIVATIONS)])
            raise ValueError(
                f"decoder: cannot run {type(module).__name__} here, expected {known}, each "
                "activation behind a Linear layer of its own"
            )
    if not layers:
        raise ValueError("decoder: expected at least one Linear layer, got none")
    _end_in(layers[-1], output_activation)
    return layers


def _flatten(module: nn.Module) -> list[nn.Module]:
    """List the modules of nested Sequentials in the order in which they run, shared ones too."""
    if isinstance(module, nn.Sequential):
        return [part for child in module._modules.values() if child for part in _flatten(child)]
    return [] if isinstance(module, nn.Identity) else [module]


def _end_in(layer: dict[str, Any], activation: str) -> None:
    """Put an activation behind the last layer."""
    known = ("none", *ACTIVATIONS.values())
    if activation not in known:
        raise ValueError(f"output_activation={activation!r}: expected one of {', '.join(known)}")
    if activation == "none":
        return
    if layer["activation"] != "none":
        raise ValueError(
            f"output_activation={activation!r}: the decoder ends in {layer['activation']} already"
        )
    layer["activation"] = activation


def describe_circuit(circuit: Circuit) -> dict[str, Any]:
    """Describe a circuit by what happens to its qubits, one step after the other.

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
