"""Exercise 4.1: estimate an expectation value with as few shots as its accuracy needs."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_number
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

# Repetitions for each accuracy and expectation value: 100 determine a standard error to 7 %. There
# are fewer where shots are many, so that an answer that takes them one by one ends in time too.
REPETITIONS = {
    0.05: {0.6: 100, 0.0: 100, -0.9: 100, 0.99: 100},
    0.02: {0.0: 50, -0.9: 100, 0.99: 100},
}


class _Device:
    """A circuit with a known ⟨Z⟩, which counts its shots."""

    BLOCK = 4096  # outcomes drawn ahead, so that a single shot costs a slice only

    def __init__(self, o: float, seed: int) -> None:
        self.o, self.shots = o, 0
        self.generator = torch.Generator().manual_seed(seed)
        self.outcomes = self._draw(self.BLOCK)

    def _draw(self, n: int) -> Tensor:
        p_one = torch.full((n,), (1 - self.o) / 2, dtype=torch.float64)
        return 1 - 2 * torch.bernoulli(p_one, generator=self.generator)

    def sample(self, n: Any) -> Tensor:
        """Outcomes ±1 of n shots, (n,)."""
        try:
            whole = float(n) == int(n) >= 0
        except (TypeError, ValueError, OverflowError):
            whole = False
        if not whole:
            raise ValueError(f"sample(n): expected a whole number of shots, got {n!r}")
        n = int(n)
        self.shots += n
        if n > len(self.outcomes):
            self.outcomes = torch.cat([self.outcomes, self._draw(max(n, self.BLOCK))])
        sample, self.outcomes = self.outcomes[:n], self.outcomes[n:]
        return sample


def check(estimate: Any) -> Right:
    """A function `estimate(sample, eps)` that returns `(o_hat, shots)`."""
    for eps, repetitions in REPETITIONS.items():
        shots = {o: _count_shots(estimate, o, eps, count) for o, count in repetitions.items()}
        enough = 1 / eps**2
        most = 1.4 * enough + 300
        if shots[0.0] > most:
            raise Wrong(
                "too-many",
                _(
                    "For ⟨Z⟩ = 0 and eps = {eps:g}, {enough:.0f} shots are enough. You used "
                    "{used:.0f} on average; at most {most:.0f} are allowed."
                ).format(eps=eps, enough=enough, used=shots[0.0], most=most),
            )
        most = 0.5 * enough
        for o in (0.99, -0.9):
            if shots[o] > most + 1:  # rounding up costs less than one
                raise Wrong(
                    "wasteful",
                    _(
                        "It is accurate. But ⟨Z⟩ = {o:g} is nearly certain, and for eps = {eps:g} "
                        "you used {used:.0f} shots on average; at most {most:.0f} are allowed. By "
                        "1 - o², far fewer would do. Let what you see decide how many you take, "
                        "and remember that the first look costs shots too."
                    ).format(o=o, eps=eps, used=shots[o], most=most),
                )
    return Right(
        _(
            "For eps = {eps:g} you need {middle:.0f} shots at ⟨Z⟩ = 0 and {certain:.0f} at "
            "0.99. Precision is cheapest where the outcome is nearly certain."
        ).format(eps=eps, middle=shots[0.0], certain=shots[0.99])
    )


def _count_shots(estimate: Any, o: float, eps: float, count: int) -> float:
    """Mean number of shots on circuits with ⟨Z⟩ = o, once the estimates are accurate."""
    runs = torch.tensor(
        [_run_once(estimate, o, eps, seed) for seed in range(count)], dtype=torch.float64
    )  # (repetitions, 2)
    values, shots = runs.unbind(1)
    _refuse_other_quantities(values, o)
    error = float((values - o).square().mean().sqrt())
    if error <= 1.25 * eps:
        return float(shots.mean())
    numbers = {"o": o, "eps": eps, "error": error}
    usual = float(shots.median())
    # Stopping early: mostly about the right number, or now and then far fewer than usual. With less
    # than 0.64 of the right number each time the error is too large anyway.
    if usual > 0.6 * (1 - o**2) / eps**2 or float(shots.min()) < 0.3 * usual:
        raise Wrong(
            "pilot",
            _(
                "For ⟨Z⟩ = {o:g} the error is {error:.3f}, but eps is {eps:g}: now and then "
                "you stop far too early. A few identical outcomes look as if the variance "
                "were zero. Look at more of them before you decide, and count one more of "
                "either outcome than you saw."
            ).format(**numbers),
        )
    raise Wrong(
        "too-few",
        _(
            "For ⟨Z⟩ = {o:g} the error is {error:.3f}, but eps is {eps:g}. The standard error is "
            "sqrt((1 - o²)/N): solve it for N."
        ).format(**numbers),
    )


def _run_once(estimate: Any, o: float, eps: float, seed: int) -> tuple[float, int]:
    """Run the learner's function on one device; its estimate, and the shots that it used."""
    device = _Device(o, seed)
    value = call(estimate, device.sample, eps)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise Wrong("pair", _("Return two things, `(o_hat, shots)`."))
    o_hat = expect_number(value[0], what="o_hat")
    reported = expect_number(value[1], what="shots")
    if device.shots == 0:
        raise Wrong("unused", _("`sample` was never called: nothing was measured."))
    if reported != device.shots:
        raise Wrong(
            "miscounted",
            _("You report {reported:g} shots, but `sample` was asked for {used}.").format(
                reported=reported, used=device.shots
            ),
        )
    return o_hat, device.shots


def _refuse_other_quantities(values: Tensor, o: float) -> None:
    """Recognise estimates of something else; at 0.6 those of a likely kind differ."""
    mean = float(values.mean())
    quantities = [
        ("sign", -o, _("The sign is wrong: ⟨Z⟩ is p(0) - p(1).")),
        ("probability", (1 - o) / 2, _("This is p(1). ⟨Z⟩ is p(0) - p(1), the mean of the ±1.")),
        ("probability", (1 + o) / 2, _("This is p(0). ⟨Z⟩ is p(0) - p(1), the mean of the ±1.")),
    ]
    for kind, other, message in quantities if o == 0.6 else []:
        if abs(mean - other) < 0.05:
            raise Wrong(kind, message)
    if abs(mean - o) > 0.2:  # an answer that stops early is off by 0.1 at most
        raise Wrong(
            "biased",
            _("For ⟨Z⟩ = {o:g} your estimates lie around {mean:.3g}: do you average ±1?").format(
                o=o, mean=mean
            ),
        )
