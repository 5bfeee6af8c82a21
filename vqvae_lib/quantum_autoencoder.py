r"""The quantum autoencoder: a circuit that compresses quantum *states* into fewer qubits.

A unitary U is trained so that, after it, n - k of the n qubits (the *trash*) are 0 for every state
of a family. They can then be thrown away, and fresh qubits can take their place when U is undone
(Romero, Olson and Aspuru-Guzik 2017, arXiv:1612.02806). It is not a VAE: it has no prior and no
likelihood.

With the mean state ρ of the family and P the projector on trash in 0:

======================  =========================================================================
p0 = tr(U ρ U† P)       mean probability of finding all trash qubits in 0, which is trained
p0 ≤ Σ_{i ≤ 2^k} λ_i    the 2**k largest eigenvalues of ρ (Ky Fan 1949), `compression_bound`
p0² ≤ F ≤ p0            F the fidelity of a state with its reconstruction: for each, and for means
======================  =========================================================================

States are (B, 2**n), real or complex, of unit length; qubit 0 is the first bit. The first k qubits
are kept, the last n - k are the trash.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqvae_lib._checks import check_count, check_generator, check_tensor, raise_if_any
from vqvae_lib._model_files import SavedModel
from vqvae_lib.quantum.circuit import Circuit, Entangle, Entangler, Gate, Operation, Rotate
from vqvae_lib.quantum.pennylane_backend import draw_operations
from vqvae_lib.quantum.statevector import entangle, rot

__all__ = [
    "QuantumAutoencoder",
    "amplitude_states",
    "best_unitary",
    "compression_bound",
    "density_matrix",
]

_AMPLITUDES = (torch.float32, torch.float64, torch.complex64, torch.complex128)


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
        If D is not a power of two, or a row is zero or not finite.

    Examples
    --------
    >>> amplitude_states(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    x = _check_rows("x", x)
    length = x.norm(dim=1)  # (B,)
    wrong = ~length.isfinite() | (length == 0)
    raise_if_any("length of x", length, wrong, "rows of finite length above 0")
    return x / length[:, None]


def density_matrix(states: Tensor) -> Tensor:
    """Mean state ρ of a family: (B, 2**n) to (2**n, 2**n), Hermitian, of trace 1."""
    states = _check_rows("states", states)
    _check_unit_length(states)
    return states.T @ states.conj() / len(states)


def compression_bound(states: Tensor, n_kept: int) -> float:
    """Compute the largest p0 any unitary reaches: the sum of the 2**k largest eigenvalues of ρ.

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
    n_kept = check_count("n_kept", n_kept, least=0, most=_count_qubits(rho))
    largest = torch.linalg.eigvalsh(rho).flip(0)[: 2**n_kept]
    return min(float(largest.sum()), 1.0)  # not above 1 by rounding


def best_unitary(states: Tensor, n_kept: int) -> Tensor:
    """Make a unitary (2**n, 2**n) that reaches `compression_bound`.

    It takes the eigenvectors of ρ with the 2**k largest eigenvalues to the basis states whose
    trash is 0, and the others to the rest.

    Parameters
    ----------
    states, n_kept
        As for `compression_bound`.
    """
    rho = density_matrix(states)
    n = _count_qubits(rho)
    n_kept = check_count("n_kept", n_kept, least=0, most=n)
    vectors = torch.linalg.eigh(rho).eigenvectors.flip(1)  # (2**n, 2**n), one per column
    rows = torch.arange(2**n)
    trash_is_0 = rows % 2 ** (n - n_kept) == 0
    order = torch.cat([rows[trash_is_0], rows[~trash_is_0]])  # where the i-th vector goes
    unitary = torch.empty_like(vectors)
    unitary[order] = vectors.conj().T
    return unitary


class QuantumAutoencoder(SavedModel):
    """A trainable unitary that compresses states of n qubits into k.

    Its circuit is `layers` times (a Rot on every qubit, an entangling layer), and a last Rot on
    every qubit. It works through its whole matrix, which suits states of up to about ten qubits.

    Parameters
    ----------
    n_qubits
        Number n of qubits of the states.
    n_kept
        Number k of qubits that are kept, 1 to n - 1.
    layers
        Number of entangling layers.
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
        self.n_qubits = check_count("n_qubits", n_qubits, least=2)
        self.n_kept = check_count("n_kept", n_kept, most=self.n_qubits - 1)
        self.layers = check_count("layers", layers)
        if generator is not None:
            check_generator("generator", generator)
        circuit = Circuit(
            n_qubits, entangler=entangler, gate=gate, encoder_layers=0, space_layers=layers,
            decoder_layers=0,
        )  # fmt: skip
        self.entangler, self.gate = circuit.entangler, circuit.gate
        self.operations: list[Operation] = [*circuit.operations("space"), Rotate(layers)]
        shape = (layers + 1, n_qubits, 3)
        self.weights = nn.Parameter(0.1 * torch.randn(shape, generator=generator))

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this model again, for its file."""
        names = ("n_qubits", "n_kept", "layers", "entangler", "gate")
        return {name: getattr(self, name) for name in names}

    def unitary(self) -> Tensor:
        """Matrix U of the circuit, (2**n, 2**n), complex."""
        turns = rot(self.weights)  # (layers + 1, n, 2, 2)
        matrix = torch.eye(2**self.n_qubits, dtype=turns.dtype, device=turns.device)
        for operation in self.operations:
            match operation:
                case Rotate(row):  # a layer of rotations is a Kronecker product
                    matrix = functools.reduce(torch.kron, turns[row]) @ matrix
                case Entangle():  # acts on the columns of the matrix as on states
                    matrix = entangle(matrix.T, operation).T
        return matrix

    def encode(self, states: Tensor) -> Tensor:
        """Apply U: states (B, 2**n) to states (B, 2**n), kept qubits first, then the trash."""
        return self._complex(states) @ self.unitary().T

    def trash_probability(self, states: Tensor) -> Tensor:
        """Probability p0 (B,) of finding all trash qubits in 0 after U."""
        return self._split(self.encode(states))[:, :, 0].abs().square().sum(1)

    def compress(self, states: Tensor) -> Tensor:
        """State of the kept qubits alone, (B, 2**k, 2**k): a density matrix.

        It is pure only where the trash is 0: what is thrown away may be entangled with it.
        """
        split = self._split(self.encode(states))
        return split @ split.mH

    def reconstruct(self, states: Tensor) -> Tensor:
        """Replace the trash by fresh qubits in 0 and undo U: (B, 2**n, 2**n), a mixture."""
        decoder = self._decoder()  # (2**n, 2**k)
        return decoder @ self.compress(states) @ decoder.mH

    def fidelity(self, states: Tensor) -> Tensor:
        """Fidelity (B,) of each state ψ with its reconstruction ρ': the expectation of ρ' in ψ."""
        # ρ' = Σ_j K_j|ψ⟩⟨ψ|K_j† over the outcomes j of measuring the trash: K_j|ψ⟩ by columns.
        pieces = self._decoder() @ self._split(self.encode(states))  # (B, 2**n, 2**(n-k))
        overlaps = (self._complex(states).conj()[:, None] @ pieces)[:, 0]  # (B, 2**(n-k))
        return overlaps.abs().square().sum(1)

    def loss(self, x: Tensor, *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Compute 1 - p0, mean over the batch, for `fit`.

        Parameters
        ----------
        x
            States (B, 2**n), real or complex; complex ones also as pairs of real numbers,
            (B, 2**n, 2), which is how `fit` takes them (`torch.view_as_real`).
        generator
            Accepted for `fit`; nothing is drawn.
        """
        if generator is not None:
            check_generator("generator", generator)
        n = 2**self.n_qubits
        if isinstance(x, Tensor | np.ndarray) and tuple(x.shape[1:]) == (n, 2):
            pairs = check_tensor("x", x, ("B", n, 2), like=self.weights, least=1)
            x = torch.view_as_complex(pairs.contiguous())
        x = check_tensor("x", x, ("B", n), dtype=_AMPLITUDES, least=1)
        _check_unit_length(x, "x")
        return {"loss": 1 - self.trash_probability(x).mean()}

    def draw(self) -> str:
        """Draw the circuit in characters, by PennyLane."""
        return draw_operations(self.operations, self.n_qubits)

    def extra_repr(self) -> str:
        """Say what is compressed when the model is printed."""
        return (
            f"{self.n_qubits} qubits into {self.n_kept}, {self.layers} layers, "
            f"{self.entangler} of {self.gate}"
        )

    def _decoder(self) -> Tensor:
        """U† on kept qubits with fresh trash: its columns for trash in 0, (2**n, 2**k)."""
        return self.unitary().mH[:, :: 2 ** (self.n_qubits - self.n_kept)]

    def _split(self, encoded: Tensor) -> Tensor:
        """Reshape (B, 2**n) to (B, 2**k, 2**(n-k)): kept qubits by rows, trash by columns."""
        return encoded.reshape(len(encoded), 2**self.n_kept, -1)

    def _complex(self, states: Tensor) -> Tensor:
        """Check states and bring them to the precision of the weights."""
        shape = ("B", 2**self.n_qubits)
        states = check_tensor("states", states, shape, dtype=_AMPLITUDES, least=1)
        _check_unit_length(states)
        return states.to(self.weights.dtype.to_complex())


def _count_qubits(x: Tensor) -> int:
    """Count the qubits of rows (B, 2**n)."""
    return x.shape[1].bit_length() - 1


def _check_rows(name: str, x: Tensor) -> Tensor:
    """Return rows (B, 2**n), of at least one qubit."""
    x = check_tensor(name, x, ("B", "2**n"), dtype=_AMPLITUDES, least=1)
    n = _count_qubits(x)
    if n < 1 or x.shape[1] != 2**n:
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}, and {x.shape[1]} is not a power of two above 1: "
            "expected (B, 2**n); add columns of zeros up to the next one"
        )
    return x


def _check_unit_length(states: Tensor, name: str = "states") -> None:
    squares = states.detach().abs().square().sum(1)  # (B,)
    wrong = ~((squares - 1).abs() < 1e-3)  # nan included
    raise_if_any(
        f"squared length of {name}", squares, wrong, "1; `amplitude_states` normalises them"
    )
