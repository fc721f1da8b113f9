"""Pictures of a KAN: all of it as a diagram, as in arXiv 2404.19756 and 2408.10205, or one edge large.

Plain numbers in, a .png, .pdf or .svg out. Lengths are inches, and so are the coordinates of a diagram: its inputs stand on
the line y = 0, and its width begins at x = 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection, PolyCollection
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from kanpde.plot import write_figure

Numbers = NDArray[np.float64]
Places = Annotated[Numbers, "places 2"]
Strengths = Annotated[Numbers, "inputs edges"]
Opacities = Annotated[Numbers, "edges inputs"]

CONTRAST = 3.0  # of opacities, as in arXiv 2404.19756: tanh keeps what is weak apart from what is nothing
MOST_FRAMES = 64  # of a layer: with more edges all of them are lines alone
USUAL_WIDTH, LARGEST_WIDTH = 8.0, 20.0  # of a diagram where there is room; of one of lines alone
SMALLEST_SLOT, LARGEST_SLOT = 0.36, 0.8  # for a frame and the gap beside it
FRAME = 0.86  # its share of the slot
BETWEEN_PRODUCTS, BETWEEN_NODES = 0.5, 0.7  # slots that stay free
RADIUS = 0.11  # of a node that has room for its number
MARGIN = 0.6  # around it all, where labels are
LABEL, SIGN, NUMBER = 11, 9, 7  # points
LETTER = 0.11  # width, of labels
INK, QUIET, CURVE = "0.1", "0.35", "#0b3d91"
SUM, PRODUCT = "1", "0.88"  # what fills a node


@dataclass(frozen=True)
class Level:
    """One layer, as it is drawn: its edges as curves over the ranges that their inputs reach, and how strong they are."""

    x: Annotated[Numbers, "points inputs"]
    values: Annotated[Numbers, "points inputs edges"]
    strengths: Strengths
    nodes: int
    products: bool  # whether nodes sum products of edges, one from each input, and not edges


@dataclass(frozen=True)
class Edge:
    """One edge, as it is drawn large."""

    x: Annotated[Numbers, "points"]
    values: Annotated[Numbers, "points"]
    slopes: Annotated[Numbers, "points"]
    knots: Annotated[Numbers, "knots"]
    reached: tuple[float, float]  # by its input


def plot_network(
    path: str | Path, levels: Sequence[Level], inputs: Sequence[str], outputs: Sequence[str], periodic: Sequence[int]
) -> None:
    """The layers from the bottom to the top, each edge as a curve in a frame, as opaque as it is strong.

    The frames below a node, or below a product ×, are its edges, one from each input in their order; a curve fills its frame.
    Layers of more than 64 edges are lines alone. Numbers are those of layers, nodes and products; `periodic` those of inputs.
    """
    width = max(*map(_width, levels), *(LETTER * len(names) * max(map(len, names)) for names in (inputs, outputs)))
    rows = _rows(levels, width)
    top = rows[-1].nodes[0, 1]
    figure = Figure((width + 2 * MARGIN, top + 2 * MARGIN))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-MARGIN, width + MARGIN), ylim=(-MARGIN, top + MARGIN))
    axes.set_axis_off()
    for number, row in enumerate(rows):
        _draw(axes, row, f"layer {number}")
    for places in (rows[0].below, *(row.nodes for row in rows)):
        _draw_nodes(axes, places, [str(number) for number in range(len(places))], SUM)
    for names, places, side in ((inputs, rows[0].below, -1), (outputs, rows[-1].nodes, 1)):
        for name, (x, y) in zip(names, places, strict=True):
            _write(axes, x, y + side * (RADIUS + 0.05), name, LABEL, up=side)
    for x, y in rows[0].below[list(periodic)]:
        _write(axes, x, y - RADIUS - 0.05 - 1.4 * LABEL / 72, "periodic", NUMBER, QUIET, up=-1)
    write_figure(figure, path)


# --- places -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    """Where the parts of a layer are."""

    level: Level
    below: Places  # its inputs
    frames: Annotated[Numbers, "edges inputs 2"] | None  # the middle of the lower side
    side: float
    ends: Places  # of the edges: products, or nodes
    nodes: Places
    node_of: Annotated[NDArray[np.integer], "edges"]


def _rows(levels: Sequence[Level], width: float) -> list[_Row]:
    rows, below = [], _on_line(_spread(len(levels[0].strengths), width), 0.0)
    for level in levels:
        rows.append(_row(level, below, width))
        below = rows[-1].nodes
    return rows


def _row(level: Level, below: Places, width: float) -> _Row:
    x, edges, y = _spread(level.nodes, width), level.strengths.shape[1], below[0, 1]
    node_of = np.arange(edges) * level.nodes // edges
    frames, side = None, FRAME * _slot(level)
    if _has_frames(level):
        columns = x[node_of][:, None] + _slot(level) * _columns(level)
        ends = columns.mean(1)
        y += _rise(columns[..., None] - below[:, 0], 0.45)
        frames = _on_line(columns, y)
        y += side + _rise(columns - ends[:, None], 0.35)
    else:
        ends = _spread(edges, width)
        y += _rise(ends[:, None] - below[:, 0], 1.5)
    places = _on_line(ends, y)
    y += _rise(ends - x[node_of], 0.4) if level.products else 0
    return _Row(level, below, frames, side, places, _on_line(x, y), node_of)


def _on_line(x: Numbers, y: float) -> Annotated[Numbers, "… 2"]:
    return np.stack([x, np.full_like(x, y)], -1)


def _spread(count: int, width: float) -> Annotated[Numbers, "count"]:
    return width * (np.arange(count) + 0.5) / count


def _rise(across: Numbers, least: float) -> float:
    """Height of lines that go so far to the side: flat ones could not be told apart."""
    return float(np.clip(0.18 * np.abs(across).max(), least, 2.0))


def _has_frames(level: Level) -> bool:
    return level.strengths.size <= MOST_FRAMES


def _width(level: Level) -> float:
    """What a layer needs."""
    if _has_frames(level):
        return level.nodes * _slots(level) * _slot(level)
    return min(LARGEST_WIDTH, 3 * RADIUS * max(level.strengths.shape))


def _slot(level: Level) -> float:
    return float(np.clip(USUAL_WIDTH / (level.nodes * _slots(level)), SMALLEST_SLOT, LARGEST_SLOT))


def _slots(level: Level) -> float:
    """Of a node, and the gap beside it."""
    return float(np.ptp(_columns(level))) + 1 + BETWEEN_NODES


def _columns(level: Level) -> Annotated[Numbers, "edges inputs"]:
    """Where the frames of a node stand, in slots from its middle."""
    inputs, edges = level.strengths.shape
    number = np.arange(edges)[:, None] % (edges // level.nodes)
    columns = number * (inputs + BETWEEN_PRODUCTS) + np.arange(inputs)
    return columns - (columns.min() + columns.max()) / 2


# --- ink --------------------------------------------------------------------------------------------------------------


def _draw(axes: Axes, row: _Row, name: str) -> None:
    level = row.level
    fade, width = (_relative, 0.5) if row.frames is None else (_opacities, 0.8)  # the ink of many lines adds up
    seen = fade(level.strengths).T
    begins, ends = np.broadcast_arrays(row.below, row.ends[:, None])
    if row.frames is None:
        _draw_lines(axes, np.stack([begins, ends], 2), seen, width)
        middle = (row.below[0, 1] + row.ends[0, 1]) / 2
    else:
        _draw_lines(axes, np.stack([begins, row.frames], 2), seen, width)
        _draw_lines(axes, np.stack([row.frames + np.array([0, row.side]), ends], 2), seen, width)
        _draw_frames(axes, row.frames, row.side, seen)
        _draw_curves(axes, level, row.frames, row.side, seen)
        middle = row.frames[0, 0, 1] + row.side / 2
    if level.products:
        _draw_lines(axes, np.stack([row.ends, row.nodes[row.node_of]], 1), fade(level.strengths.sum(0)), width)
        _draw_products(axes, row)
    _write(axes, -0.1, middle, name, NUMBER, QUIET, right=-1)


def _draw_products(axes: Axes, row: _Row) -> None:
    numbers = [str(number) for number in range(len(row.ends))]
    if _gap(row.ends) < 2 * RADIUS + 4 * LETTER:
        _draw_nodes(axes, row.ends, numbers, PRODUCT)
        _write(axes, -0.1, row.ends[0, 1], "×", SIGN, QUIET, right=-1)
        return
    _draw_nodes(axes, row.ends, ["×"] * len(numbers), PRODUCT, SIGN)
    for number, (x, y), node in zip(numbers, row.ends, row.nodes[row.node_of], strict=True):
        away = 1 if x > node[0] else -1  # from the line to the node
        _write(axes, x + away * (RADIUS + 0.05), y, number, NUMBER, QUIET, right=away)


def _draw_frames(axes: Axes, frames: Annotated[Numbers, "edges inputs 2"], side: float, seen: Opacities) -> None:
    corners = side * np.array([[-0.5, 0], [0.5, 0], [0.5, 1], [-0.5, 1]])
    squares = (frames[:, :, None] + corners).reshape(-1, 4, 2)
    axes.add_collection(
        PolyCollection(list(squares), facecolors="none", edgecolors=_faded(QUIET, seen), linewidths=0.6, gid="frames")
    )


def _draw_curves(axes: Axes, level: Level, frames: Annotated[Numbers, "edges inputs 2"], side: float, seen: Opacities) -> None:
    x, values = _filling(level.x), _filling(level.values)
    curves = np.stack(np.broadcast_arrays(0.9 * (x[:, :, None] - 0.5), 0.1 + 0.8 * values), 3)
    _draw_lines(axes, frames[:, :, None] + side * curves.transpose(2, 1, 0, 3), seen, 1.2, CURVE, "curves")


def _draw_lines(
    axes: Axes,
    lines: Annotated[Numbers, "… points 2"],
    seen: Annotated[Numbers, "…"],
    width: float,
    colour: str = INK,
    name: str = "wires",
) -> None:
    segments, colours = list(lines.reshape(-1, *lines.shape[-2:])), _faded(colour, seen)
    axes.add_collection(LineCollection(segments, colors=colours, linewidths=width, capstyle="round", gid=name))


def _draw_nodes(axes: Axes, places: Places, names: Sequence[str], colour: str, size: int = NUMBER) -> None:
    """Circles, and in them their names where there is room."""
    radius = min(RADIUS, 0.4 * _gap(places))
    circles = [Circle((x, y), radius) for x, y in places]
    axes.add_collection(PatchCollection(circles, facecolors=colour, edgecolors=INK, linewidths=0.8, zorder=3, gid="nodes"))
    if radius == RADIUS:
        for name, (x, y) in zip(names, places, strict=True):
            _write(axes, x, y, name, size)


def _gap(places: Places) -> float:
    """From one to the next."""
    return np.diff(places[:, 0]).min(initial=np.inf)


def _write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    size: int,
    colour: str = INK,
    right: int = 0,
    up: int = 0,
) -> None:
    """Text at a place, or to one side of it."""
    across = {-1: "right", 0: "center", 1: "left"}[right]
    along = {-1: "top", 0: "center_baseline", 1: "bottom"}[up]
    axes.text(x, y, text, size=size, color=colour, horizontalalignment=across, verticalalignment=along, zorder=4)


def _filling(values: Annotated[Numbers, "points …"]) -> Annotated[Numbers, "points …"]:
    """From 0 to 1; ½ where nothing changes."""
    length = np.ptp(values, 0)
    return np.where(length > 0, (values - values.min(0)) / np.where(length > 0, length, 1.0), 0.5)


def _opacities(strengths: Numbers) -> Numbers:
    """What is zero is not seen."""
    return np.tanh(CONTRAST * _relative(strengths))


def _relative(strengths: Numbers) -> Numbers:
    """To the largest."""
    largest = strengths.max()
    return strengths / largest if largest > 0 else strengths


def _faded(colour: str, seen: Numbers) -> Annotated[Numbers, "marks 4"]:
    colours = to_rgba_array(colour).repeat(seen.size, 0)
    colours[:, 3] = seen.flatten()
    return colours


# --- one edge -----------------------------------------------------------------------------------------------------------


def plot_edge(path: str | Path, edge: Edge, title: str) -> None:
    """An edge and its derivative on its whole grid: dashed where its input does not come, knots as marks along the bottom."""
    figure = Figure((6, 5), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    low, high = edge.reached
    inside = (low <= edge.x) & (edge.x <= high)
    for panel, values, name in zip(panels, (edge.values, edge.slopes), ("$\\varphi$", "$\\varphi\\,'$"), strict=True):
        panel.axvspan(low, high, color="0.94", linewidth=0, label=f"reached: {low:.3g} to {high:.3g}")
        panel.plot(edge.x, values, "--", color=QUIET, linewidth=1)
        panel.plot(edge.x[inside], values[inside], color=CURVE, linewidth=2)
        across = panel.get_xaxis_transform()
        panel.vlines(edge.knots, 0, 0.06, transform=across, colors=INK, linewidths=0.8, label=f"{len(edge.knots)} knots")
        panel.set_ylabel(name, rotation=0, labelpad=12, size=LABEL, verticalalignment="center")
        panel.margins(x=0.02, y=0.1)  # above the marks
    panels[1].set_xlabel("input")
    panels[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    write_figure(figure, path, title)
