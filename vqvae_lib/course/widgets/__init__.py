"""Interactive figures that live in JupyterLab and in the built book, without a kernel."""

from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.widgets.latent_plane import LatentPlane

__all__ = ["CourseWidget", "LatentPlane"]
