"""Valid calls of `vqvae_lib.scaling`."""

from torch import Tensor

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import grey, normal
from vqvae_lib.scaling import ImageScaling, TableScaling

ANY_ROWS = {"nan, inf, empty, one axis more, one axis less": "rows of any number, as they are"}


def levels() -> Tensor:
    return (grey(4, 2, 3) * 16).round()


def of_table() -> TableScaling:
    return TableScaling(mean=(1.0, 2.0), scale=(3.0, 4.0), columns=("a", "b"))


def of_images() -> ImageScaling:
    return ImageScaling(image_shape=(2, 3), levels=16)


CALLS = {
    "ImageScaling": Call(lambda: {"image_shape": (2, 3), "levels": 16}),
    "ImageScaling.inverse": Call(lambda: {"x": grey(4, 6)}, on=of_images, accepts={"x": ANY_ROWS}),
    "ImageScaling.transform": Call(
        lambda: {"raw": levels()},
        on=of_images,
    ),
    "TableScaling": Call(
        lambda: {"mean": (1.0, 2.0), "scale": (3.0, 4.0), "columns": ("a", "b")},
        accepts={
            "mean": {"an item: zero, an item: negative": "any number"},
            "columns": {"an item: no such choice, an item: empty": "any text is a name"},
        },
    ),
    "TableScaling.inverse": Call(lambda: {"x": normal(4, 2)}, on=of_table, accepts={"x": ANY_ROWS}),
    "TableScaling.measure": Call(
        lambda: {"raw": normal(4, 2), "columns": ("a", "b")},
        accepts={"columns": {"an item: no such choice, an item: empty": "any text is a name"}},
    ),
    "TableScaling.transform": Call(
        lambda: {"raw": normal(4, 2).double(), "columns": ("a", "b")}, on=of_table
    ),
}
