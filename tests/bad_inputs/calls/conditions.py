"""Valid calls of `vqvae_lib.conditions`."""

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import labels, normal
from vqvae_lib.conditions import Labels, NoCondition, Numbers

LIKE = {"like": "of what a model computes, not of the caller's"}

RESULTS = {"Condition"}  # which is abstract

CALLS = {
    "Labels": Call(lambda: {"n_classes": 3}),
    "Labels.rows": Call(
        lambda: {"y": labels(4), "like": normal(4, 2)}, on=lambda: Labels(3), skip=LIKE
    ),
    "Numbers": Call(lambda: {"dim": 3}),
    "Numbers.rows": Call(
        lambda: {"y": normal(4, 3), "like": normal(4, 2)}, on=lambda: Numbers(3), skip=LIKE
    ),
    "Condition.rows": Call(
        lambda: {"y": labels(4), "like": normal(4, 2)}, on=lambda: Labels(3), skip=LIKE
    ),
    "NoCondition": Call(dict),
    "NoCondition.rows": Call(
        lambda: {"y": None, "like": normal(4, 2)},
        on=NoCondition,
        kinds={"y": "object"},
        accepts={"y": {"None": "which is what it expects"}},
        skip=LIKE,
    ),
}
