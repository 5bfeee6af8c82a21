"""What a chapter shows, alive in JupyterLab: figures in step with Python, panels, derivations."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from playwright.sync_api import TimeoutError, expect

PLANE = ".vq-plane .vq-map canvas"
CELLS = {
    "plane": "import torch, vqvae_lib as vq\n"
    "from vqvae_lib.course.widgets import *\n"
    "torch.manual_seed(0)\n"
    "model = vq.mlp_autoencoder(64, 16, 2, activation='silu')\n"
    "plane = LatentPlane(model.decoder, torch.randn(50, 2), torch.arange(50) % 10,\n"
    "                    image_shape=(8, 8), alt='A plane with numerals.')\n"
    "plane",
    "derivation": "from vqvae_lib.course.derivation import derive, equals, start\n"
    "derive('eq-test', start('a', 1.0), equals(r'\\tfrac{2}{2}', 1.0, because='$2 = 2$'))",
    "figure": "from vqvae_lib.course.plotting import figure\n"
    "with figure(alt='A line that rises.') as ax:\n"
    "    ax.plot([0, 1])",
    "verdict": "from vqvae_lib.course.exercises import check\ncheck.ex_01_1(...)",
    "sphere": "sphere = BlochSphere(alt='A sphere.', gates=[('H', 0)])\nsphere",
    "pair": "pair = TwoQubits(alt='Two qubits.')\npair",
    "fourier": "circuit = vq.Circuit(2, embedding='RY', entangler='ring', readout='Z')\n"
    "fourier = FourierCircuit({'once': circuit}, alt='A curve.')\nfourier",
    "compression": "states = vq.amplitude_states(torch.rand(50, 64))\n"
    "compression = Compression(states, states[:4], image_shape=(8, 8), alt='Digits.', kept=3)\n"
    "compression",
    "hybrid": "vqvae = vq.VQVAE(64, 16, 2, 2)\n"
    "hybrid = QuantumPlane(vqvae, torch.randn(50, 2), torch.arange(50) % 10,\n"
    "                      image_shape=(8, 8), alt='A plane and two qubits.')\nhybrid",
    "hole": "twin = vq.VQVAE(64, 16, 4, 2)\n"
    "hole = HolePainter(twin, torch.rand(3, 64), range(3), alt='A hole.')\nhole",
    "labels": "low, high = [[0.7, 0.72, 0.69, 0.7]] * 2, [[0.75, 0.76, 0.75, 0.73]] * 2\n"
    "labels = LabelCurve([2, 5], {'alone': low, 'moved': high}, baseline='alone',\n"
    "                    chosen=['alone', 'moved'], alt='Dots.')\n"
    "labels",
    "embeddings": "maps = {'one': torch.randn(20, 2), 'two': torch.randn(20, 2)}\n"
    "embeddings = Embeddings(maps, torch.rand(20, 64), torch.arange(20) % 10,\n"
    "                        image_shape=(8, 8), alt='Two maps.')\nembeddings",
    "panel": "def double(number):\n    print('twice is', 2 * number)\n\n"
    "Workbench(double, number=[20, 21])",
    "guess": "from vqvae_lib.course.measured import measured, show\n"
    "from vqvae_lib.course.predictions import ask_number\n"
    "guess = ask_number('width', 'How many?', low=1, high=64, unit='numbers')",
    "answer": "guess.answer(measured('', 8, within=(6, 10), digits=0), 'So many.')",
    "numbers": "show(measured('PCA', 0.0527, within=(0, 1), digits=4), unit='per pixel')",
    "training": "history = vq.fit(model, torch.rand(200, 64), epochs=300)",
    "end": "print('all cells done')",
}
METADATA = {
    "figure": {
        "mystnb": {"figure": {"caption": "A line that rises, $y = x$.", "name": "fig-01-line"}},
        "jupyter": {"source_hidden": True},
    }
}


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """The notebook in JupyterLab, all cells run: a page, and a function to find a cell's output."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [
        nbformat.v4.new_code_cell(source, metadata=METADATA.get(name, {}))
        for name, source in CELLS.items()
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "test.ipynb")
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    options = ["--port=18899", "--IdentityProvider.token=", f"--notebook-dir={folder}"]
    home = dict(os.environ, HOME=str(folder), JUPYTER_CONFIG_DIR=str(folder / "config"))
    process = subprocess.Popen(
        command + options, env=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = "http://127.0.0.1:18899/"
    for _ in range(120):
        try:
            urllib.request.urlopen(address + "api/status", timeout=1)
            break
        except OSError:
            time.sleep(0.5)
    page = browser.new_page(viewport={"width": 1280, "height": 8000})
    page.goto(f"{address}lab/tree/test.ipynb")
    page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=60_000)
    run_all(page)
    yield page
    page.close()
    process.terminate()
    process.wait(timeout=20)


def run_all(page):
    """JupyterLab drops a command that comes before the kernel is connected: say it again then."""
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
    for _attempt in range(5):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with contextlib.suppress(TimeoutError):
            page.locator(".jp-InputPrompt", has_text=re.compile(r"\[[*1]\]")).first.wait_for(
                timeout=8_000
            )
            break
    page.wait_for_selector(".jp-OutputArea >> text=all cells done", timeout=90_000)


def output(page, name):
    """Where a cell shows what it made."""
    return page.locator(".jp-CodeCell").nth(list(CELLS).index(name)).locator(".jp-OutputArea")


def in_python(page, expression, until=lambda value: True):
    """Value of an expression in the kernel, asked until it is as it should be, or for 20 s.

    A figure's message and a cell's take different roads: the cell may be first.
    """
    for _attempt in range(40):
        value = ask_python(page, expression)
        if until(value):
            break
        page.wait_for_timeout(500)
    return value


def ask_python(page, expression):
    """Value of an expression in the kernel."""
    page.locator(".jp-CodeCell").last.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+A")
    mark = f"value {time.monotonic_ns()}"
    code = f"import json; print('{mark}', json.dumps({expression}))"
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    found = page.locator(f".jp-OutputArea-output >> text={mark}").last
    found.wait_for(timeout=20_000)
    return json.loads(found.inner_text().split(mark)[1])


def test_the_plane_moves_in_step_with_python(opened):
    assert opened.locator(".vq-widget").count() == 0  # the live view, not the book's fallback
    read = output(opened, "plane").locator(".vq-view p").first

    def chosen():
        numbers = re.search(r"\((-?[\d.]+), (-?[\d.]+)\)", read.text_content()).groups()
        return [float(number) for number in numbers]

    before, text = chosen(), read.text_content()
    output(opened, "plane").locator(PLANE).focus()
    opened.keyboard.press("Shift+ArrowRight")
    expect(read).not_to_have_text(text)
    after = pytest.approx(chosen(), abs=0.006)
    assert chosen()[0] > before[0]
    assert in_python(opened, "plane.z", until=lambda z: z == after) == after


def test_a_gate_pressed_on_the_sphere_is_known_to_python(opened):
    output(opened, "sphere").get_by_role("button", name="X", exact=True).click()
    gates = in_python(opened, "sphere.gates", until=lambda gates: len(gates) == 2)
    assert [name for name, _ in gates] == ["H", "X"]


@pytest.mark.parametrize(
    ("name", "trait"),
    [("pair", "angles"), ("fourier", "weights"), ("compression", "kept"), ("hybrid", "z"),
     ("embeddings", "chosen")],
)  # fmt: skip
def test_a_slider_moved_is_known_to_python(opened, name, trait):
    before = in_python(opened, f"{name}.{trait}")
    output(opened, name).locator("input[type=range]").first.focus()
    opened.keyboard.press("ArrowRight")
    after = in_python(opened, f"{name}.{trait}", until=lambda value: value != before)
    assert after != before
    # And back: what Python sets is drawn.
    shown = output(opened, name).inner_text()
    in_python(opened, f"setattr({name}, '{trait}', {before!r})")
    expect(output(opened, name)).not_to_have_text(shown, use_inner_text=True)


def test_a_painted_hole_is_known_to_python(opened):
    figure = output(opened, "hole").first
    figure.get_by_role("button", name="clear").click()
    figure.get_by_role("application").focus()
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("Space")
    assert in_python(opened, "hole.hidden", until=lambda hidden: hidden == [1]) == [1]
    in_python(opened, "setattr(hole, 'hidden', [])")
    figure.get_by_text("No pixel is hidden").wait_for(timeout=10_000)


def test_arms_chosen_in_the_curve_are_known_to_python(opened):
    output(opened, "labels").get_by_role("checkbox", name="moved").uncheck()
    assert in_python(opened, "labels.chosen", until=lambda chosen: chosen == [0]) == [0]
    in_python(opened, "setattr(labels, 'chosen', [0, 1])")
    expect(output(opened, "labels").get_by_role("checkbox", name="moved")).to_be_checked()


def test_a_panel_runs_its_function(opened):
    panel = output(opened, "panel").first
    panel.get_by_role("button", name="Run").click()
    panel.get_by_text("twice is 40").wait_for(timeout=10_000)


def test_a_derivation_a_figure_and_a_verdict_are_shown(opened):
    opened.wait_for_selector(".vq-derivation mjx-container", timeout=20_000)
    expect(opened.locator(".vq-figure img.vq-light")).to_be_visible()
    expect(opened.locator(".vq-figure img.vq-dark")).to_be_hidden()
    expect(opened.locator(".vq-verdict")).to_contain_text("Not attempted")


def test_a_figure_has_its_caption_and_its_code_is_folded(opened):
    cell = opened.locator(".jp-CodeCell").nth(list(CELLS).index("figure"))
    expect(cell.locator(".vq-caption")).to_contain_text("Fig. 1 A line that rises")
    expect(cell.locator(".jp-Cell-inputArea .cm-content")).to_be_hidden()


def test_a_guess_is_committed_and_answered(opened):
    question = output(opened, "guess")
    question.get_by_role("spinbutton").fill("9")
    question.get_by_role("button", name="Commit").click()
    expect(output(opened, "answer")).to_contain_text("You said 9 numbers.")
    expect(output(opened, "answer")).to_contain_text("It came out: 8")


def test_results_are_lines_and_training_leaves_none(opened):
    expect(output(opened, "numbers").locator("p")).to_have_text("PCA 0.0527 per pixel")
    # The bar's line is gone, and nothing is left of it on a coloured ground.
    expect(output(opened, "training")).to_have_text("")
    assert output(opened, "training").locator("[data-mime-type*=stderr]").count() == 0
