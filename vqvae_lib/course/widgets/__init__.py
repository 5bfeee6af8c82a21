"""Interactive figures that live in JupyterLab and in the built book, without a kernel."""

from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.widgets.beta_slider import BetaSlider
from vqvae_lib.course.widgets.gaussian_kl import GaussianKL
from vqvae_lib.course.widgets.latent_plane import LatentPlane, LatentPlanes
from vqvae_lib.course.widgets.retrain import Retrain

__all__ = [
    "BetaSlider",
    "CourseWidget",
    "GaussianKL",
    "LatentPlane",
    "LatentPlanes",
    "Retrain",
]
