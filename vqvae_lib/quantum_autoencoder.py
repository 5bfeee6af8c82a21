r"""The quantum autoencoder: a circuit that compresses quantum *states* into fewer qubits.

A unitary U is trained so that, behind it, n - k of the n qubits (the *trash*) are in 0 for every
state of a family. Then they can be thrown away, and made anew when U is undone (Romero, Olson and
Aspuru-Guzik 2017, arXiv:1612.02806). There is no prior and no likelihood: it is not a VAE.

With the mean state ρ of the family and P the projector on trash in 0:

======================  =========================================================================
p0 = tr(U ρ U† P)       mean probability of finding all trash qubits in 0, what is trained
p0 ≤ Σ_{i ≤ 2^k} λ_i    the 2**k largest eigenvalues of ρ (Ky Fan 1949), `compression_bound`
p0² ≤ F ≤ p0            F the fidelity of a state with its reconstruction, mean over the family
======================  =========================================================================

States are (B, 2**n), real or complex, of unit length; qubit 0 is the first bit. The first k qubits
are kept, the last n - k are the trash.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor, nn

from vqvae_lib._checks import check_count
from vqvae_lib.quantum.circuit import Circuit, Embed, Entangle, Entangler, Gate, Rotate
from vqvae_lib.quantum.statevector import apply_operation, rot

__all__ = [
    "QuantumAutoencoder",
    "amplitude_states",
    "best_unitary",
    "compression_bound",
    "density_matrix",
]


def amplitude_states(x: Tensor) -> Tensor:
    """Embed rows of numbers in the amplitudes of states.

    The length of a row, such as the brightness of an image, is lost, and so is an overall sign.

    Parameters
    ----------
    x
        (B, D), D a power of two.

    Returns
    -------
    Tensor
        (B, D), rows of unit length: states of log2(D) qubits.

    Raises
    ------
    ValueError
        If D is no power of two, or a row is zero or not finite.

    Examples
    --------
    >>> amplitude_states(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    _qubits("x", x)
    length = x.norm(dim=1, keepdim=True)  # (B, 1)
    bad = ~(length.isfinite() & (length > 0)).flatten()
    if bad.any():
        row = int(bad.nonzero()[0])
        raise ValueError(
            f"x: row {row} has length {float(length[row]):g}: expected a finite length above 0"
        )
    return x / length


def density_matrix(states: Tensor) -> Tensor:
    """Mean state ρ of a family: (B, 2**n) to (2**n, 2**n), Hermitian, of trace 1."""
    _check_states("states", states)
    return states.T @ states.conj() / len(states)


def compression_bound(states: Tensor, n_kept: int) -> float:
    """Give the largest p0 that any unitary reaches: the sum of the 2**k largest eigenvalues of ρ.

    Parameters
    ----------
    states
        (B, 2**n), a family of states.
    n_kept
        Number k of qubits that are kept, 0 to n.

    Raises
    ------
    ValueError
        If the states or `n_kept` do not fit.
    """
    rho = density_matrix(states)
    _check_kept(n_kept, _qubits("states", states))
    largest = torch.linalg.eigvalsh(rho).flip(0)[: 2**n_kept]
    return min(float(largest.sum()), 1.0)  # not above 1 by rounding


def best_unitary(states: Tensor, n_kept: int) -> Tensor:
    """Make a unitary (2**n, 2**n) that reaches `compression_bound`.

    It takes the eigenvectors of ρ with the 2**k largest eigenvalues to the basis states whose
    trash is 0.

    Parameters
    ----------
    states, n_kept
        As for `compression_bound`.
    """
    rho = density_matrix(states)
    n = _qubits("states", states)
    _check_kept(n_kept, n)
    vectors = torch.linalg.eigh(rho).eigenvectors.flip(1)  # (2**n, 2**n), a column each
    rows = torch.arange(2**n)
    trash_is_0 = rows % 2 ** (n - n_kept) == 0
    order = torch.cat([rows[trash_is_0], rows[~trash_is_0]])  # where the i-th vector goes
    unitary = torch.empty_like(vectors)
    unitary[order] = vectors.conj().T
    return unitary


class QuantumAutoencoder(nn.Module):
    """A trainable unitary that compresses states of n qubits into k.

    Its circuit is `layers` times (a Rot on every qubit, an entangling layer), and a last Rot on
    every qubit. Training needs nothing but its matrix, which is built from the gates: suited to
    families of up to about ten qubits.

    Parameters
    ----------
    n_qubits
        Number n of qubits of the states.
    n_kept
        Number k of qubits that are kept, 1 to n - 1.
    layers
        Entangling layers.
    entangler, gate
        As in `Circuit`: "ring", "brickwork" or "none"; "CNOT" or "CZ".
    generator
        Source of random numbers for the initial angles, N(0, 0.1²); None: torch's global one.

    Attributes
    ----------
    weights : Parameter
        (layers + 1, n, 3), angles in radians.

    Raises
    ------
    ValueError
        If an argument does not fit.

    Examples
    --------
    >>> model = QuantumAutoencoder(6, 3, layers=4)
    >>> states = amplitude_states(torch.rand(10, 64))
    >>> model.compress(states).shape
    torch.Size([10, 8, 8])
    """

    def __init__(
        self,
        n_qubits: int,
        n_kept: int,
        *,
        layers: int = 4,
        entangler: Entangler = "ring",
        gate: Gate = "CNOT",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_count("n_qubits", n_qubits)
        check_count("layers", layers)
        _check_kept(n_kept, n_qubits, least=1, most=n_qubits - 1)
        circuit = Circuit(
            n_qubits, entangler=entangler, gate=gate, encoder_layers=0,
            space_layers=layers, decoder_layers=0, readout="Z",
        )  # fmt: skip
        self.n_qubits, self.n_kept, self.layers = n_qubits, n_kept, layers
        self.entangler, self.gate = entangler, gate
        # What stands behind the embedding, and a last rotation.
        self.operations: list[Rotate | Entangle] = [
            *(op for op in circuit.operations() if not isinstance(op, Embed)),
            Rotate(layers),
        ]
        shape = (layers + 1, n_qubits, 3)
        self.weights = nn.Parameter(0.1 * torch.randn(shape, generator=generator))

    def unitary(self) -> Tensor:
        """Matrix U of the circuit, (2**n, 2**n), complex."""
        n = self.n_qubits
        dtype = torch.complex64 if self.weights.dtype == torch.float32 else torch.complex128
        matrix = torch.eye(2**n, dtype=dtype, device=self.weights.device)
        # A layer of rotations is a Kronecker product; entanglers act on columns U e_k as states.
        turns = rot(self.weights)  # (layers + 1, n, 2, 2)
        for operation in self.operations:
            if isinstance(operation, Rotate):
                matrix = functools.reduce(torch.kron, turns[operation.row]) @ matrix
            else:
                matrix = apply_operation(matrix.T, operation, self.weights, self.gate).T
        return matrix

    def encode(self, states: Tensor) -> Tensor:
        """Apply U: states (B, 2**n) to states (B, 2**n), kept qubits first, then the trash."""
        return self._complex(states) @ self.unitary().T

    def trash_probability(self, states: Tensor) -> Tensor:
        """Probability p0 (B,) that all trash qubits are found in 0, behind U."""
        return self._split(self.encode(states))[:, :, 0].abs().square().sum(1)

    def compress(self, states: Tensor) -> Tensor:
        """State of the kept qubits alone, (B, 2**k, 2**k): a density matrix.

        It is pure only where the trash is in 0: what is thrown away may be entangled with it.
        """
        split = self._split(self.encode(states))
        return split @ split.mH

    def reconstruct(self, states: Tensor) -> Tensor:
        """Replace the trash by fresh qubits in 0 and undo U: (B, 2**n, 2**n), a mixture."""
        kept = self.compress(states)
        back = self._back()  # (2**n, 2**k)
        return back @ kept @ back.mH

    def fidelity(self, states: Tensor) -> Tensor:
        """Fidelity (B,) of each state ψ with its reconstruction ρ': the expectation of ρ' in ψ."""
        # ρ' is the sum over outcomes j of the trash of K_j|ψ⟩⟨ψ|K_j†.
        pieces = self._back() @ self._split(self.encode(states))  # (B, 2**n, 2**(n-k))
        overlaps = (self._complex(states).conj()[:, None] @ pieces)[:, 0]  # (B, 2**(n-k))
        return overlaps.abs().square().sum(1)

    def loss(self, x: Tensor, *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Give 1 - p0, mean over the batch, for `fit`.

        Parameters
        ----------
        x
            States (B, 2**n), real or complex; complex ones also as pairs of real numbers,
            (B, 2**n, 2), which is how `fit` takes them (`torch.view_as_real`).
        generator
            Not used: nothing is drawn.
        """
        if x.ndim == 3 and x.shape[2] == 2:
            x = torch.view_as_complex(x.contiguous())
        return {"loss": 1 - self.trash_probability(x).mean()}

    def draw(self) -> str:
        """Draw the circuit in characters, by PennyLane."""
        from vqvae_lib.quantum.pennylane_backend import draw_operations

        return draw_operations(self.operations, self.n_qubits, self.gate)

    def extra_repr(self) -> str:
        """Say what is compressed, in the way of torch."""
        return (
            f"{self.n_qubits} qubits into {self.n_kept}, {self.layers} layers, "
            f"{self.entangler} of {self.gate}"
        )

    def _back(self) -> Tensor:
        """U† on kept qubits with fresh trash: the columns of U† whose trash is 0, (2**n, 2**k)."""
        return self.unitary().mH[:, :: 2 ** (self.n_qubits - self.n_kept)]

    def _split(self, encoded: Tensor) -> Tensor:
        """(B, 2**n) to (B, 2**k, 2**(n-k)): kept down, trash across."""
        return encoded.reshape(len(encoded), 2**self.n_kept, -1)

    def _complex(self, states: Tensor) -> Tensor:
        _check_states("states", states)
        if (n := _qubits("states", states)) != self.n_qubits:
            raise ValueError(
                f"states has shape {tuple(states.shape)}, {n} qubits: expected "
                f"(B, {2**self.n_qubits}), {self.n_qubits} qubits"
            )
        real = self.weights.dtype
        return states.to(torch.complex64 if real == torch.float32 else torch.complex128)


def _qubits(name: str, x: Any) -> int:
    """Count the qubits of rows (B, 2**n)."""
    if not isinstance(x, Tensor) or x.ndim != 2 or not len(x):
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{name}: expected a tensor of shape (B, 2**n), B >= 1, got {got}")
    n = x.shape[1].bit_length() - 1
    if n < 1 or x.shape[1] != 2**n:
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}: expected (B, 2**n), and {x.shape[1]} is no power "
            "of two above 1; add columns of zeros up to the next one"
        )
    return n


def _check_states(name: str, states: Tensor) -> None:
    _qubits(name, states)
    length = states.detach().abs().square().sum(1)
    off = (length - 1).abs()
    if not bool((off < 1e-3).all()):
        row = int(off.nan_to_num(math.inf).argmax())
        raise ValueError(
            f"{name}: row {row} has squared length {float(length[row]):.4g}: expected 1; "
            "`amplitude_states` normalises"
        )


def _check_kept(n_kept: Any, n: int, *, least: int = 0, most: int | None = None) -> None:
    most = n if most is None else most
    whole = hasattr(n_kept, "__index__") and not isinstance(n_kept, bool)
    if not whole or not least <= n_kept <= most:
        raise ValueError(
            f"n_kept={n_kept!r} does not fit {n} qubits: expected a whole number from {least} "
            f"to {most}"
        )
