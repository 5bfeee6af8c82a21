"""Networks against NumPy loops and shape arithmetic."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqvae_lib import ConvDecoder, ConvEncoder, mlp


def test_mlp_is_matrix_products_with_tanh_between():
    torch.manual_seed(0)
    network = mlp([5, 7, 3], activation="tanh", output_activation="sigmoid").double()
    x = torch.randn(11, 5, dtype=torch.float64)
    W1, b1, W2, b2 = (p.detach().numpy() for p in network.parameters())
    expected = 1 / (1 + np.exp(-(np.tanh(x.numpy() @ W1.T + b1) @ W2.T + b2)))
    np.testing.assert_allclose(network(x).detach().numpy(), expected, rtol=1e-12)


def test_mlp_of_two_sizes_is_affine():
    torch.manual_seed(0)
    network = mlp([4, 6]).double()
    x, y = torch.randn(2, 9, 4, dtype=torch.float64)
    torch.testing.assert_close(network(x) + network(y), 2 * network((x + y) / 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mlp([3]), r"sizes=\[3\]: expected two or more"),
        (lambda: mlp([3, 0]), r"sizes\[1\]=0: expected a whole number of at least 1"),
        (lambda: mlp([3, 2.5]), r"sizes\[1\]=2.5: expected a whole number"),
        (lambda: mlp([3, 3, 2], activation="gleu"), "activation='gleu': expected one of 'gelu'"),
        (lambda: mlp([3, 2], output_activation="id"), "output_activation='id'"),
        (lambda: mlp([3, 2])(torch.zeros(5, 4)), r"shape \(5, 4\): expected \(B, 3\)"),
        (lambda: mlp([3, 2])(torch.zeros(3)), r"shape \(3,\): expected \(B, 3\)"),
        (
            lambda: ConvEncoder((7, 8), 2),
            r"image_shape\[0\]=7: expected a whole number of at least 8",
        ),
        (lambda: ConvDecoder(2, (8, 7)), r"image_shape\[1\]=7: expected"),
        (lambda: ConvEncoder((8, 8, 1), 2), r"image_shape=\(8, 8, 1\): expected \(H, W\)"),
        (lambda: ConvEncoder((8, 8), 0), "d=0: expected"),
        (lambda: ConvEncoder((8, 8), 2, condition_width=-1), "condition_width=-1: expected"),
        (lambda: ConvDecoder(2, (8, 8), channels=0), "channels=0: expected"),
        (lambda: ConvEncoder((8, 8), 2)(torch.zeros(5, 63)), r"\(5, 63\): expected \(B, 64\)"),
        (lambda: ConvDecoder(2, (8, 8))(torch.zeros(5, 3)), r"\(5, 3\): expected \(B, 2\)"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(max_examples=15, deadline=None)
@given(height=st.integers(8, 30), width=st.integers(8, 30), d=st.integers(1, 5))
def test_convolutions_fit_any_size(height, width, d):
    x = torch.rand(3, height * width)
    z = ConvEncoder((height, width), d, channels=2)(x)
    x_hat = ConvDecoder(d, (height, width), channels=2)(z)
    assert z.shape == (3, d)
    assert x_hat.shape == x.shape


@pytest.mark.parametrize(("side", "flat"), [(8, 2 * 2 * 2 * 16), (28, 7 * 7 * 2 * 16)])
def test_shapes_of_the_tables(side, flat):
    encoder, decoder = ConvEncoder((side, side), 2), ConvDecoder(2, (side, side))
    assert encoder.layers[-1].in_features == flat == decoder.layers[0].out_features


def convolve(x, weight, bias, stride):
    """Convolution with padding 1, as four nested sums: (B, c, H, W) -> (B, c', H', W')."""
    batch, _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.empty((batch, len(weight), -(-height // stride), -(-width // stride)))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = padded[:, :, i * stride : i * stride + 3, j * stride : j * stride + 3]
            out[:, :, i, j] = np.einsum("bcij,ocij->bo", window, weight) + bias
    return out


def test_encoder_and_decoder_against_loops():
    torch.manual_seed(0)
    encoder = ConvEncoder((9, 8), 3, channels=2, activation="tanh").double()
    x = torch.rand(4, 72, dtype=torch.float64)
    w1, b1, w2, b2, W, b = (p.detach().numpy() for p in encoder.parameters())
    h = np.tanh(convolve(x.numpy().reshape(4, 1, 9, 8), w1, b1, stride=2))
    h = np.tanh(convolve(h, w2, b2, stride=2))
    z = h.reshape(4, -1) @ W.T + b
    np.testing.assert_allclose(encoder(x).detach().numpy(), z, rtol=1e-10)

    decoder = ConvDecoder(3, (8, 8), channels=2, activation="tanh").double()
    W, b, w1, b1, w2, b2 = (p.detach().numpy() for p in decoder.parameters())
    h = np.tanh(z @ W.T + b).reshape(4, 4, 2, 2)
    h = np.tanh(convolve(h.repeat(2, axis=2).repeat(2, axis=3), w1, b1, stride=1))
    h = convolve(h.repeat(2, axis=2).repeat(2, axis=3), w2, b2, stride=1)
    expected = h.reshape(4, 64)
    pixels = decoder(torch.from_numpy(z)).detach().numpy()
    np.testing.assert_allclose(pixels, expected, rtol=1e-10, atol=1e-12)


# Labels and several numbers a pixel ---------------------------------------------------------------


def test_a_condition_becomes_constant_channels():
    torch.manual_seed(0)
    encoder = ConvEncoder((8, 9), 5, condition_width=2, output_activation="tanh")
    x = torch.rand(3, 74)
    image = x[:, :72].reshape(3, 1, 8, 9)
    planes = torch.stack([x[:, 72 + k, None, None].expand(3, 8, 9) for k in range(2)], 1)
    expected = encoder.layers(torch.cat([image, planes], 1))
    torch.testing.assert_close(encoder(x), expected, rtol=0, atol=0)
    assert encoder(x).abs().max() <= 1
    other = x.clone()
    other[:, 73] += 1
    assert not torch.allclose(encoder(other), encoder(x))
    with pytest.raises(ValueError, match=r"x has shape \(3, 72\): expected \(B, 74\)"):
        encoder(x[:, :72])


def test_several_numbers_a_pixel_come_image_by_image():
    torch.manual_seed(0)
    decoder = ConvDecoder(4, (8, 9), out_channels=2)
    z = torch.randn(3, 4)
    images = decoder.layers[:-1](z)  # (3, 2, 8, 9), before they are flattened
    torch.testing.assert_close(decoder(z)[:, :72], images[:, 0].flatten(1), rtol=0, atol=0)
    torch.testing.assert_close(decoder(z)[:, 72:], images[:, 1].flatten(1), rtol=0, atol=0)
    with pytest.raises(ValueError, match="out_channels=0: expected"):
        ConvDecoder(4, (8, 9), out_channels=0)
