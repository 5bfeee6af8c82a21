"""Bottlenecks against product formulas, PennyLane's Fourier claims and counted ranks."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

import vqvae_lib as vq
from vqvae_lib.bottlenecks import Fourier, Scaled, count_parameters, make_bottleneck

CIRCUIT = vq.Circuit(3, angle_scale=0.3, mirror=True)
KINDS = ("quantum", "separable", "frozen", "fourier", "mlp", "linear", "tanh", "none")


def latent(rows=7, d=6, seed=0):
    return torch.randn(rows, d, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("kind", KINDS)
def test_each_has_the_circuit_s_sizes_and_begins_near_the_identity(kind):
    torch.manual_seed(0)
    bottleneck = make_bottleneck(kind, CIRCUIT, init="passthrough").double()
    z = 0.1 * latent()
    features = bottleneck(z)
    assert features.shape == (7, 6)
    # Up to the sign with which a qubit is read: Z gives -sin.
    sizes = {"mlp": 0.1, "linear": 0.1}
    torch.testing.assert_close(features.abs(), z.abs(), rtol=0.02, atol=sizes.get(kind, 1e-4))


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_trained_gets_a_gradient(kind):
    torch.manual_seed(0)
    bottleneck = make_bottleneck(kind, CIRCUIT).double()
    z = latent().requires_grad_()
    bottleneck(z).square().sum().backward()
    assert z.grad.abs().min() > 0
    trained = {name for name, p in bottleneck.named_parameters() if p.requires_grad}
    assert trained == {n for n, p in bottleneck.named_parameters() if p.grad is not None}
    assert trained == {
        "quantum": {"scale", "layer.weights"},
        "separable": {"scale", "layer.weights"},
        "frozen": {"scale"},
        "fourier": {"scale", "layer.combine.weight"},
        "tanh": {"scale"},
        "linear": {"weight", "bias"},
        "none": set(),
    }.get(kind, {f"network.{i}.{part}" for i in (0, 2) for part in ("weight", "bias")})


def rotated(vector, axis, angle):
    """Rodrigues' formula: a vector turned about an axis."""
    axis, c, s = np.eye(3)["xyz".index(axis)], math.cos(angle), math.sin(angle)
    return c * vector + s * np.cross(axis, vector) + (1 - c) * axis * (axis @ vector)


@pytest.mark.parametrize("embedding", ["RY", "RY+RZ"])
def test_the_separable_twin_is_its_product_formula(embedding):
    """Each qubit is a vector turned in space, by its own coordinates and angles alone."""
    circuit = vq.Circuit(3, embedding=embedding, angle_scale=0.7)
    layer = make_bottleneck("separable", circuit, init="random", scale_features=False).double()
    z = latent(5, circuit.latent_dim)
    features = layer(z).detach().numpy()
    weights = layer.weights.detach().numpy()
    for row, found in zip(z.numpy(), features, strict=True):
        for qubit, own in enumerate(row.reshape(3, -1)):
            vector = np.array([1.0, 0, 0])  # H|0>
            for axis, t in zip("yz", own, strict=False):
                vector = rotated(vector, axis, 0.7 * t)
            for phi, theta, omega in weights[:, qubit]:
                for axis, angle in (("z", phi), ("y", theta), ("z", omega)):
                    vector = rotated(vector, axis, angle)
            np.testing.assert_allclose(found[2 * qubit : 2 * qubit + 2], vector[[2, 0]], atol=1e-12)


@pytest.mark.parametrize("circuit", [
    vq.Circuit(3, embedding="RY", angle_scale=0.7),
    vq.Circuit(3, angle_scale=-1.3, entangler="ring"),
    vq.Circuit(2, initial="zero"),
    vq.Circuit(2, initial="zero", embedding="RX"),
    vq.Circuit(2, embedding="RY", reupload=True, space_layers=3),
    vq.Circuit(1, reupload=True),
], ids=str)  # fmt: skip
def test_fourier_functions_hold_every_feature_of_the_circuit(circuit):
    """Fitted on some points, equal on others: the claim of Schuld, Sweke and Meyer."""
    layer = vq.QuantumLayer(circuit, init="random", generator=torch.Generator().manual_seed(0))
    fourier = Fourier(layer).double()
    assert fourier.exact
    z = 3 * latent(20, circuit.latent_dim, seed=1)
    features = layer.double()(z)
    torch.testing.assert_close(fourier(z), features, rtol=0, atol=1e-6)  # weights kept in float32


def test_too_many_functions_are_cut_short_at_the_simplest():
    circuit = vq.Circuit(3, embedding="RY", mirror=True, readout="Z")
    fourier = Fourier(vq.QuantumLayer(circuit, init="passthrough"), max_functions=7)
    assert not fourier.exact
    assert fourier.choice.count_nonzero(1).tolist() == [0, 1, 1, 1, 1, 1, 1]
    assert fourier.extra_repr() == "7 of 3^3 functions"
    z = latent(9, 3)  # at the passthrough each feature needs no more than these
    torch.testing.assert_close(fourier.double()(z), -torch.sin(z), rtol=0, atol=1e-6)


def test_fourier_functions_are_the_products():
    fourier = Fourier(
        vq.QuantumLayer(vq.Circuit(2, embedding="RY", angle_scale=0.5), init="random")
    )
    z = latent(4, 2)
    t = 0.5 * z.numpy()
    one_qubit = [np.ones_like(t), np.cos(t), np.sin(t)]
    expected = {
        choice: one_qubit[choice[0]][:, 0] * one_qubit[choice[1]][:, 1]
        for choice in product(range(3), repeat=2)
    }
    values = fourier.functions(z)
    for choice, value in zip(fourier.choice.tolist(), values.T, strict=True):
        np.testing.assert_allclose(value, expected.pop(tuple(choice)), atol=1e-12)
    assert not expected


def test_mlp_has_about_as_many_numbers_as_the_circuit_has_angles():
    for n in (4, 10):
        circuit = vq.Circuit(n)
        mlp = make_bottleneck("mlp", circuit)
        count = sum(p.numel() for p in mlp.parameters())
        width = 4 * n + 1  # one hidden unit more or less
        assert abs(count - math.prod(circuit.weight_shape)) <= width


def test_features_are_scaled_one_by_one():
    scaled = Scaled(nn.Identity(), 3, 2.0)
    with torch.no_grad():
        scaled.scale[1] = -5
    assert scaled(torch.ones(2, 3)).tolist() == [[2, -5, 2]] * 2


def test_tanh_is_torch_s():
    z = latent()
    tanh = make_bottleneck("tanh", CIRCUIT, scale_features=False)
    torch.testing.assert_close(tanh(z), torch.tanh(0.3 * z), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["tanh", "none"])
def test_what_keeps_the_number_of_coordinates_says_so(kind):
    with pytest.raises(ValueError, match=f"bottleneck='{kind}' gives as many .* 6, .* 3 features"):
        make_bottleneck(kind, vq.Circuit(3, readout="Z"))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="bottleneck='quantom': expected one of 'quantum', 'sep"):
        make_bottleneck("quantom", CIRCUIT)


# Counting parameters ------------------------------------------------------------------------------


def test_a_matrix_s_numbers_all_count():
    assert count_parameters(nn.Linear(6, 4), latent(40).float()) == (28, 28)


def test_two_matrices_in_a_row_count_as_one_of_their_rank():
    """W = A B of rank r has r (d + m - r) free numbers."""
    torch.manual_seed(0)
    pair = nn.Sequential(nn.Linear(6, 2, bias=False), nn.Linear(2, 5, bias=False))
    assert count_parameters(pair, latent(40).float()) == (22, 2 * (6 + 5 - 2))


def test_a_small_effect_is_one():
    """The second number moves its feature a million times less than the first."""
    scaled = Scaled(nn.Identity(), 2, 1.0)
    z = latent(40, 2) * torch.tensor([1.0, 1e-6])
    assert count_parameters(scaled, z) == (2, 2)


def test_angles_without_effect_do_not_count():
    """One qubit read out in Z: of Rot = RZ RY RZ the last RZ does nothing, so 2 of 3 remain."""
    layer = vq.QuantumLayer(
        vq.Circuit(1, embedding="RY", entangler="none", space_layers=0, readout="Z"), init="random",
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert count_parameters(layer, latent(40, 1).float()) == (3, 2)


def test_three_rotations_in_a_row_count_as_one():
    """Any number of Rot on one qubit is a rotation of space: three numbers."""
    circuit = vq.Circuit(1, entangler="none", space_layers=4)
    layer = vq.QuantumLayer(circuit, init="random", generator=torch.Generator().manual_seed(0))
    assert count_parameters(layer, latent(40, 2).float()) == (15, 3)


def test_a_frozen_circuit_s_angles_do_not_count():
    assert count_parameters(make_bottleneck("frozen", CIRCUIT), latent().float()) == (6, 6)
    assert count_parameters(nn.Identity(), latent()) == (0, 0)


def test_counting_leaves_the_layer_as_it_was():
    layer = make_bottleneck("quantum", CIRCUIT)
    before = layer.layer.weights.detach().clone()
    count_parameters(layer, latent(40).float())
    assert layer.layer.weights.dtype == torch.float32
    assert torch.equal(layer.layer.weights, before)
    assert layer.layer.weights.grad is None


def test_too_few_points_to_count_are_refused():
    with pytest.raises(ValueError, match="z has 2 rows, which make 12 features: expected more"):
        count_parameters(make_bottleneck("quantum", CIRCUIT), latent(2).float())
