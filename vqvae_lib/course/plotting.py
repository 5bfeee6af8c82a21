"""Figures in one style, readable in light and dark, each with a text that says what it shows.

`figure` yields Matplotlib axes and shows the result when the block ends; `image_grid` shows images.
Both require `alt`, so that no figure goes without. A figure is drawn once, as SVG; its dark twin is
the same file with other colours.
"""

import base64
import html
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from vqvae_lib._checks import check_count, check_number, check_sequence, describe
from vqvae_lib.course.captions import find_caption

__all__ = ["COLOURS", "figure", "image_grid"]

# Okabe and Ito's palette, darkened until each colour has a contrast of 3:1 on white, in an order
# that keeps neighbours apart in greyscale. Values: the colour on a light page, on a dark page.
COLOURS = {
    "blue": ("#00528f", "#5aa9e6"),
    "orange": ("#c96800", "#ffb866"),
    "green": ("#00795a", "#3fcf9f"),
    "purple": ("#a63f7f", "#e79ac8"),
    "sky": ("#2f86b8", "#8fd0f5"),
    "grey": ("#6b6b6b", "#b0b0b0"),
}
_INK = ("#1c2024", "#e4e7ea")
_GRID = ("#d9dde1", "#3b4148")
_TO_DARK = dict([*COLOURS.values(), _INK, _GRID])

# Width of a figure on a phone, inches: what 342 pixels show with letters of about 13 pixels.
NARROW = 3.9

_STYLE: Any = {
    "figure.dpi": 96,
    "savefig.transparent": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "vqvae",
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.titleweight": "normal",
    "axes.edgecolor": _INK[0],
    "axes.labelcolor": _INK[0],
    "axes.titlecolor": _INK[0],
    "text.color": _INK[0],
    "xtick.color": _INK[0],
    "ytick.color": _INK[0],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID[0],
    "grid.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 2,
    "legend.frameon": False,
    "image.cmap": "gray_r",
}

# In JupyterLab the two variants show and hide themselves, and text gets a readable measure; the
# book's style sheet does the rest.
_HOST_STYLE = (
    "<style>.jp-Notebook .jp-RenderedMarkdown{max-width:50rem}"
    ".vq-figure img{max-width:100%;height:auto}.vq-figure .vq-dark{display:none}"
    'body[data-jp-theme-light="false"] .vq-figure .vq-light{display:none}'
    'body[data-jp-theme-light="false"] .vq-figure .vq-dark{display:inline}</style>'
)


@contextmanager
def figure(
    *,
    alt: str,
    size: tuple[float, float] = (6.4, 3.6),
    rows: int = 1,
    columns: int = 1,
    **subplots: Any,
) -> Iterator[Any]:
    """Draw a figure, which is shown when the block ends.

    On a phone its panels stand below each other, as wide as the page.

    Parameters
    ----------
    alt : str
        What the figure shows, in a sentence, for those who cannot see it.
    size : (float, float)
        Width and height, inches.
    rows, columns : int
        Number of panels.
    **subplots
        Passed on to `matplotlib.pyplot.subplots`.

    Yields
    ------
    Axes, or an array of Axes if there is more than one panel

    Examples
    --------
    >>> with figure(alt="A straight line through the origin.") as ax:  # doctest: +SKIP
    ...     ax.plot([0, 1], [0, 1])
    """
    import matplotlib as mpl

    _check_alt(alt)
    size = _check_pair("size", size, "width and height in inches", above=0)
    rows, columns = check_count("rows", rows), check_count("columns", columns)
    with mpl.rc_context(_STYLE):
        from cycler import cycler
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        mpl.rcParams["axes.prop_cycle"] = cycler(color=[light for light, _dark in COLOURS.values()])
        # Pyplot does not know this figure, so it is not shown twice and does not stay open.
        drawing = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(drawing)
        axes = drawing.subplots(rows, columns, **subplots)
        yield axes
        wide = _write_svg(drawing)
        _make_narrow(drawing, rows, columns)
        _display(wide, _write_svg(drawing), alt)


def image_grid(
    images: Any,
    *,
    alt: str,
    columns: int | None = None,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    value_range: tuple[float, float] = (0.0, 1.0),
    scale: float = 0.62,
) -> None:
    """Show grey images in a grid, dark ink on light paper, without interpolation or axes.

    Parameters
    ----------
    images : array or tensor (N, H, W), or a list of rows (C, H, W)
        Grey values.
    alt : str
        What they show, in a sentence.
    columns : int, optional
        Images per row; by default those of each row in a list, otherwise all of them.
    row_labels, column_labels : sequence of str
        Texts to the left of the rows and above the columns.
    value_range : (float, float)
        The values drawn as white and as black.
    scale : float
        Side of an image, inches.

    Raises
    ------
    ValueError
        If an image is not two-dimensional or the labels do not fit.
    """
    _check_alt(alt)
    grid = _as_array(images)
    if grid.ndim == 4:  # (R, C, H, W)
        columns = grid.shape[1]
        grid = grid.reshape(-1, *grid.shape[2:])  # (R C, H, W)
    if grid.ndim != 3:
        raise ValueError(f"images: expected shape (N, H, W) or (R, C, H, W), got {grid.shape}")
    if not grid.size or not np.isfinite(grid).all():
        raise ValueError(f"images of shape {grid.shape}: expected pixels, all of them finite")
    low, high = _check_pair("value_range", value_range, "the values drawn as white and as black")
    if low >= high:
        raise ValueError(f"value_range={value_range!r}: expected the smaller value first")
    scale = check_number("scale", scale, above=0)
    columns = len(grid) if columns is None else check_count("columns", columns)
    rows = math.ceil(len(grid) / columns)
    row_labels = check_sequence("row_labels", row_labels, "a sequence of texts")
    column_labels = check_sequence("column_labels", column_labels, "a sequence of texts")
    for name, labels, count in (
        ("row_labels", row_labels, rows),
        ("column_labels", column_labels, columns),
    ):
        if len(labels) not in (0, count):
            raise ValueError(f"{name}: expected {count} of them or none, got {len(labels)}")
    mosaic, corners = _make_mosaic(grid, columns, value_range)
    longest = max((len(str(label)) for label in row_labels), default=0)
    size = (columns * scale + 0.09 * longest, rows * scale + (0.25 if len(column_labels) else 0))
    height, width = grid.shape[1:]
    with figure(alt=alt, size=size) as ax:
        # Without interpolation the browser enlarges the pixels as they are.
        ax.imshow(mosaic, interpolation="none")
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0, labeltop=True, labelbottom=False)
        ax.set_yticks(
            [top + (height - 1) / 2 for top in corners[0]], labels=row_labels or [""] * rows
        )
        ax.set_xticks(
            [left + (width - 1) / 2 for left in corners[1]], labels=column_labels or [""] * columns
        )


def _make_mosaic(
    grid: np.ndarray, columns: int, value_range: tuple[float, float]
) -> tuple[np.ndarray, tuple[list[int], list[int]]]:
    """Put images (N, H, W) into one RGBA picture; return it, and the tiles' first rows and columns.

    One picture is drawn in a fraction of the time that as many panels take.
    """
    n, height, width = grid.shape
    gap = max(1, round(height / 14))
    tops = [row * (height + gap) for row in range(math.ceil(n / columns))]
    lefts = [column * (width + gap) for column in range(columns)]
    low, high = value_range
    ink = np.clip((grid - low) / (high - low), 0, 1)
    mosaic = np.zeros((tops[-1] + height, lefts[-1] + width, 4))
    for index, image in enumerate(ink):
        top, left = tops[index // columns], lefts[index % columns]
        tile = mosaic[top : top + height, left : left + width]
        tile[..., :3] = 1 - image[..., None]
        tile[..., 3] = 1
    return mosaic, (tops, lefts)


def _as_array(images: Any) -> np.ndarray:
    """Read an array, a tensor, or a list of those, as real numbers."""
    array = None
    with suppress(TypeError, ValueError):  # such as a list of images that differ in shape
        if isinstance(images, list | tuple):
            array = np.stack([_as_array(row) for row in images])
        else:
            array = np.asarray(images.detach().cpu() if hasattr(images, "detach") else images)
    if array is None or array.dtype.kind not in "fiub":
        raise TypeError(
            f"images is {describe(images)}: expected an array or a tensor of real numbers, or a "
            "list of rows of one shape"
        )
    return array


def _check_pair(
    name: str, value: Any, expected: str, *, above: float | None = None
) -> tuple[float, float]:
    pair = check_sequence(name, value, expected)
    if len(pair) != 2:
        raise ValueError(f"{name} has {len(pair)} items: expected two, {expected}")
    first, second = (
        check_number(f"{name}[{i}]", number, above=above) for i, number in enumerate(pair)
    )
    return first, second


def _check_alt(alt: str) -> None:
    if not isinstance(alt, str) or len(alt.split()) < 3:
        raise ValueError(f"alt={alt!r}: expected a sentence that says what the figure shows")


def _make_narrow(drawing: Any, rows: int, columns: int) -> None:
    """Lay a figure out for a phone: panels below each other, texts as large as before."""
    width, height = drawing.get_size_inches()
    grid = drawing.add_gridspec(rows * columns, 1)
    panels = [ax for ax in drawing.axes if ax.get_subplotspec() is not None]
    first: dict[int, Any] = {}  # of each row: the panel that names the shared axis
    square = False
    for ax in panels:
        place = ax.get_subplotspec()
        row, column = place.rowspan.start, place.colspan.start
        first.setdefault(row, ax)
        square |= ax.get_aspect() == 1
        ax.set_subplotspec(grid[row * columns + column])
        if columns > 1:  # what a panel shared with its neighbour, it now says itself
            ax.tick_params(labelleft=True, labelbottom=True)
            if not ax.get_ylabel():
                ax.set_ylabel(first[row].get_ylabel())
    below = sum(_put_legend_below(ax) for ax in panels)
    shrunk = NARROW / width
    if columns > 1:
        panel = min(height / rows * shrunk * columns, (0.95 if square else 0.75) * NARROW)
    elif square:  # images, which keep their shape
        panel = height / rows * shrunk
    else:
        panel = height / rows * max(shrunk, 0.75)
    drawing.set_size_inches(NARROW, rows * columns * panel + below)


def _put_legend_below(ax: Any) -> float:
    """Move a legend that stands beside its panel below it; return the height it needs, inches."""
    legend = ax.get_legend()
    if legend is None:
        return 0.0
    anchor = legend.get_bbox_to_anchor().transformed(ax.transAxes.inverted())
    if anchor.x0 < 0.99:
        return 0.0
    legend.set_loc("upper left")
    legend.set_bbox_to_anchor((-0.2, -0.22), transform=ax.transAxes)
    return 0.3 * len(legend.get_texts())


def _write_svg(drawing: Any) -> str:
    buffer = io.StringIO()
    # "tight": a label beyond the edge widens the picture instead of being cut off.
    options = {"bbox_inches": "tight", "pad_inches": 0.04}
    metadata = {"Date": None, "Creator": None}
    drawing.savefig(buffer, format="svg", metadata=metadata, **options)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _display(wide: str, narrow: str, alt: str) -> None:
    from IPython.display import display

    images = "".join(
        f'<picture><source media="(max-width: 600px)" srcset="{_encode(colour(narrow))}">'
        f'<img class="{name}" alt="{html.escape(alt)}" src="{_encode(colour(wide))}"></picture>'
        for name, colour in (("vq-light", str), ("vq-dark", _darken))
    )
    bundle = {
        "text/html": f'{_HOST_STYLE}<div class="vq-figure">{images}</div>{find_caption()}',
        "text/plain": f"[figure: {alt}]",
    }
    display(bundle, raw=True)


def _darken(svg: str) -> str:
    for light, dark in _TO_DARK.items():
        svg = svg.replace(light, dark)
    return svg


def _encode(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
