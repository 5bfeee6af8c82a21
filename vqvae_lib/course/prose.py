"""Numbers in prose: no digit is copied by hand.

A text refers to a number that a cell has shown by a link to it, `[0.0528](#num-linear)`. The link's
text is filled in when the notebook is executed, and once more when the book is built from outputs
of its own; the reader can follow it to where the number comes from. Pages without cells refer to a
committed result by its path (`read_result`).
"""

import re
from collections.abc import Mapping
from typing import Any

from vqvae_lib._checks import check_instance
from vqvae_lib.course.results import load_result

__all__ = ["fill_links", "find_links", "find_numbers", "read_result"]

SHOWN = re.compile(r'<span class="vq-(?:number|exact)" id="num-([a-z0-9-]+)"[^>]*>([^<]*)</span>')
LINK = re.compile(r"\[([^\]\n]*)\]\(#num-([a-z0-9-]+)\)")


def find_numbers(html: str) -> dict[str, str]:
    """Find the named numbers in a cell's HTML: what is shown of each, by its name.

    Raises
    ------
    ValueError
        If a name comes twice.
    """
    check_instance("html", html, str, "the HTML of outputs, as text")
    numbers: dict[str, str] = {}
    for name, text in SHOWN.findall(html):
        if name in numbers:
            raise ValueError(f"two numbers are named {name!r}: expected each name once")
        numbers[name] = text
    return numbers


def find_links(markdown: str) -> list[tuple[str, str]]:
    """Find the links to numbers in a text: name and link text of each, in order."""
    check_instance("markdown", markdown, str, "a text in Markdown")
    return [(name, text) for text, name in LINK.findall(markdown)]


def fill_links(markdown: str, numbers: Mapping[str, str]) -> str:
    """Write the numbers into the links that refer to them.

    Parameters
    ----------
    markdown : str
        A text.
    numbers : mapping
        By name, as `find_numbers` gives them.

    Raises
    ------
    KeyError
        If a link refers to a number that is not shown.
    """

    def fill(link: re.Match[str]) -> str:
        name = link[2]
        if name not in numbers:
            known = ", ".join(sorted(numbers)) or "none"
            raise KeyError(f"#num-{name}: no cell shows a number of this name; there are: {known}")
        return f"[{numbers[name]}](#num-{name})"

    return LINK.sub(fill, markdown)


def read_result(path: str) -> str:
    """Write one number of a committed result.

    Parameters
    ----------
    path : str
        The result's name, the keys that lead to the number, and a format, divided by slashes:
        `"digit_writers/leak/folds/test/image minus writer/mean/.1f"`.

    Raises
    ------
    KeyError
        If a key is not there; the message lists those that are.
    """
    check_instance("path", path, str, "a result's name, keys and a format, divided by slashes")
    name, *keys, form = path.split("/")
    value: Any = load_result(name)
    for key in keys:
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            known = ", ".join(value) if isinstance(value, dict) else type(value).__name__
            raise KeyError(f"{path}: there is no {key!r}; there are: {known}")
    return format(value, form).replace("-", "−")
