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


@pytest.mark.parametrize("method", ["finite-diff", "spsa"])
def test_difference_quotients_are_taken_in_float64(method):
    """In float32 their steps, 1e-7 and 1e-5, are lost to rounding."""
    z, weights, _ = problem(CIRCUIT, 2, 0, torch.float32)
    weights.requires_grad_()
    (wanted,) = torch.autograd.grad(StateVectorSimulator(CIRCUIT)(z, weights).sum(), weights)
    backend = PennyLane(CIRCUIT, diff_method=method)
    single = backend(z, weights)
    (gradient,) = torch.autograd.grad(single.sum(), weights)
    assert single.dtype == gradient.dtype == torch.float32
    if method == "spsa":  # along a direction at random, the same in float64
        backend.manual_seed(0)
        weights = weights.detach().double().requires_grad_()
        (wanted,) = torch.autograd.grad(backend(z.double(), weights).sum(), weights)
    assert (gradient - wanted).abs().max() < 1e-5


def test_directions_at_random_belong_to_the_seed():
    z, weights, _ = problem(CIRCUIT, 2, 0)
    weights.requires_grad_()
    backend = PennyLane(CIRCUIT, diff_method="spsa", seed=3)

    def gradient(backend):
        return torch.autograd.grad(backend(z, weights).sum(), weights)[0]

    first, second = gradient(backend), gradient(backend)
    assert not torch.equal(first, second)
    assert torch.equal(first, gradient(PennyLane(CIRCUIT, diff_method="spsa", seed=3)))
    assert torch.equal(first, gradient(pickle.loads(pickle.dumps(backend))))
    backend.manual_seed(3)
    assert torch.equal(first, gradient(backend))
    assert torch.equal(second, gradient(backend))


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
        ({"shots": 5, "diff_method": "finite-diff"}, "diff_method='finite-diff' needs exact expe"),
        ({"diff_method": "backprop", "device": "lightning.qubit"}, "PennyLane says: .*backprop"),
        ({"diff_method": "best?"}, r"diff_method='best\?': expected one of 'best', 'device'"),
        ({"seed": -1}, "seed=-1: expected a whole number"),
        ({"device": qml.device("default.qubit"), "c_dtype": "x"}, "device is already made"),
        (
            {"device": qml.device("default.qubit", wires=2)},
            r"device has the wires \[0, 1\]: expected 0 to 2",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, told):
    with pytest.raises(ValueError, match=told):
        PennyLane(CIRCUIT, **arguments)


def test_other_kinds_of_arguments_are_named():
    with pytest.raises(TypeError, match=r"device is a int: expected a name, such as 'default.qub"):
        PennyLane(CIRCUIT, 3)
    with pytest.raises(TypeError, match=r"noise is a float: expected a qml.NoiseModel"):
        PennyLane(CIRCUIT, noise=0.1)
    with pytest.raises(TypeError, match="circuit is a int: expected a Circuit"):
        PennyLane(3)


@pytest.mark.parametrize(
    ("device", "n"), [("default.qubit", 50), ("lightning.qubit", 50), ("default.mixed", 25)]
)
def test_a_state_that_does_not_fit_is_told_before_it_is_made(device, n):
    with pytest.raises(ValueError, match=rf"n_qubits={n} needs .* GB for 1 state vector"):
        PennyLane(Circuit(n, entangler="ring"), device)


def test_a_layer_prints_what_decides_its_features():
    """A training run is known by what its model prints."""
    noise = qml.NoiseModel(
        {qml.noise.op_eq(qml.Rot): qml.noise.partial_wires(qml.DepolarizingChannel, 0.1)}
    )

    def printed(**options):
        return repr(QuantumLayer(CIRCUIT, init="random", backend="pennylane", **options))

    assert "backend pennylane (default.qubit)" in printed()
    said = printed(device="default.mixed", shots=20, seed=3, noise=noise)
    assert "backend pennylane (default.mixed, 20 shots, seed 3, noise NoiseModel(" in said
    assert "DepolarizingChannel(p=0.1)" in said
    assert said == printed(device="default.mixed", shots=20, seed=3, noise=noise)
    assert printed(diff_method="parameter-shift") != printed()
    own = printed(device=qml.device("default.qubit", wires=3))
    assert own == printed(device=qml.device("default.qubit", wires=3))
    assert "a ready default.qubit" in own
