"""Compile the kernels now, for both dtypes: `python -m vqvae_lib.quantum.compiled`.

After this, no chapter has to wait for it.
"""

import torch

from vqvae_lib.quantum.compiled import warm_up


def main() -> None:
    """Compile for float32, then for float64."""
    for dtype in (torch.float32, torch.float64):
        warm_up(dtype)


if __name__ == "__main__":
    main()
