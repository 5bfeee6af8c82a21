"""The latent plane, seen from Python. What the browser does with it: tests/browser."""

import base64
import html
import json
import re

import numpy as np
import pytest
import torch
from torch import nn

import vqvae_lib as vq
from vqvae_lib.course.widgets import LatentPlane


@pytest.fixture
def model():
    torch.manual_seed(0)
    return vq.mlp_autoencoder(64, 32, 2, activation="silu")


def plane(model, n=40, **changes):
    generator = torch.Generator().manual_seed(0)
    settings = {
        "decoder": model.decoder,
        "codes": torch.randn(n, 2, generator=generator),
        "labels": torch.arange(n) % 10,
        "image_shape": (8, 8),
        "alt": "A plane with numerals.",
    } | changes
    return LatentPlane(
        settings.pop("decoder"), settings.pop("codes"), settings.pop("labels"), **settings
    )


def state_in_html(widget):
    bundle, _metadata = widget._repr_mimebundle_()
    return json.loads(html.unescape(re.search(r'data-vq-state="([^"]*)"', bundle["text/html"])[1]))


def test_html_carries_the_whole_state_and_a_fallback(model):
    widget = plane(model)
    bundle, _metadata = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert 'class="vq-widget" data-vq-widget="latent_plane"' in bundle["text/html"]
    assert bundle["text/html"].endswith(">A plane with numerals.</div>")
    state = state_in_html(widget)
    assert set(state) == {"alt", "codes", "extent", "image_shape", "layers", "words", "z"}


def test_decoder_in_the_state_is_the_decoder(model):
    """Decode in NumPy from the state alone, and compare with torch on the rounded weights."""
    state = state_in_html(plane(model))
    z = np.array([0.3, -1.2])
    value = z
    for layer in state["layers"]:
        weight = np.frombuffer(base64.b64decode(layer["weight"]), "<f2").astype(float)
        bias = np.frombuffer(base64.b64decode(layer["bias"]), "<f2").astype(float)
        value = weight.reshape(layer["shape"]) @ value + bias
        if layer["activation"] == "silu":
            value = value / (1 + np.exp(-value))
    rounded = model.decoder.half().double()
    with torch.no_grad():
        expected = rounded(torch.tensor(z)[None])[0].numpy()
    np.testing.assert_allclose(value, expected, atol=1e-12)


def test_shared_activations_and_the_default_are_run(model):
    act = nn.SiLU()
    shared = nn.Sequential(nn.Linear(2, 8), act, nn.Sequential(nn.Linear(8, 64), act))
    state = state_in_html(plane(model, decoder=shared))
    assert [layer["activation"] for layer in state["layers"]] == ["silu", "silu"]
    state = state_in_html(plane(vq.mlp_autoencoder(64, 16, 2)))
    assert [layer["activation"] for layer in state["layers"]] == ["gelu", "none"]


def test_state_stays_small(model):
    big = vq.mlp_autoencoder(64, 64, 2, activation="silu")
    bundle, _ = plane(big, n=5000)._repr_mimebundle_()
    assert len(bundle["text/html"]) < 60_000


def test_repr_is_the_same_in_every_run(model):
    assert repr(plane(model)) == "LatentPlane(image_shape=[8, 8])"


def test_chosen_point_lies_inside_the_plane(model):
    widget = plane(model)
    low1, high1, low2, high2 = widget.extent
    assert low1 < widget.z[0] < high1
    assert low2 < widget.z[1] < high2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"codes": torch.zeros(40, 3)}, r"codes, labels: expected shapes .* got \(40, 3\)"),
        ({"labels": torch.zeros(39)}, r"codes, labels: .* \(39,\)"),
        ({"image_shape": (28, 28)}, "expected 2 inputs and 28·28 outputs, got 2 and 64"),
        ({"decoder": nn.Sequential(nn.Linear(3, 64))}, "got 3 and 64"),
        ({"decoder": nn.Sequential(nn.Linear(2, 64), nn.Dropout())}, "cannot run Dropout"),
        ({"decoder": nn.Sequential()}, "at least one Linear layer"),
        (
            {"decoder": nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Sigmoid())},
            "cannot run Sigmoid",
        ),
        ({"decoder": nn.Sequential(nn.Linear(2, 64, bias=False))}, "with a bias"),
    ],
)
def test_what_does_not_fit_is_named(model, changes, said):
    with pytest.raises(ValueError, match=said):
        plane(model, **changes)


def test_weights_too_large_for_float16_are_refused():
    layer = nn.Linear(2, 64)
    nn.init.constant_(layer.weight, 1e6)
    with pytest.raises(ValueError, match="not finite in float16"):
        plane(vq.mlp_autoencoder(64, 8, 2), decoder=nn.Sequential(layer))
