"""What only PennyLane's devices have: shots, noise, other ways to differentiate, drawing."""

import pickle

import matplotlib.pyplot as plt
import pennylane as qml
import pytest
import torch

from tests.quantum.oracle import problem
from vqvae_lib import Circuit, QuantumLayer
from vqvae_lib.quantum import PennyLane, StateVectorSimulator, draw

CIRCUIT = Circuit(3)


def test_shots_scatter_around_the_exact_value_by_the_known_variance():
    """Var(o_hat) = (1 - o²)/N_shots."""
    z, weights, _ = problem(CIRCUIT, 400, 0)
    z[:] = z[0]
    exact = StateVectorSimulator(CIRCUIT)(z[:1], weights)
    estimates = PennyLane(CIRCUIT, shots=200)(z, weights)
    variance = (1 - exact**2) / 200
    errors = (estimates.mean(0) - exact) / (variance / 400).sqrt()
    assert errors.abs().max() < 4.5
    ratio = estimates.var(0) / variance
    assert ((ratio > 0.7) & (ratio < 1.3)).all()


def test_shots_are_owned_by_their_seed():
    z, weights, _ = problem(CIRCUIT, 2, 0)

    def two_calls(seed):
        backend = PennyLane(CIRCUIT, shots=100, seed=seed)
        return torch.stack([backend(z, weights), backend(z, weights)])

    torch.manual_seed(1)
    first = two_calls(0)
    torch.manual_seed(2)
    assert torch.equal(first, two_calls(0))
    assert not torch.equal(first, two_calls(1))
    assert not torch.equal(first[0], first[1])


def test_shots_train_by_parameter_shift():
    layer = QuantumLayer(Circuit(1), init="random", backend="pennylane", shots=2000, seed=3)
    exact = layer.to_backend("statevector")
    z = torch.tensor([[0.4, -0.3]])
    noisy = torch.autograd.grad(layer(z).sum(), layer.weights)[0]
    wanted = torch.autograd.grad(exact(z).sum(), layer.weights)[0]
    assert 0 < (noisy - wanted).abs().max() < 0.15


def test_noise_shrinks_what_is_measured():
    """Depolarising a qubit by p before it is read multiplies its features by 1 - 4p/3."""
    circuit = Circuit(
        2, initial="zero", embedding="RY", entangler="none", space_layers=0, readout="Z"
    )
    p = 0.1
    after_rot = qml.NoiseModel(
        {qml.noise.op_eq(qml.Rot): qml.noise.partial_wires(qml.DepolarizingChannel, p)}
    )
    z, weights, _ = problem(circuit, 3, 0)
    backend = PennyLane(circuit, "default.mixed", noise=after_rot)
    wanted = (1 - 4 * p / 3) * StateVectorSimulator(circuit)(z, weights)
    assert (backend(z, weights) - wanted).abs().max() < 1e-12
    (gradient,) = torch.autograd.grad(backend(z, weights.requires_grad_()).sum(), weights)
    (exact,) = torch.autograd.grad(StateVectorSimulator(circuit)(z, weights).sum(), weights)
    assert (gradient - (1 - 4 * p / 3) * exact).abs().max() < 1e-12


def test_a_device_made_by_hand_is_used():
    device = qml.device("default.qubit", wires=5)
    z, weights, _ = problem(CIRCUIT, 2, 0)
    with device.tracker:
        PennyLane(CIRCUIT, device)(z, weights)
    assert device.tracker.totals["executions"] >= 1


@pytest.mark.parametrize("options", [{}, {"shots": 50, "seed": 4}, {"device": "lightning.qubit"}])
def test_it_pickles_and_begins_anew(options):
    backend = PennyLane(CIRCUIT, **options)
    z, weights, _ = problem(CIRCUIT, 2, 0)
    assert torch.equal(pickle.loads(pickle.dumps(backend))(z, weights), backend(z, weights))


def test_drawing_is_pennylanes():
    said = draw(Circuit(3, gate="CZ"))
    assert said.count("H") == 3
    assert said.count("Rot") == 9
    assert "<X>" in said
    figure, axes = draw(CIRCUIT, figure=True)
    assert axes.get_figure() is figure
    plt.close(figure)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"device": "no.such"}, r"device='no.such' with {}, .*PennyLane says: .*does not exist"),
        ({"device": "default.tensor", "shots": 5}, "device='default.tensor' with {'seed': 0}"),
        ({"shots": 0}, "shots=0: expected a whole number of at least 1"),
        ({"shots": 1.5}, "shots=1.5: expected a whole number"),
        ({"shots": 5, "diff_method": "adjoint"}, "diff_method='adjoint' needs exact expectation"),
        ({"device": qml.device("default.qubit"), "c_dtype": "x"}, "device is already made"),
    ],
)
def test_bad_arguments_are_named(arguments, told):
    with pytest.raises(ValueError, match=told):
        PennyLane(CIRCUIT, **arguments)
