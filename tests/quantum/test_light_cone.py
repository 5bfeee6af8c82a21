"""Light cones against whole states, and against matrix-product states where none fits."""

import pytest
import torch

from tests.quantum.oracle import features, problem, with_gradients
from vqvae_lib import Circuit, QuantumLayer
from vqvae_lib.quantum import LightCone, StateVectorSimulator
from vqvae_lib.quantum.backends import Auto
from vqvae_lib.quantum.compiled import Compiled
from vqvae_lib.quantum.windows import cones, cost, whole


@pytest.mark.parametrize("gate", ["CNOT", "CZ"])
@pytest.mark.parametrize("depth", range(1, 14))
@pytest.mark.parametrize("n", [5, 12])
def test_they_are_the_whole_state_at_every_depth(n, depth, gate):
    circuit = Circuit(n, gate=gate, encoder_layers=0, space_layers=depth, decoder_layers=0)
    z, weights, seeds = problem(circuit, 2, depth)
    wanted = with_gradients(Compiled(circuit), z, weights, seeds)
    for got in (
        with_gradients(LightCone(circuit), z, weights, seeds),
        with_gradients(LightCone(circuit, compiled=False), z, weights, seeds),
    ):
        for ours, theirs in zip(got, wanted, strict=True):
            assert (ours - theirs).abs().max() < 1e-12


@pytest.mark.parametrize("circuit", [Circuit(30), Circuit(30, reupload=True, gate="CZ")])
def test_thirty_qubits_are_a_matrix_product_state(circuit):
    z, weights, seeds = problem(circuit, 1, 0)

    def product_state(z, weights):
        torch.set_default_dtype(torch.float64)  # the device's plain numbers take it on
        o = features(circuit, z[0], weights, "default.tensor", method="mps", cutoff=0.0)
        torch.set_default_dtype(torch.float32)
        return o

    o, z_gradient, weights_gradient = with_gradients(LightCone(circuit), z, weights, seeds)
    wanted = product_state(z, weights)
    assert wanted.abs().max() > 0.3  # not all of it is close to zero
    assert (o[0] - wanted).abs().max() < 1e-12
    # Of the gradient, one angle of each kind by parameter shift.
    for index in ((0, 7, 0), (1, 20, 1), (2, 15, 2)):
        shift = torch.zeros_like(weights)
        shift[index] = torch.pi / 2
        difference = product_state(z, weights + shift) - product_state(z, weights - shift)
        assert (weights_gradient[index] - (seeds[0] * difference).sum() / 2).abs() < 1e-12
    if not circuit.reupload:
        shift = torch.zeros_like(z)
        shift[0, 31] = torch.pi / 2
        difference = product_state(z + shift, weights) - product_state(z - shift, weights)
        assert (z_gradient[0, 31] - (seeds[0] * difference).sum() / 2).abs() < 1e-12


def test_they_are_taken_where_they_cost_less():
    assert isinstance(Auto(Circuit(50)).on_cpu, LightCone)
    assert isinstance(Auto(Circuit(20, entangler="none")).on_cpu, LightCone)
    assert isinstance(Auto(Circuit(10)).on_cpu, LightCone)
    assert isinstance(Auto(Circuit(9)).on_cpu, Compiled)  # windows have a price of their own
    assert isinstance(Auto(Circuit(4)).on_cpu, Compiled)
    assert isinstance(Auto(Circuit(12, entangler="ring")).on_cpu, Compiled)
    assert isinstance(Auto(Circuit(4)).elsewhere, StateVectorSimulator)


def test_their_cost_grows_with_the_qubits_not_with_their_power():
    few, many = (cost(cones(Circuit(n))) for n in (50, 500))
    assert 9 < many / few < 11.5
    assert cost(whole(Circuit(20))) > 500 * cost(whole(Circuit(10)))


def test_a_thousand_qubits_train():
    torch.manual_seed(0)
    layer = QuantumLayer(Circuit(1000), init="random")
    z = torch.randn(2, 2000)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    losses = []
    for _step in range(5):
        loss = layer(z).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_a_cone_too_wide_for_the_machine_is_told():
    for make in (LightCone, StateVectorSimulator):
        with pytest.raises(ValueError, match="Fewer entangling layers make the light cones narr"):
            make(Circuit(100, space_layers=60))
    with pytest.raises(ValueError, match=r"needs 1e\+31 GB .*backend='light_cone'"):
        StateVectorSimulator(Circuit(130))
    with pytest.raises(ValueError, match=r"GB .*entangler='brickwork' can use light cones"):
        StateVectorSimulator(Circuit(1100, entangler="ring", encoder_layers=0, space_layers=1))
