"""Which cells a reader sees open: code that a student should be able to write.

What only sets the stage is folded behind a line that says what it is: imports, drawing, checking an
equation, putting a result on the page, asking for a prediction. The rule looks at what a cell does,
so that no author has to think of it.
"""

import ast
import re

from vqvae_lib._checks import check_instance

__all__ = ["describe_fold"]

# What a cell does that calls one of these, in the order in which it decides.
DRAWING = {"figure", "image_grid", "forest_plot"}
ENDINGS = {
    "How this was checked": {"check_equation", "derive", "verify"},
    "How this is asked": {"ask_number", "ask_choice", "ask_curve"},
    "How this is answered": {"answer"},
    "How these cards are written": {"recall_cards"},
    "How these answers were tried": {"typical_answers"},
    "How this was measured": {"show", "table"},
}
# The interactive figures.
WIDGETS = {
    "BetaSlider", "BlochSphere", "Compression", "Embeddings", "FourierCircuit", "GaussianKL",
    "HolePainter", "LabelCurve", "LatentPlane", "LatentPlanes", "QuantumPlane", "TwoQubits",
    "Workbench",
}  # fmt: skip
IMPORTS = "Imports"
DRAWN = "How this was drawn"
# So many imports are the first cell of a chapter.
MANY = 5
# Calls that only set up.
SETTINGS = {"set_num_threads", "set_default_dtype"}


def describe_fold(source: str) -> str:
    """Say what a folded cell does, in the words of the line that unfolds it.

    Parameters
    ----------
    source : str
        The cell's code.

    Returns
    -------
    str
        Empty for a cell that stays open.
    """
    check_instance("source", source, str, "a cell's code, as text")
    try:
        tree = ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M))
    except SyntaxError:
        return ""  # it will fail when it is run, in sight
    if not tree.body or any(name.startswith("ex_") for name in _attributes(tree)):
        # An exercise's cell is the reader's own, but for the answers tried on its check.
        return _ending(tree) if tree.body else ""
    if _sets_up(tree):
        return IMPORTS
    if _calls(tree) & DRAWING or _last_call(tree) in WIDGETS:
        return DRAWN
    return _ending(tree)


def _ending(tree: ast.Module) -> str:
    """Name what the last statement does, if it is one of the known endings."""
    name = _last_call(tree)
    return next((words for words, names in ENDINGS.items() if name in names), "")


def _last_call(tree: ast.Module) -> str:
    """Name the function that the last statement calls."""
    value = getattr(tree.body[-1], "value", None)
    return _name(value.func) if isinstance(value, ast.Call) else ""


def _sets_up(tree: ast.Module) -> bool:
    """Whether a cell only imports and names things; a long one may load data and define helpers."""
    if all(_is_setting(statement) for statement in tree.body):
        return True
    imports = [isinstance(statement, ast.Import | ast.ImportFrom) for statement in tree.body]
    quiet = (ast.Assign, ast.FunctionDef)
    return (
        imports[0]
        and sum(imports) >= MANY
        and all(_is_setting(s) or isinstance(s, quiet) for s in tree.body)
    )


def _is_setting(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.Assign):  # a name for a constant, such as a colour
        targets = [n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        return all(name.isupper() for name in targets)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return _name(statement.value.func) in SETTINGS
    return False


def _calls(tree: ast.AST) -> set[str]:
    return {_name(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def _attributes(tree: ast.AST) -> set[str]:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _name(function: ast.expr) -> str:
    return str(getattr(function, "id", getattr(function, "attr", "")))
