"""Valid calls of `vqvae_lib.data`."""

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import generator, grey

CALLS = {
    "binarise": Call(lambda: {"x": grey(4, 6), "generator": generator()}),
}
