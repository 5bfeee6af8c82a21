"""Whether data and a model fit each other, before anything is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from vqvae_lib.vae import VAE


def check_fits(model: VAE, name: str, rows: Tensor, y: Tensor | None) -> None:
    """Refuse rows (N, D) of another dtype, device or D than the model's."""
    weight = next(model.parameters(), rows)
    if rows.dtype != weight.dtype or rows.device != weight.device:
        raise ValueError(
            f"{name} leads to {rows.dtype} on {rows.device}, the model has {weight.dtype} on "
            f"{weight.device}: expected the same"
        )
    code = torch.zeros(1, model.d, dtype=weight.dtype, device=weight.device)
    params = model.decode(code, None if y is None else y[:1])  # (1, D * params_per_dimension)
    D = params.shape[1] // model.likelihood.params_per_dimension
    if rows.shape[1] != D:
        raise ValueError(f"{name} has shape {tuple(rows.shape)}: expected (..., {D}) for the model")
