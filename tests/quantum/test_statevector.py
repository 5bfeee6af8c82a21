"""The reference simulator against NumPy's matrices."""

from functools import reduce

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from tests.quantum.oracle import problem
from vqvae_lib import Circuit
from vqvae_lib.quantum import statevector as sv
from vqvae_lib.quantum.circuit import Embed, Rotate

X = np.array([[0, 1], [1, 0]])
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1])
I = np.eye(2)  # noqa: E741


def on(n, **gates):
    """Kronecker product of the gates named q0, q1, …, with identities elsewhere."""
    return reduce(np.kron, [gates.get(f"q{i}", I) for i in range(n)])


def random_state(B, n, seed=0):
    g = torch.Generator().manual_seed(seed)
    state = torch.randn(B, 2**n, dtype=torch.complex128, generator=g)
    return state / state.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(("gate", "axis"), [(sv.rx, X), (sv.ry, Y), (sv.rz, Z)])
def test_rotations_are_exponentials_of_paulis(gate, axis):
    for angle in (0.0, 0.7, -2.0, 9.0):
        matrix = gate(torch.tensor(angle, dtype=torch.float64))
        np.testing.assert_allclose(matrix, expm(-0.5j * angle * axis), atol=1e-15)


def test_rot_is_three_rotations_the_first_angle_first():
    angles = torch.tensor([0.3, -1.1, 2.5], dtype=torch.float64)
    phi, theta, omega = angles.tolist()
    matrix = expm(-0.5j * omega * Z) @ expm(-0.5j * theta * Y) @ expm(-0.5j * phi * Z)
    np.testing.assert_allclose(sv.rot(angles), matrix, atol=1e-15)


@pytest.mark.parametrize("qubit", [0, 1, 2])
def test_gates_on_one_qubit_are_kronecker_products(qubit):
    state = random_state(2, 3)
    gate = sv.rot(torch.tensor([0.3, -1.1, 2.5], dtype=torch.float64))
    matrix = on(3, **{f"q{qubit}": gate.numpy()})
    np.testing.assert_allclose(
        sv.apply_gate(state, gate, qubit), state.numpy() @ matrix.T, atol=1e-15
    )
    # One gate for each sample.
    gates = sv.ry(torch.tensor([0.1, 2.0], dtype=torch.float64))
    got = sv.apply_gate(state, gates, qubit)
    for b in range(2):
        matrix = on(3, **{f"q{qubit}": gates[b].numpy()})
        np.testing.assert_allclose(got[b], matrix @ state[b].numpy(), atol=1e-15)


@pytest.mark.parametrize(("control", "target"), [(0, 1), (1, 0), (0, 2), (2, 0), (2, 1)])
def test_gates_on_two_qubits_are_sums_of_projectors(control, target):
    state = random_state(2, 3)
    zero, one = np.diag([1, 0]), np.diag([0, 1])
    for gate, flip in ((sv.cnot, X), (sv.cz, Z)):
        matrix = on(3, **{f"q{control}": zero}) + on(3, **{f"q{control}": one, f"q{target}": flip})
        np.testing.assert_allclose(
            gate(state, control, target), state.numpy() @ matrix.T, atol=1e-15
        )


@pytest.mark.parametrize("qubit", [0, 1, 2])
def test_expectations_are_quadratic_forms(qubit):
    state = random_state(4, 3)
    for expectation, pauli in ((sv.expectation_z, Z), (sv.expectation_x, X)):
        matrix = on(3, **{f"q{qubit}": pauli})
        wanted = np.einsum("bi,ij,bj->b", state.numpy().conj(), matrix, state.numpy()).real
        np.testing.assert_allclose(expectation(state, qubit), wanted, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_norm_survives_a_hundred_layers(dtype):
    circuit = Circuit(5, space_layers=100, reupload=True)
    z, weights, _ = problem(circuit, 3, 0, dtype)
    operations = circuit.operations()
    rotations = 5 * sum(3 * isinstance(o, Rotate) + 2 * isinstance(o, Embed) for o in operations)
    assert rotations == 5 * (3 * 101 + 2 * 100)
    state = sv.evolve(circuit, operations, z, weights)
    # Each rotation is rounded, and so changes the norm by about one unit of rounding.
    assert (state.norm(dim=1) - 1).abs().max() < rotations * torch.finfo(dtype).eps


def test_the_uniform_superposition_has_an_amplitude_for_each_of_all_basis_states():
    circuit = Circuit(3, entangler="none", encoder_layers=0)
    state = sv.evolve(circuit, [], torch.zeros(1, 3), torch.zeros(circuit.weight_shape))
    np.testing.assert_allclose(state, np.full((1, 8), 8**-0.5), atol=1e-7)


def test_second_derivatives_hold_where_amplitudes_vanish():
    """⟨Z⟩ = cos t at t = 0, where the amplitude of |1⟩ is exactly zero."""
    circuit = Circuit(
        1, initial="zero", embedding="RY", encoder_layers=0, space_layers=0, readout="Z"
    )
    weights = torch.zeros(circuit.weight_shape, dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(
        lambda z: sv.StateVector(circuit)(z[None], weights).sum(), torch.zeros(1).double()
    )
    assert (hessian + 1).abs().max() < 1e-15


def test_it_has_second_derivatives():
    backend = sv.StateVector(Circuit(2))
    z = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(backend.circuit.weight_shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(backend, (z, weights), atol=1e-6)


def test_each_sample_may_have_its_own_weights():
    circuit = Circuit(3, entangler="ring")
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    L, n, _ = circuit.weight_shape
    weights = torch.randn(L, n, 4, 3, generator=generator, dtype=torch.float64)
    together = sv.evolve(circuit, circuit.operations(), z, weights)
    for i in range(4):
        alone = sv.evolve(circuit, circuit.operations(), z[i : i + 1], weights[:, :, i])
        torch.testing.assert_close(together[i], alone[0], rtol=0, atol=1e-13)
