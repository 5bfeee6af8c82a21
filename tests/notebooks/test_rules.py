"""The rules that every notebook keeps."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from vqvae_lib.course.notebooks import HEADER, normalise, read_html
from vqvae_lib.course.prose import find_links, find_numbers

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "chapters").rglob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.parent.name == "chapters"]
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT / "chapters")))
def path(request):
    return request.param


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request):
    return request.param


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def shown(cell):
    """All text and HTML that a cell shows."""
    texts = []
    for output in cell.outputs:
        texts += [output.get("text", ""), *output.get("data", {}).values()]
    return "\n".join(texts)


def markdown(path):
    cells = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    # Code, in blocks or inline, holds no mathematics and no labels.
    return re.sub(r"```python.*?```|(?<!`)`(?!`)[^`{}]*`(?!`)", "", "\n\n".join(cells), flags=re.S)


def calls(cell, names):
    """The first arguments of the cell's calls of `names`, where they are texts."""
    source = re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in names and node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def formulas(cell):
    """The label and the formula of each equation that a cell checks as displayed."""
    source = re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check_equation":
            label, formula, *_rest = (getattr(part, "value", None) for part in node.args)
            yield label, formula


def as_displayed(formula):
    """A formula without what may differ: white space, and punctuation at its end."""
    return re.sub(r"[.,;]*(\\end\{aligned\})?[.,;]*$", r"\1", "".join(formula.split()))


def test_is_normalised(path):
    notebook = read(path)
    assert nbformat.writes(notebook) == nbformat.writes(normalise(notebook)), "run make notebooks"


def test_is_valid_and_every_id_is_readable(path):
    notebook = read(path)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{2,60}", cell.id), cell.id


def test_every_code_cell_was_executed_in_order(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_output_is_an_error(path):
    for cell in code_cells(path):
        assert not [o for o in cell.outputs if o.output_type == "error"], cell.id


def test_header_states_what_was_measured(path):
    notebook = read(path)
    stated = HEADER.search(notebook.cells[0].source)
    assert stated, "the first cell says: about … s on two cores, … GB of memory"
    measured = notebook.metadata["vqvae"]
    assert (int(stated[1]), float(stated[2])) == (measured["seconds"], measured["memory_gb"])


def test_runs_within_the_course_limits(path):
    measured = read(path).metadata["vqvae"]
    assert measured["seconds"] <= (60 if path in CHAPTERS else 15)
    assert measured["memory_gb"] <= 2


def test_no_cell_is_unchecked_without_a_reason(path):
    for cell in code_cells(path):
        tags = set(cell.metadata.get("tags", []))
        assert not tags & {"nbval-skip", "nbval-raises-exception", "raises-exception"}, cell.id
        assert all(t in {"nbval-ignore-output"} for t in tags if t.startswith("nbval")), cell.id
        reason = cell.metadata.get("vqvae", {}).get("unchecked", "")
        if "nbval-ignore-output" in tags:
            assert len(reason.split()) >= 5, f"{cell.id}: no reason for being unchecked"
        else:
            assert not reason, f"{cell.id}: a reason, but the cell is checked"


def test_every_figure_has_alt_text_caption_and_name(path):
    for cell in code_cells(path):
        html = shown(cell)
        images, widgets = html.count("<img"), html.count('class="vq-widget"')
        assert len(re.findall(r'alt="[^"]{20,}"', html)) == images, cell.id
        assert "image/png" not in str(cell.outputs), f"{cell.id}: a figure without alt text"
        if images or widgets:
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            assert figure.get("caption"), f"{cell.id}: no caption"
            assert re.fullmatch(r"fig-\d\d-[a-z0-9-]+", figure.get("name", "")), cell.id


def test_references_to_figures_exist(path):
    text = markdown(path)
    names = [c.metadata.get("mystnb", {}).get("figure", {}).get("name") for c in code_cells(path)]
    for name in re.findall(r"\{numref\}`([^`]+)`", text):
        assert name in names, f"{name} is referred to and does not exist"


def test_display_mathematics_has_a_label(path):
    text = markdown(path)
    assert "$$" not in text, "use a labelled math block"
    for block in re.findall(r"```\{math\}(.*?)```", text, re.S):
        assert re.search(r"^:label: (eq|def)-[a-z0-9-]+$", block, re.M), block


def test_every_equation_is_verified_by_a_cell_that_counts(path):
    claimed = set(re.findall(r"^:label: (eq-[a-z0-9-]+)$", markdown(path), re.M))
    proved = set()
    for cell in code_cells(path):
        labels = set(calls(cell, {"derive", "verify", "check_equation"}))
        if "nbval-ignore-output" not in cell.metadata.get("tags", []):
            html = shown(cell)
            proved |= {label for label in labels if f'data-vq-proves="{label}"' in html}
        assert labels <= claimed, f"{cell.id} verifies {labels - claimed}, which no text claims"
    assert claimed == proved, f"claimed and not verified: {claimed - proved}"


def test_equations_of_the_second_edition_are_checked_as_displayed(path):
    """The formula that a cell checks is that of the block, sign for sign."""
    if not is_second_edition(path):
        pytest.skip("a chapter of the first edition")
    blocks = re.findall(r"```\{math\}\n:label: (eq-[a-z0-9-]+)\n(.*?)```", markdown(path), re.S)
    displayed = {label: as_displayed(formula) for label, formula in blocks}
    checked = {}
    for cell in code_cells(path):
        assert not list(calls(cell, {"derive", "verify"})), f"{cell.id}: use check_equation"
        for label, formula in formulas(cell):
            assert isinstance(formula, str), f"{cell.id}: write the formula out, as text"
            checked[label] = as_displayed(formula)
    assert checked == displayed


def test_no_escape_was_taken_for_a_control_character(path):
    r"""`\beta` in a caption is written `\\beta` in the file: `\b` alone would be a backspace."""
    text = nbformat.writes(read(path))
    assert not re.findall(r"\\[bfrv]|\\u00[01]", text.replace("\\\\", ""))


def test_mathematics_uses_what_both_hosts_know(path):
    text = "\n".join(cell.source for cell in read(path).cells)
    for command in (r"\DeclareMathOperator", r"\newcommand", r"\mathbb{1}"):
        assert command not in text, command


def test_colab_installs_from_the_project_s_own_address(path):
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    (first, *_rest) = code_cells(path)
    assert set(ADDRESS.findall(first.source)) == set(ADDRESS.findall(config))
    assert "remove-cell" in first.metadata["tags"]


# The second edition ------------------------------------------------------------------------------


def is_second_edition(path):
    return read(path).metadata.get("vqvae", {}).get("edition") == 2


def bare_verdicts(texts):
    """Lines and table cells that show True or False where a reader wants a number."""
    pieces = [re.split(r"[\n|]|<[^>]+>", text) for text in texts]
    return [
        piece.strip()
        for piece in (piece for part in pieces for piece in part)
        if re.search(r"\b(True|False)[\W_]*$", piece)
    ]


def test_a_bare_verdict_is_found_wherever_it_stands():
    assert bare_verdicts(["below 95 %: True\n", "done"]) == ["below 95 %: True"]
    assert bare_verdicts(["a | False | 3"]) == ["False"]
    assert bare_verdicts(["<td>True</td><td>0.97</td>"]) == ["True"]
    assert bare_verdicts(["True love never fails", "Truest", "0.97 (> 0.9)"]) == []


def test_no_result_of_the_second_edition_is_a_bare_true_or_false(path):
    if not is_second_edition(path):
        pytest.skip("a chapter of the first edition")
    for cell in code_cells(path):
        assert bare_verdicts(shown(cell).splitlines()) == [], cell.id


def test_numbers_in_prose_are_those_that_cells_show(path):
    html = "\n".join(read_html(cell) for cell in read(path).cells)
    numbers = find_numbers(html)  # each name comes once
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            for name, text in find_links(cell.source):
                assert numbers.get(name) == text, f"{cell.id}: #num-{name}; run make notebooks"


def test_a_chapter_of_the_second_edition_can_be_walked_in_one_sitting(chapter):
    """Open code and words of the main road: side roads and what stands below exercises aside."""
    if not is_second_edition(chapter):
        pytest.skip("a chapter of the first edition")
    lines = words = 0
    deeper = False
    for cell in read(chapter).cells:
        if cell.cell_type == "markdown":
            heading = re.match(r"#+ (.*)", cell.source)
            deeper = heading[1].startswith("Deeper: ") if heading else deeper
            text = re.sub(r"```\{(admonition|exercise)\}.*?```", "", cell.source, flags=re.S)
            words += 0 if deeper else len(text.split())
        elif not deeper and not {"hide-input", "remove-cell"} & set(cell.metadata.get("tags", [])):
            lines += len(cell.source.splitlines())
    assert lines <= 250
    assert words <= 3300


def test_chapter_has_the_parts_of_a_chapter(chapter):
    text = markdown(chapter)
    for part in ("you will be able to", "## Summary", "**Next.**"):
        assert part in text, part
    assert any('class="vq-widget"' in shown(cell) for cell in code_cells(chapter))


def test_every_exercise_has_starter_check_and_solution(chapter):
    number = chapter.name[:2]
    text = "\n\n".join(cell.source for cell in read(chapter).cells)
    exercises = re.findall(rf"^:label: (ex-{number}-\d+)$", text, re.M)
    assert len(exercises) >= 3
    solutions = chapter.parent / "solutions" / chapter.name
    solved = "\n\n".join(cell.source for cell in read(solutions).cells)
    for block in re.findall(r"```\{exercise\}.*?```", text, re.S):
        assert f"(solutions/{chapter.name})" in block, "link to the solution"
    for label in exercises:
        check = "check." + label.replace("-", "_")
        starters = [cell for cell in code_cells(chapter) if f"{check}(" in cell.source]
        assert len(starters) == 1, label
        assert "Not attempted" in shown(starters[0]), label
        answers = [cell for cell in code_cells(solutions) if check in cell.source]
        assert answers, label
        assert all("✓ Right" in shown(cell) for cell in answers), label
        assert f"```{{solution}} {label}\n" in solved
