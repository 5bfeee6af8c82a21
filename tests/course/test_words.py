"""One catalogue holds every word that widgets, checks and derivations say."""

import ast
import re
from pathlib import Path

import pytest
import sympy as sp
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from vqvae_lib.course import words
from vqvae_lib.course.derivation import derive, equals, start
from vqvae_lib.course.equations import check_equation
from vqvae_lib.course.exercises import check

COURSE = Path(words.__file__).parent
TEMPLATE = COURSE / "locale" / "vqvae_lib.pot"


def messages_in_source():
    return {message for _file, _line, message, *_ in extract_from_dir(COURSE)}


def test_template_is_in_step_with_the_source():
    with TEMPLATE.open("rb") as file:
        listed = {message.id for message in read_po(file) if message.id}
    assert listed == messages_in_source(), "run `make words`"


@pytest.fixture
def shouting(tmp_path):
    """A language that says everything in capitals, but for the names of fields."""
    catalogue = Catalog(locale="en")
    for message in messages_in_source():
        loud = re.sub(
            r"\{[^{}]*\}|[^{}]+", lambda m: m[0] if m[0][0] == "{" else m[0].upper(), message
        )
        catalogue.add(message, loud)
    folder = tmp_path / "xx" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "vqvae_lib.mo").open("wb") as file:
        write_mo(file, catalogue)
    words.set_language("xx", folder=tmp_path)
    yield
    words.set_language("en")


@pytest.mark.usefixtures("shouting")
def test_what_people_read_comes_from_the_catalogue():
    assert repr(check.ex_01_1(...)) == "○ NOT ATTEMPTED. REPLACE THE `...` WITH YOUR ANSWER."
    a = sp.Symbol("a")
    derivation = derive("eq-test", start("a", a), equals("a", a, because="same"))
    assert repr(derivation) == "eq-test: 1 STEP VERIFIED (1 SYMBOLICALLY)"
    assert "CHECKED SYMBOLICALLY" in derivation._repr_html_()


@pytest.mark.usefixtures("shouting")
def test_misprints_are_shown_in_the_language_and_listed_in_english():
    found = check_equation("eq-test", "s = 2b", {"s": 3.0, "b": 1.5}, route="by hand")
    assert repr(found).startswith("eq-test HOLDS: 1 STEP (NUMERICALLY TO 1e-09), 3 OF 3 MISPRINTS")
    assert r"<li>FACTOR \(b\) LEFT OUT</li>" in found._repr_html_()
    assert "factor b left out" in [misprint.description for misprint in found.caught]


@pytest.mark.usefixtures("shouting")
def test_every_text_of_a_widget_comes_from_the_catalogue():
    from vqvae_lib.course.widgets import latent_plane

    for text in latent_plane._words().values():
        assert re.sub(r"\{\w+\}", "", text) == re.sub(r"\{\w+\}", "", text).upper()


def test_scripts_of_widgets_hold_no_sentences():
    """What a module shows comes from its `words`: a text in the script could not be translated."""
    for script in (COURSE / "widgets").glob("*.js"):
        source = re.sub(
            r"//.*|/\*.*?\*/|const STYLE = `.*?`;", "", script.read_text("utf-8"), flags=re.S
        )
        for text in re.findall(r'"([^"]*)"', source):
            assert not re.search(r"[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}", text), (script.name, text)


def test_checks_and_derivations_say_nothing_outside_the_catalogue():
    """Every text given to Wrong, Right, Verdict or NotAttempted is marked for translation."""
    for path in (COURSE / "exercises").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if getattr(node.func, "id", "") in {"Wrong", "Right", "Verdict", "NotAttempted"}:
                for argument in node.args:
                    text = argument.value if isinstance(argument, ast.Constant) else ""
                    assert " " not in str(text), f"{path.name}:{node.lineno}: {text}"


def test_missing_language_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="language='zz'"):
        words.set_language("zz", folder=tmp_path)
    assert words._("✓ Right.") == "✓ Right."


def test_the_machine_s_locale_changes_nothing(monkeypatch):
    for name in ("LANGUAGE", "LC_ALL", "LANG"):
        monkeypatch.setenv(name, "zh_CN.UTF-8")
    assert words._("✓ Right.") == "✓ Right."
