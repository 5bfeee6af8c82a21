"""Patched circuits against the separate circuits, PennyLane, and one circuit without some gates."""

import pytest
import torch

import vqvae_lib as vq
from vqvae_lib.bottlenecks import Patched, Scaled, make_bottleneck
from vqvae_lib.quantum import PennyLane


def latent(rows=5, d=12, seed=0):
    return torch.randn(rows, d, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("options", [
    {}, {"readout": "Z"}, {"embedding": "RY"}, {"entangler": "ring"}, {"mirror": True},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("patches", [1, 2, 3, 6])
def test_each_patch_is_a_circuit_of_its_own_by_pennylane(patches, options):
    circuit = vq.Circuit(6, **{"angle_scale": 0.7} | options)
    torch.manual_seed(1)
    layer = Patched(circuit, patches, init="random").double()
    z = latent(3, circuit.latent_dim)
    width, wide = 6 // patches, circuit.latent_dim // patches
    expected = []
    for p, own in enumerate(layer.layers):
        part = vq.Circuit(width, **{"angle_scale": 0.7} | options)
        assert own.circuit == part
        expected.append(PennyLane(part)(z[:, p * wide : (p + 1) * wide], own.weights))
    with torch.no_grad():
        torch.testing.assert_close(layer(z), torch.cat(expected, 1), rtol=0, atol=1e-10)


def test_features_depend_on_their_own_patch_alone():
    torch.manual_seed(0)
    model = vq.VQVAE(20, 8, 12, 6, bottleneck="patched", patches=3).double()
    slopes = torch.autograd.functional.jacobian(model.bottleneck, latent(1))[0, :, 0]  # (m, d)
    for p in range(3):
        own = slice(4 * p, 4 * p + 4)
        outside = slopes[own].clone()
        outside[:, own] = 0
        assert (outside == 0).all()
        assert (slopes[own, own].abs().max(1).values > 1e-3).all()


def test_it_has_the_circuit_s_sizes_and_begins_near_the_identity():
    circuit = vq.Circuit(6, angle_scale=0.3, mirror=True)
    layer = make_bottleneck("patched", circuit, patches=2, init="passthrough").double()
    assert isinstance(layer, Scaled)
    z = 0.1 * latent()
    torch.testing.assert_close(layer(z).abs(), z.abs(), rtol=0.02, atol=1e-4)


def test_a_model_trains_all_patches_and_comes_back_from_a_file(tmp_path):
    torch.manual_seed(0)
    model = vq.VQVAE(20, 8, 12, 6, bottleneck="patched", patches=3)
    before = [p.clone() for p in model.bottleneck.parameters()]
    x = torch.rand(40, 20, generator=torch.Generator().manual_seed(0))
    vq.fit(model, x, epochs=1, lr=0.1, progress=False)
    after = list(model.bottleneck.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "patched")
    again = vq.VQVAE.load(tmp_path / "patched")
    assert len(again.bottleneck.layer.layers) == 3
    z = latent().float()
    assert torch.equal(again.decode(z), model.decode(z))
    with pytest.raises(TypeError, match="has 3 circuits side by side: expected one"):
        _ = again.quantum_layer


def test_twins_begin_with_the_same_networks():
    torch.manual_seed(0)
    patched = vq.VQVAE(20, 8, 12, 6, bottleneck="patched", patches=3)
    torch.manual_seed(0)
    plain = vq.VQVAE(20, 8, 12, 6, bottleneck="none")
    for name in ("encoder", "decoder"):
        pairs = zip(getattr(patched, name).parameters(), getattr(plain, name).parameters(),
                    strict=True)  # fmt: skip
        assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bottleneck": "patched"}, "patches=None: expected a whole number of at least 1"),
        ({"patches": 2}, "bottleneck='quantum' with patches=2"),
        ({"bottleneck": "patched", "patches": 4}, "patches=4 does not divide n_qubits=6"),
        ({"bottleneck": "patched", "patches": 0}, "patches=0: expected a whole number"),
    ],
)
def test_what_does_not_fit_is_named(options, said):
    with pytest.raises(ValueError, match=said):
        vq.VQVAE(20, 8, 12, 6, **options)


def test_rows_that_cannot_be_divided_are_named():
    layer = Patched(vq.Circuit(6, mirror=True), 3)
    with pytest.raises(ValueError, match=r"z has shape \(2, 10\): expected \(\.\.\., 12\)"):
        layer(torch.zeros(2, 10))
