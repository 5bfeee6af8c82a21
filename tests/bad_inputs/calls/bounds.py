"""Valid calls of `vqvae_lib.bounds`."""

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import normal

# Inside a training step nothing looks at each number; `fit` looks at their sum.
THROUGH = {"nan, inf, huge, all huge": "nan or inf come out: nothing goes unseen"}
BROADCAST = {"a number, one axis less, one row, a width of 1": "broadcasts against z, as it says"}
AXES = {"one axis more, one axis more at the end, another width, a width of 1": "any axes"}

CALLS = {
    "sum_over_dimensions": Call(
        lambda: {"terms": normal(4, 3)},
        accepts={"terms": {**THROUGH, **AXES, "one axis less, empty": "any axes"}},
    ),
    "mean_over_batch": Call(
        lambda: {"terms": normal(4)},
        accepts={
            "terms": {**THROUGH, "one axis more, one axis more at the end": "any number of axes"}
        },
    ),
    "gaussian_log_prob": Call(
        lambda: {"z": normal(4, 3), "mu": normal(4, 3, seed=1), "log_var": normal(4, 3, seed=2)},
        accepts={
            "z": {**THROUGH, "one axis more": "any draws"},
            "mu": {**THROUGH, **BROADCAST},
            "log_var": {**THROUGH, **BROADCAST},
        },
        named={"z": "z|mu has shape"},
    ),
    "gaussian_kl": Call(
        lambda: {
            "mu": normal(4, 3),
            "log_var": normal(4, 3, seed=1),
            "mu_p": normal(4, 3, seed=2),
            "log_var_p": normal(4, 3, seed=3),
        },
        accepts={
            "mu": THROUGH,
            "log_var": THROUGH,
            "mu_p": {**THROUGH, **BROADCAST},
            "log_var_p": {**THROUGH, **BROADCAST},
        },
        named={"mu": "mu|log_var has shape"},
    ),
    "elbo": Call(
        lambda: {"log_px": normal(2, 4), "kl": normal(4, seed=1), "beta": 0.5},
        accepts={
            "log_px": {**THROUGH, "one axis less, one axis more, empty": "any draws"},
            "kl": THROUGH,
            "beta": {"zero": "an autoencoder"},
        },
        named={"log_px": "log_px|kl has shape"},
    ),
    "importance_bound": Call(
        lambda: {"log_weights": normal(5, 4)},
        accepts={"log_weights": {**THROUGH, "another width, no width, a width of 1": "any batch"}},
    ),
}
