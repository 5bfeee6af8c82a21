"""The book puts an equation's number, linked, where an output has its label."""

import sys
from pathlib import Path

import pytest
import sympy as sp
from sphinx.application import Sphinx

from vqvae_lib.course.derivation import derive, equals, start, verify
from vqvae_lib.course.equations import check_equation

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"
sys.path.append(str(EXTENSIONS))

import vq_equations  # noqa: E402

a, b = sp.symbols("a b")
OUTPUTS = [
    check_equation("eq-two", "s = 2b", {"s": 3.0, "b": 1.5}, route="by hand"),
    verify("eq-two", 1.0, 1.0, route="eq-two-again, by hand"),
    derive("eq-two", start("a", a), equals("a", a, because="the same")),
]


def build(folder, outputs, labels=("eq-one", "eq-two")):
    (folder / "conf.py").write_text(
        "numfig = math_numfig = True\nnumfig_secnum_depth = 1\nextensions = ['vq_equations']\n"
        "math_eqref_format = '({number})'\nhtml_theme = 'basic'\n"
    )
    (folder / "index.rst").write_text(
        "Book\n====\n\n.. toctree::\n   :numbered:\n\n   first\n   second\n"
    )
    blocks = "".join(f".. math:: a = b\n   :label: {label}\n\n" for label in labels)
    (folder / "first.rst").write_text(f"First\n=====\n\n{blocks}")
    raw = "\n".join(f"   {output._repr_html_()}" for output in outputs)
    (folder / "second.rst").write_text(f"Second\n======\n\n.. raw:: html\n\n{raw}\n")
    out = str(folder / "out")
    Sphinx(str(folder), str(folder), out, out, "html", status=None, warning=None).build()
    return (folder / "out" / "second.html").read_text("utf-8")


def test_outputs_name_the_equation_by_its_number(tmp_path):
    page = build(tmp_path, OUTPUTS)
    link = '<a class="vq-eq" href="first.html#equation-eq-two">(1.2)</a>'
    assert "<summary>(1.2) holds ✓ 1 step, 3 of 3 misprints caught</summary>" in page
    assert f"<p>{link}: by hand" in page
    assert f"✓ {link} holds: eq-two-again, by hand" in page
    assert f'aria-label="Derivation of (1.2)">{link}<table' in page
    assert page.count('data-vq-proves="eq-two"') == 3  # which tests and scripts look for


def test_on_its_own_page_the_link_stays_there():
    page = vq_equations.put_numbers(OUTPUTS[0]._repr_html_(), lambda label: ("#here", "(7.1)"))
    assert "<summary>(7.1) holds" in page
    assert '<p><a class="vq-eq" href="#here">(7.1)</a>: by hand' in page


def test_an_equation_that_no_page_has_stops_the_build(tmp_path):
    with pytest.raises(vq_equations.UnknownEquationError, match="second verifies eq-two"):
        build(tmp_path, OUTPUTS, labels=["eq-one"])
