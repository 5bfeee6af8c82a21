"""What tests of interactive figures share: their state in HTML, their JavaScript in Node."""

import html
import json
import re
import shutil
import subprocess

import pytest

from vqvae_lib.course.widgets import base

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="runs the modules' arithmetic in Node")


def in_node(module, expression):
    """What a JavaScript expression gives behind a module's text. There is no page: maths only."""
    script = f"{base.source(module)}\nconsole.log(JSON.stringify({expression}));"
    command = [NODE, "--input-type=module", "-"]
    done = subprocess.run(command, input=script, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def state_in_html(widget):
    bundle, _metadata = widget._repr_mimebundle_()
    return json.loads(html.unescape(re.search(r'data-vq-state="([^"]*)"', bundle["text/html"])[1]))


def assert_words_are_used(module, monkeypatch, computed=()):
    """Every text of a figure is translated, and its script asks for just these.

    `computed` names the texts that the script picks by a variable.
    """
    monkeypatch.setattr(module, "_", lambda message: f"translated {message}")
    words = module._words()
    assert all(text.startswith("translated ") for text in words.values())
    script = base.source(module.__name__.rsplit(".", 1)[1])
    assert set(re.findall(r"\bwords\.(\w+)", script)) | set(computed) == set(words)
