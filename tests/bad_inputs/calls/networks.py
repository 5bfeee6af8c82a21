"""Valid calls of `vqvae_lib.networks`."""

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import grey, normal
from vqvae_lib.networks import ConvDecoder, ConvEncoder

# A training that diverges must be seen by its loss, so what lies inside a model hands nan on.
LAYER = {"nan, inf": "a network hands them on, as torch's layers do", "empty": "no rows, no codes"}


def encoder() -> ConvEncoder:
    return ConvEncoder((8, 9), 2, condition_width=1)


def decoder() -> ConvDecoder:
    return ConvDecoder(2, (8, 9))


CALLS = {
    "mlp": Call(lambda: {"sizes": [4, 3, 2], "activation": "relu", "output_activation": "tanh"}),
    "ConvEncoder": Call(
        lambda: {
            "image_shape": (8, 9),
            "d": 2,
            "channels": 3,
            "activation": "relu",
            "output_activation": "tanh",
            "condition_width": 1,
        },
        accepts={"condition_width": {"zero": "no condition"}},
    ),
    "ConvEncoder.forward": Call(lambda: {"x": grey(3, 73)}, on=encoder, accepts={"x": LAYER}),
    "ConvEncoder.settings": Call(dict, on=encoder),
    "ConvDecoder": Call(
        lambda: {
            "d": 2,
            "image_shape": (8, 9),
            "channels": 3,
            "activation": "relu",
            "out_channels": 2,
        }
    ),
    "ConvDecoder.forward": Call(lambda: {"z": normal(3, 2)}, on=decoder, accepts={"z": LAYER}),
    "ConvDecoder.settings": Call(dict, on=decoder),
}
