"""Whether a model is one, and data match it, asked before anything long is computed."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor

from vqvae_lib._checks import check_instance, check_same_length, check_tensor
from vqvae_lib.vae import VAE

__all__ = ["check_conditions", "check_dimensions", "check_model", "check_slopes"]


def check_model(model: Any) -> VAE:
    """Return a VAE; TypeError otherwise."""
    return check_instance("model", model, VAE, "a VAE or VQVAE")


def check_slopes(model: VAE) -> None:
    """Refuse, with a ValueError, a model that autograd cannot follow."""
    if any(part.is_inference() for part in chain(model.parameters(), model.buffers())):
        raise ValueError(
            "model was made in inference mode, so there are no slopes to climb: expected one made "
            "outside of it, as copy.deepcopy(model) gives there"
        )


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
