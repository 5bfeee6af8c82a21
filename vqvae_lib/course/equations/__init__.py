r"""Equations that are checked as they are displayed.

`check_equation` reads the very LaTeX of a numbered equation, evaluates it with values of its
symbols, and compares its sides. Then it does the same with every misprint of it that it can think
of, and each has to fail: otherwise the values would not have told the equation from the misprint.

>>> import numpy as np
>>> x = np.array([3.0, -1.0, 0.5])
>>> check_equation(
...     "eq-square",
...     r"\lVert x \rVert^2 = \sum_i x_i^2",
...     {"x": x},
...     route="a vector",
... )
eq-square holds: 1 step (numerically to 1e-09), 2 of 2 misprints caught; a vector
"""

from vqvae_lib.course.equations.arrays import Samples
from vqvae_lib.course.equations.check import EquationCheck, check_equation
from vqvae_lib.course.equations.syntax import FormulaError

__all__ = ["EquationCheck", "FormulaError", "Samples", "check_equation"]
