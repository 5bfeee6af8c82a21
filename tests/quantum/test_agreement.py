"""Every backend against PennyLane: outputs and both gradients, over drawn circuits."""

import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.quantum.oracle import circuits, features, problem, with_gradients
from vqvae_lib import Circuit
from vqvae_lib.quantum import LightCone, PennyLane, StateVectorSimulator
from vqvae_lib.quantum.compiled import Compiled

FAST = {
    "statevector": StateVectorSimulator,
    "compiled": Compiled,
    "light_cone": LightCone,
    "light_cone in plain torch": lambda circuit: LightCone(circuit, compiled=False),
}


def assert_close(got, wanted, tolerance):
    """Differences are measured against the largest number of each array, or 1."""
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.shape == theirs.shape
        if ours.numel():
            scale = max(1.0, theirs.abs().max().item())
            assert (ours - theirs).abs().max().item() <= tolerance * scale


@given(circuits(), st.integers(0, 70), st.integers(0, 2**31))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_every_backend_gives_pennylanes_numbers(circuit, B, seed):
    z, weights, seeds = problem(circuit, B, seed)
    wanted = with_gradients(lambda z, w: features(circuit, z, w), z, weights, seeds)
    for make in FAST.values():
        assert_close(with_gradients(make(circuit), z, weights, seeds), wanted, 1e-12)
    # In float32 the inputs are rounded first, so that both compute the same function.
    single = problem(circuit, B, seed, torch.float32)
    wanted = with_gradients(
        lambda z, w: features(circuit, z, w), *(tensor.double() for tensor in single)
    )
    for make in FAST.values():
        got = with_gradients(make(circuit), *single)
        assert {tensor.dtype for tensor in got} == {torch.float32}
        assert_close([tensor.double() for tensor in got], wanted, 1e-5)


@given(circuits(widest=4), st.integers(0, 3), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None, derandomize=True)
@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
def test_the_pennylane_backend_runs_the_same_circuit(device, circuit, B, seed):
    z, weights, seeds = problem(circuit, B, seed)
    wanted = with_gradients(lambda z, w: features(circuit, z, w), z, weights, seeds)
    backend = PennyLane(circuit, device)
    assert_close(with_gradients(backend, z, weights, seeds), wanted, 1e-12)


@pytest.mark.parametrize("reupload", [False, True])
@pytest.mark.parametrize(("n", "L"), [(1, 2), (2, 3), (3, 1), (5, 6)])
def test_pennylanes_template_is_one_of_the_settings(n, L, reupload):
    circuit = Circuit.strongly_entangling(n, L, reupload=reupload)
    z, weights, seeds = problem(circuit, 3, n)
    device = qml.device("default.qubit", wires=n)

    @qml.qnode(device, interface="torch")
    def template(z, weights):
        if reupload:
            for layer in range(L):
                qml.AngleEmbedding(z, wires=range(n))
                qml.StronglyEntanglingLayers(
                    weights[layer : layer + 1], range(n), ranges=[layer % max(n - 1, 1) + 1]
                ) if n > 1 else qml.StronglyEntanglingLayers(weights[layer : layer + 1], range(n))
        else:
            qml.AngleEmbedding(z, wires=range(n))
            qml.StronglyEntanglingLayers(weights, wires=range(n))
        return [qml.expval(qml.Z(i)) for i in range(n)]

    wanted = with_gradients(lambda z, w: torch.stack(template(z, w), -1), z, weights, seeds)
    for make in FAST.values():
        assert_close(with_gradients(make(circuit), z, weights, seeds), wanted, 1e-12)


GRADCHECKED = [
    Circuit(3),
    Circuit(3, initial="zero", embedding="RX", reupload=True, entangler="ring", readout="Z"),
    Circuit(2, reupload=True, gate="CZ", decoder_layers=0),
]


@pytest.mark.parametrize("circuit", GRADCHECKED, ids=range(len(GRADCHECKED)))
@pytest.mark.parametrize("make", [*FAST.values(), PennyLane], ids=[*FAST, "pennylane"])
def test_gradients_are_those_of_finite_differences(make, circuit):
    z, weights, _ = problem(circuit, 2, 0)
    arguments = z.requires_grad_(), weights.requires_grad_()
    assert torch.autograd.gradcheck(make(circuit), arguments, atol=1e-6)


@pytest.mark.parametrize("make", FAST.values(), ids=FAST)
def test_parameter_shift_is_the_adjoint_gradient(make):
    """∂o/∂t = (o(t + π/2) - o(t - π/2))/2 for each angle, one Rot at a time."""
    backend = make(Circuit(4, entangler="ring"))
    z, weights, seeds = problem(backend.circuit, 3, 1)
    _, _, gradient = with_gradients(backend, z, weights, seeds)
    for index in torch.cartesian_prod(*(torch.arange(k) for k in weights.shape)):
        shift = torch.zeros_like(weights)
        shift[tuple(index)] = torch.pi / 2
        difference = backend(z, weights + shift) - backend(z, weights - shift)
        shifted = (seeds * difference / 2).sum()
        assert (gradient[tuple(index)] - shifted).abs() < 1e-12


def test_parameter_shift_on_a_device_is_backpropagation():
    circuit = Circuit(2)
    z, weights, seeds = problem(circuit, 2, 3)
    shifted = with_gradients(PennyLane(circuit, diff_method="parameter-shift"), z, weights, seeds)
    assert_close(shifted, with_gradients(StateVectorSimulator(circuit), z, weights, seeds), 1e-12)
