"""Two Gaussians on a line, and the KL divergence between them as an area."""

from typing import Any, ClassVar

import traitlets

from vqvae_lib._checks import check_choice, check_number
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.words import _

__all__ = ["GaussianKL"]

MU = (-3.0, 3.0)
SIGMA = (0.1, 3.0)
DIRECTIONS = ("forward", "reverse")


class GaussianKL(CourseWidget):
    """A Gaussian q = N(mu, sigma²) to move, and p = N(0, 1): their KL, by formula and as an area.

    Parameters
    ----------
    alt : str
        What the figure shows, in a sentence.
    mu : float
        Mean of q at the start, from -3 to 3.
    sigma : float
        Standard deviation of q at the start, from 0.1 to 3.
    direction : str
        Whose integrand is drawn: "forward" for KL(q‖p), "reverse" for KL(p‖q).

    Raises
    ------
    ValueError
        If a number is out of range, or the direction is unknown.
    """

    module: ClassVar[str] = "gaussian_kl"
    summary: ClassVar[tuple[str, ...]] = ("mu", "sigma", "direction")

    mu: Any = traitlets.Float(min=MU[0], max=MU[1], help="Mean of q.").tag(sync=True)
    sigma: Any = traitlets.Float(
        1.0, min=SIGMA[0], max=SIGMA[1], help="Standard deviation of q."
    ).tag(sync=True)
    direction: Any = traitlets.Enum(
        DIRECTIONS, "forward", help='"forward" for KL(q‖p), "reverse" for KL(p‖q).'
    ).tag(sync=True)

    def __init__(
        self,
        *,
        alt: str,
        mu: float = 1.0,
        sigma: float = 0.5,
        direction: str = "forward",
        **kwargs: Any,
    ):
        super().__init__(
            mu=check_number("mu", mu, least=MU[0], most=MU[1]),
            sigma=check_number("sigma", sigma, least=SIGMA[0], most=SIGMA[1]),
            direction=check_choice("direction", direction, DIRECTIONS),
            alt=alt,
            words=_words(),
            **kwargs,
        )


def _words() -> dict[str, str]:
    return {
        "densities": _(
            "Two bell curves, q and p. Drag the dot on q to move it, the square to widen it; or "
            "use the arrow keys: left and right move q, up and down change its width."
        ),
        # No line breaks inside the formulas.
        "names": _(
            "Densities of q\u00a0=\u00a0N({mu},\u00a0{sigma}²), solid, and of "
            "p\u00a0=\u00a0N(0,\u00a01), dashed."
        ),
        "mean": _("mean μ of q"),
        "std": _("standard deviation σ of q"),
        "direction": _("Area drawn below the densities:"),
        "forward": _("KL(q‖p)"),
        "reverse": _("KL(p‖q)"),
        "forwardCurve": _("q(z) log (q(z) / p(z)), in nats per unit of z; the area is KL(q‖p)."),
        "reverseCurve": _("p(z) log (p(z) / q(z)), in nats per unit of z; the area is KL(p‖q)."),
        "forwardKL": _("KL(q‖p) = {forward} nats"),
        "reverseKL": _("KL(p‖q) = {reverse} nats"),
        "area": _(
            "Area of the curve, summed up here: {above} above the axis, {below} below it, together "
            "{total} nats."
        ),
        "outside": _("Of this, {outside} lies beyond the ends of the drawn axis."),
        "split": _("KL(q‖p) in nats is the sum of two parts:"),
        "meanPart": _("mean, ½μ² = {part}"),
        "widthPart": _("width, ½(σ² − 1 − log σ²) = {part}"),
        "bar": _("A bar of two parts: the mean's, {mean} nats, and the width's, {width} nats."),
    }
