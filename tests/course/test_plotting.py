"""Figures: alt text that cannot be forgotten, a light and a dark form, and true pictures."""

import base64
import html
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from vqvae_lib.course import plotting
from vqvae_lib.course.plotting import COLOURS, figure, image_grid

ALT = 'A line that rises "steadily" & ends.'


@pytest.fixture
def shown(monkeypatch):
    """What would be displayed."""
    bundles = []
    import IPython.display

    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: bundles.append(bundle))
    return bundles


def pictures(bundle):
    return [
        base64.b64decode(source).decode()
        for source in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', bundle["text/html"])
    ]


def draw():
    with figure(alt=ALT) as ax:
        ax.plot([0, 1], [0, 1])
        ax.set_title("title")


def test_alt_lands_in_the_html_of_both_forms(shown):
    draw()
    (bundle,) = shown
    alts = [html.unescape(alt) for alt in re.findall(r'alt="([^"]*)"', bundle["text/html"])]
    assert alts == [ALT, ALT]
    assert bundle["text/plain"] == f"[figure: {ALT}]"


@pytest.mark.parametrize("alt", ["", "too short", None, 7])
def test_alt_is_required(alt, shown):
    with pytest.raises(ValueError, match="alt="), figure(alt=alt):
        pass
    with pytest.raises(ValueError, match="alt="):
        image_grid(np.zeros((1, 2, 2)), alt=alt)
    assert shown == []


def test_alt_cannot_be_left_out():
    with pytest.raises(TypeError, match="alt"):
        figure()
    with pytest.raises(TypeError, match="alt"):
        image_grid(np.zeros((1, 2, 2)))


def test_dark_form_changes_colours_only(shown):
    draw()
    light, dark = pictures(shown[0])
    assert COLOURS["blue"][0] in light
    assert COLOURS["blue"][1] in dark
    assert not set(plotting._TO_DARK) & set(re.findall(r"#[0-9a-f]{6}", dark))
    back = dark
    for light_colour, dark_colour in plotting._TO_DARK.items():
        back = back.replace(dark_colour, light_colour)
    assert back == light


def test_same_figure_same_bytes(shown):
    draw()
    draw()
    assert shown[0] == shown[1]


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", COLOURS)
def test_colours_stand_out_on_their_page(name):
    """WCAG asks 3:1 of graphical objects, 4.5:1 of text."""
    light, dark = COLOURS[name]
    assert contrast(light, "#ffffff") >= 3
    assert contrast(dark, "#14181e") >= 3
    assert contrast(plotting._INK[0], "#ffffff") >= 4.5
    assert contrast(plotting._INK[1], "#14181e") >= 4.5


def test_first_colours_differ_in_greyscale():
    """Blue and orange, used side by side most, must not depend on hue alone."""
    blue, orange = (COLOURS[name] for name in ("blue", "orange"))
    for one, other in zip(blue, orange, strict=True):
        assert contrast(one, other) > 1.1


def test_grid_holds_every_pixel_as_it_is():
    images = np.arange(24.0).reshape(3, 2, 4) / 23
    mosaic, (tops, lefts) = plotting._make_mosaic(images, 2, (0.0, 1.0))
    for index, image in enumerate(images):
        top, left = tops[index // 2], lefts[index % 2]
        tile = mosaic[top : top + 2, left : left + 4]
        np.testing.assert_allclose(tile[..., 0], 1 - image)
        assert (tile[..., 3] == 1).all()
    assert mosaic[..., 3].sum() == images.size  # gaps are clear


def test_grid_takes_rows_of_images_and_labels(shown):
    rows = [torch.rand(3, 4, 4), torch.rand(3, 4, 4)]
    image_grid(rows, alt="Two rows of noise.", row_labels=["one", "two"])
    assert len(shown) == 1
    with pytest.raises(ValueError, match="row_labels: expected 2"):
        image_grid(rows, alt="Two rows of noise.", row_labels=["one"])
    with pytest.raises(ValueError, match=r"images: expected shape .*got \(5,\)"):
        image_grid(torch.rand(5), alt="Two rows of noise.")


def test_no_pyplot_and_no_open_figures():
    """Drawing leaves no window, no global figure, and the user's settings as they were."""
    code = (
        "import sys, matplotlib as mpl; before = mpl.rcParams.copy();"
        "import IPython.display; IPython.display.display = lambda *a, **k: None;"
        "from vqvae_lib.course.plotting import image_grid; import numpy as np;"
        "image_grid(np.zeros((1, 2, 2)), alt='Nothing at all here');"
        "assert mpl.rcParams.copy() == before; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("images", "options", "said"),
    [
        (["a", "b"], {}, "images is a list"),
        ([np.zeros((2, 4, 4)), np.zeros((3, 4, 4))], {}, "rows of one shape"),
        (torch.zeros(2, 4, 4, dtype=torch.complex64), {}, "expected an array .* of real numbers"),
        (torch.zeros(0, 4, 4), {}, "expected pixels"),
        (torch.full((1, 4, 4), torch.nan), {}, "all of them finite"),
        (torch.zeros(2, 4, 4), {"columns": 0}, "columns=0"),
        (torch.zeros(2, 4, 4), {"row_labels": "ab"}, "row_labels is .*: expected a sequence"),
        (torch.zeros(2, 4, 4), {"value_range": (1, 1)}, "expected the smaller value first"),
        (torch.zeros(2, 4, 4), {"value_range": 1}, "value_range is an? int"),
        (torch.zeros(2, 4, 4), {"scale": -1}, "scale=-1"),
    ],
)
def test_bad_arguments_of_a_grid_are_named(images, options, said, shown):
    with pytest.raises((TypeError, ValueError), match=said):
        image_grid(images, alt=ALT, **options)
    assert shown == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 3}, "size is an? int"),
        ({"size": (1, 2, 3)}, "size has 3 items"),
        ({"size": (1, 0)}, r"size\[1\]=0"),
        ({"rows": 0}, "rows=0"),
        ({"columns": 1.5}, "columns=1.5"),
    ],
)
def test_bad_arguments_of_a_figure_are_named(options, said, shown):
    with pytest.raises((TypeError, ValueError), match=said), figure(alt=ALT, **options):
        pass
    assert shown == []


# On a phone ---------------------------------------------------------------------------------------


def narrow(bundle):
    """The picture that a phone shows, in its light form, and its size in points."""
    source = re.search(r'srcset="data:image/svg\+xml;base64,([^"]+)"', bundle["text/html"])[1]
    svg = base64.b64decode(source).decode()
    width, height = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg).groups()
    return svg, float(width), float(height)


def test_panels_stand_below_each_other_on_a_phone(shown):
    with figure(alt=ALT, size=(7.4, 3.3), columns=2, sharey=True) as (left, right):
        left.plot([0, 1], [0, 1])
        right.plot([0, 1], [1, 0])
        left.set_ylabel("height")
    svg, width, height = narrow(shown[0])
    assert width < 72 * 4
    assert height > 1.2 * width
    # The second panel names the axis that it shared.
    assert svg.count("<!-- height -->") == 2
    (wide, *_others) = pictures(shown[0])
    assert wide.count("<!-- height -->") == 1


def test_letters_are_as_large_on_a_phone(shown):
    with figure(alt=ALT, size=(7.4, 3.3)) as ax:
        ax.plot([0, 1], [0, 1])
        ax.set_title("title")
    svg, _width, _height = narrow(shown[0])
    size = r"<!-- title -->\s*<g[^>]*scale\(([\d.]+)"
    assert re.search(size, svg)[1] == re.search(size, pictures(shown[0])[0])[1]


@pytest.mark.filterwarnings("error")
def test_a_legend_beside_its_panel_goes_below_it_on_a_phone(shown):
    with figure(alt=ALT, size=(7.6, 3.8)) as ax:
        for name in ("brickwork, local cost: 0.98 [0.95, 1.01]", "ring, global cost: 0.21"):
            ax.plot([0, 1], [0, 1], label=name)
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    svg, width, height = narrow(shown[0])
    assert "ring, global cost" in svg
    assert width < 72 * 4.2 < 1.6 * height
