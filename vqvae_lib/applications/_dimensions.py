"""Whether rows of data match a model, asked before anything long is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from vqvae_lib._checks import check_tensor
from vqvae_lib.vae import VAE


def check_dimensions(name: str, rows: Tensor, model: VAE, y: Tensor | None) -> Tensor:
    """Return rows (N, D) of the model's D, dtype and device; ValueError otherwise."""
    weight = next(model.parameters(), rows)
    code = torch.zeros(1, model.d, dtype=weight.dtype, device=weight.device)
    params = model.decode(code, None if y is None else y[:1])  # (1, D * params_per_dimension)
    D = params.shape[1] // model.likelihood.params_per_dimension
    return check_tensor(name, rows, ("N", D), like=weight)
