"""Valid calls of `vqvae_lib.likelihoods`."""

from collections.abc import Callable

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import generator, grey, normal
from vqvae_lib.likelihoods import Bernoulli, Binomial, Gaussian, Likelihood

# Inside a training step nothing looks at each number; `fit` looks at their sum.
THROUGH = {"nan, inf, huge, all huge": "nan or inf come out: nothing goes unseen"}
BATCH = {"one axis more, one axis less, empty": "any axes before the last"}
WIDTH = {"one axis more at the end, another width, no width, a width of 1": "any number of pixels"}


def _list_methods(make: Callable[[], Likelihood]) -> dict[str, Call]:
    name, P = type(make()).__name__, make().params_per_dimension
    params = {**THROUGH, **BATCH}
    alone = {**params, **(WIDTH if P == 1 else {"no width": "no pixels"})}
    return {
        f"{name}.log_prob": Call(
            lambda: {"x": grey(4, 3).round(), "params": normal(2, 4, 3 * P)},
            on=make,
            accepts={"x": {**THROUGH, "one axis less": "one x for all"}, "params": params},
            named={"x": "x|params"},
        ),
        f"{name}.mean": Call(
            lambda: {"params": normal(4, 3 * P)}, on=make, accepts={"params": alone}
        ),
        f"{name}.sample": Call(
            lambda: {"params": normal(4, 3 * P), "generator": generator()},
            on=make,
            accepts={"params": alone},
        ),
        f"{name}.check_data": Call(
            lambda: {"x": grey(4, 3).round()}, on=make, accepts={"x": {**BATCH, **WIDTH}}
        ),
        f"{name}.check_params": Call(
            lambda: {"params": normal(4, 3 * P), "D": 3}, on=make, accepts={"params": params}
        ),
        f"{name}.settings": Call(dict, on=make),
        f"{name}.extra_repr": Call(dict, on=make),
    }


CALLS = {
    **_list_methods(Bernoulli),
    **_list_methods(lambda: Binomial(1)),
    **_list_methods(lambda: Gaussian("per_dimension")),
    "Bernoulli": Call(dict),
    "Binomial": Call(lambda: {"total_count": 16}),
    "Gaussian": [
        Call(
            lambda: {"variance": "shared", "min_variance": 1e-3, "initial_variance": 0.2},
            accepts={"min_variance": {"zero": "no floor"}},
            named={"min_variance": "min_variance|initial_variance"},
        ),
        Call(
            lambda: {"variance": 0.3, "min_variance": 1e-4, "initial_variance": 0.1},
            refuses={
                name: {"np.float32, a tensor with no axis": "not the default any more, by rounding"}
                for name in ("min_variance", "initial_variance")
            },
        ),
    ],
    "Gaussian.variance": Call(
        lambda: {"params": normal(4, 6)},
        on=lambda: Gaussian("per_dimension"),
        accepts={"params": {**THROUGH, **BATCH, "no width": "no pixels"}},
    ),
}

# The base of all: its own methods are those of the classes above.
CALLS |= {
    f"Likelihood.{method}": CALLS[f"Bernoulli.{method}"]
    for method in (
        "log_prob",
        "mean",
        "sample",
        "check_data",
        "check_params",
        "settings",
        "extra_repr",
    )
}
RESULTS = {"Likelihood"}
