"""Whether a model is one, and data match it, asked before anything long is computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vqvae_lib._checks import check_instance, check_same_length, check_tensor
from vqvae_lib.vae import VAE

__all__ = ["check_conditions", "check_dimensions", "check_model"]


def check_model(model: Any) -> VAE:
    """Return a VAE; TypeError otherwise."""
    return check_instance("model", model, VAE, "a VAE or VQVAE")


def check_conditions(y: Any, name: str, rows: Tensor) -> Tensor | None:
    """Return one condition for each row, if there are any; the model will say what they must be."""
    if y is None:
        return None
    y = check_tensor("y", y, ("N", ...), dtype=None)
    check_same_length("y", y, name, rows)
    return y


def check_dimensions(name: str, rows: Tensor, model: VAE, y: Tensor | None) -> Tensor:
    """Return rows (N, D) of the model's D, dtype and device; ValueError otherwise."""
    weight = next(model.parameters(), rows)
    code = torch.zeros(1, model.d, dtype=weight.dtype, device=weight.device)
    params = model.decode(code, None if y is None else y[:1])  # (1, D * params_per_dimension)
    D = params.shape[1] // model.likelihood.params_per_dimension
    return check_tensor(name, rows, ("N", D), like=weight)
