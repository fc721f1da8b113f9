"""Pictures of fields, frames and convergence: arrays in, a .png, .pdf or .svg out. No window is ever opened."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection, QuadMesh, TriMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from matplotlib.tri import Triangulation
from numpy.typing import NDArray

from kanpde.export import whole_file

Axis = Annotated[NDArray[np.floating], "points"]
Coordinates = tuple[Axis, ...] | Triangulation  # of a grid, one array an axis; or of the corners of triangles
Grid = Annotated[NDArray[np.floating], "one dimension for each axis"]  # one in all for triangles
Frames = Annotated[NDArray[np.floating], "times, one dimension for each axis"]

SUFFIXES = (".png", ".pdf", ".svg")
DPI = 150
COLUMNS = 3  # of panels in a row
TIME = "t"  # the axis of this name is drawn to the right, on a scale of its own
DECADES = 4  # at most so many below the largest error: a line of zeros must not use up the colours
SIGNED, POSITIVE, ERROR = "RdBu_r", "viridis", "magma"


def plot_fields(
    path: str | Path,
    axes_names: tuple[str, ...],
    coordinates: Coordinates,
    fields: Mapping[str, Grid],
    title: str = "",
) -> None:
    """Named fields on a grid of one or two axes, or on triangles.

    A name with "error" is drawn as |values| on a logarithmic scale. On two axes each field has a panel, three of them in a
    row; on one axis fields share a panel and errors another, and a name with "exact" is dashed.
    """
    _check(axes_names, coordinates, fields)
    if len(axes_names) == 1:
        figure = _lines(axes_names[0], _axes(coordinates)[0], fields)
    else:
        figure, panels = _panels(axes_names, coordinates, len(fields), COLUMNS, width=3.0)
        for panel, (name, values) in zip(panels, fields.items(), strict=True):
            image = _image(panel, axes_names, coordinates, *_drawn(name, values))
            figure.colorbar(image, cax=panel.inset_axes((1.03, 0, 0.04, 1)))  # as high as the panel
            panel.set_title(name)
    write_figure(figure, path, title)


def plot_frames(
    path: str | Path,
    axes_names: tuple[str, ...],
    coordinates: Coordinates,
    times: Sequence[float] | Axis,
    frames: Frames | Mapping[str, Frames],
    title: str = "",
) -> None:
    """One field, or fields by name, at several times, each on a common scale; errors are drawn as in `plot_fields`.

    On one axis each field has a panel, with lines coloured by time; on two axes a row, with a panel for each time.
    """
    fields = frames if isinstance(frames, Mapping) else {"": frames}
    labels = [f"t = {time:.4g}" for time in times]
    for name, values in fields.items():
        if len(times) != len(values) or not len(times):
            raise ValueError(f"{len(times)} times but {len(values)} frames; give at least one, and each frame its time")
        _check(axes_names, coordinates, {f"{name} {number} ({label})": values[number] for number, label in enumerate(labels)})
    if len(axes_names) == 1:
        figure = _coloured_lines(axes_names[0], _axes(coordinates)[0], times, fields)
    else:
        columns = len(times)
        figure, panels = _panels(axes_names, coordinates, columns * len(fields), columns, width=2.0)
        for panel, label in zip(panels, labels, strict=False):
            panel.set_title(label)
        for number, (name, values) in enumerate(fields.items()):
            row = panels[number * columns : (number + 1) * columns]
            values, norm, colours = _drawn(name, values)
            for panel, frame in zip(row, values, strict=True):
                image = _image(panel, axes_names, coordinates, frame, norm, colours)
            bar = figure.colorbar(image, cax=row[-1].inset_axes((1.05, 0, 0.06, 1)))
            bar.set_label(name, rotation=0, labelpad=8, horizontalalignment="left", verticalalignment="center")
    write_figure(figure, path, title)


def plot_convergence(
    path: str | Path,
    sizes: Sequence[int],
    curves: Mapping[str, Sequence[float]],
) -> None:
    """Errors or residuals of the stages against their sizes, both on logarithmic scales."""
    if not len(sizes):
        raise ValueError("there are no sizes to draw against; give one for each stage")
    for name, values in curves.items():
        if len(values) != len(sizes):
            raise ValueError(f"curve {name!r} has {len(values)} values for {len(sizes)} sizes; give one for each size")
    figure = Figure((5, 3.6), layout="constrained")
    panel = figure.subplots()
    for (name, values), marker in zip(curves.items(), "os^Dv<>p" * len(curves), strict=False):
        panel.loglog(sizes, values, marker=marker, markersize=5, linewidth=1.4, label=name)
    panel.set_xlabel("number of coefficients")
    ticks = _apart(sizes)
    panel.set_xticks(ticks, [str(size) for size in ticks])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.grid(alpha=0.3)
    panel.legend()
    write_figure(figure, path)


def plot_scaling(path: str | Path, curves: Mapping[str, Sequence[tuple[int, float]]], slope: float | None = None) -> None:
    """Errors against numbers of coefficients, each curve with its own; a dashed line falls by size^−slope from the first."""
    if not curves:
        raise ValueError("there is no error to draw against a size; give curves of one point at least")
    figure = Figure((5, 3.6), layout="constrained")
    panel = figure.subplots()
    for (name, points), marker in zip(curves.items(), "os^Dv<>p" * len(curves), strict=False):
        panel.loglog(*zip(*points, strict=True), marker=marker, markersize=5, linewidth=1.4, label=name)
    if slope is not None:
        points = np.array(next(iter(curves.values())), dtype=float)
        sizes, start = points[[0, -1], 0], points[0, 1]
        label = f"size$^{{-{slope:g}}}$"
        panel.loglog(sizes, start * (sizes / sizes[0]) ** -slope, "--", color="0.4", linewidth=1, label=label)
    panel.set_xlabel("number of coefficients")
    panel.set_ylabel("relative L2 error")
    panel.grid(alpha=0.3)
    panel.legend()
    write_figure(figure, path)


def _check(axes_names: tuple[str, ...], coordinates: Coordinates, fields: Mapping[str, Grid]) -> None:
    axes = _axes(coordinates)
    if len(axes_names) not in (1, 2) or len(axes_names) != len(axes):
        raise ValueError(
            f"{len(axes_names)} axis names and {len(axes)} coordinates; a picture has 1 or 2 of both, "
            "so fix the other axes at a value"
        )
    if not fields:
        raise ValueError("there are no fields to draw; give at least one")
    shape = (len(axes[0]),) if isinstance(coordinates, Triangulation) else tuple(map(len, axes))
    for name, values in fields.items():
        if np.shape(values) != shape:
            raise ValueError(f"field {name!r} has shape {np.shape(values)}; on these coordinates it must be {shape}")


def _axes(coordinates: Coordinates) -> tuple[Axis, ...]:
    return (coordinates.x, coordinates.y) if isinstance(coordinates, Triangulation) else coordinates


def _is_error(name: str) -> bool:
    return "error" in name.lower()


def _lines(axis_name: str, x: Axis, fields: Mapping[str, Grid]) -> Figure:
    groups = [[name for name in fields if _is_error(name) is wanted] for wanted in (False, True)]
    groups = [group for group in groups if group]
    figure = Figure((5 * len(groups), 3.4), layout="constrained")
    for panel, group in zip(figure.subplots(1, len(groups), squeeze=False).flat, groups, strict=True):
        for name in group:
            if _is_error(name):
                panel.semilogy(x, _drawn(name, fields[name])[0], label=name, linewidth=1.2)
            elif "exact" in name.lower():  # on top of the line that it should hide
                panel.plot(x, fields[name], "--", color="0.1", label=name, linewidth=1.4, zorder=3)
            else:
                panel.plot(x, fields[name], label=name, linewidth=2)
        panel.set_xlabel(axis_name)
        panel.margins(x=0)
        panel.grid(alpha=0.3)
        panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)  # where no line is
    return figure


def _coloured_lines(axis_name: str, x: Axis, times: Sequence[float] | Axis, fields: Mapping[str, Frames]) -> Figure:
    figure = Figure((5 * len(fields) + 1, 3.6), layout="constrained")
    panels = figure.subplots(1, len(fields), squeeze=False)[0]
    colours = ScalarMappable(Normalize(min(times), max(times)), POSITIVE)
    for panel, (name, frames) in zip(panels, fields.items(), strict=True):
        for colour, values in zip(colours.to_rgba(np.asarray(times)), _drawn(name, frames)[0], strict=True):
            panel.plot(x, values, color=colour, linewidth=1.4)
        panel.set(title=name, xlabel=axis_name, yscale="log" if _is_error(name) else "linear")
        panel.margins(x=0)
        panel.grid(alpha=0.3)
    figure.colorbar(colours, ax=list(panels), label="t", pad=0.02)
    return figure


def _horizontal(axes_names: tuple[str, ...]) -> int:
    """Number of the axis drawn to the right."""
    return axes_names.index(TIME) if TIME in axes_names else 0


def _panels(
    axes_names: tuple[str, ...], coordinates: Coordinates, count: int, columns: int, width: float
) -> tuple[Figure, list[Axes]]:
    """As many panels as `count` in rows, labelled along the left and the bottom."""
    columns = min(columns, count)
    rows = ceil(count / columns)
    across = _horizontal(axes_names)
    axes = _axes(coordinates)
    ratio = float(np.ptp(axes[1 - across]) / np.ptp(axes[across]))
    equal = TIME not in axes_names and 1 / 6 < ratio < 6  # a thinner box would be a stroke
    height = width * ratio if equal else 0.8 * width
    shrink = min(1, (width / height) ** 0.5)
    # room for the title and the labels, and for the colour bar
    size = (columns * (width * shrink + 0.8), rows * (height * shrink + 0.45) + 0.3)
    figure = Figure(size, layout="compressed")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in panels[count:]:
        unused.remove()
    for number, panel in enumerate(panels[:count]):
        panel.set_aspect("equal" if equal else "auto")
        panel.tick_params(labelsize="small")
        if number % columns == 0:
            panel.set_ylabel(axes_names[1 - across])
        else:
            panel.tick_params(labelleft=False)
        if number + columns >= count:
            panel.set_xlabel(axes_names[across])
        else:
            panel.tick_params(labelbottom=False)
    return figure, panels[:count]


def _image(
    panel: Axes,
    axes_names: tuple[str, ...],
    coordinates: Coordinates,
    values: Grid,
    norm: Normalize,
    colours: str,
) -> QuadMesh | TriMesh | PolyCollection:
    across = _horizontal(axes_names)
    if isinstance(coordinates, Triangulation):
        image = panel.tripcolor(coordinates, values, norm=norm, cmap=colours, shading="gouraud", rasterized=True)
        panel.set(xlim=_ends(coordinates.x), ylim=_ends(coordinates.y))
        return image
    x, y = coordinates[across], coordinates[1 - across]
    # one flat cell about each point: nothing is blended, values that are not numbers stay blank, and .png stays small
    image = panel.pcolormesh(
        x,
        y,
        np.moveaxis(np.asarray(values), across, 1),
        norm=norm,
        cmap=colours,
        shading="nearest",
        rasterized=True,  # else a .pdf or .svg holds every cell
    )
    panel.set(xlim=_ends(x), ylim=_ends(y))  # without the outer halves of the end cells
    return image


def _ends(x: Axis) -> tuple[float, float]:
    return float(np.min(x)), float(np.max(x))


def _drawn(name: str, values: Grid) -> tuple[Grid, Normalize, str]:
    """What is drawn of a field, with which limits and colours."""
    if not _is_error(name):
        return values, *_scale(values)
    norm = _error_scale(np.abs(values))
    return np.clip(np.abs(values), norm.vmin, norm.vmax), norm, ERROR


def _scale(values: Grid) -> tuple[Normalize, str]:
    """Limits and colours: about zero where both signs matter, from lowest to highest elsewhere."""
    finite = np.asarray(values)[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    largest = max(-low, high)
    if min(-low, high) > 0.2 * largest:
        return Normalize(-largest, largest), SIGNED
    return Normalize(low, high), POSITIVE


def _error_scale(sizes: Grid) -> LogNorm:
    """From the hundredth part that is smallest, zeros left out, to the largest."""
    positive = sizes[np.isfinite(sizes) & (sizes > 0)]
    high = positive.max() if positive.size else np.finfo(np.float64).eps
    low = max(np.percentile(positive, 1), high * 10.0**-DECADES) if positive.size else high
    return LogNorm(min(low, high / 10), high)


def _apart(sizes: Sequence[int]) -> list[int]:
    """The sizes from the largest down that leave room for a label each on a logarithmic axis."""
    logarithms = np.log(sizes)
    room = 0.1 * np.ptp(logarithms)
    chosen: list[int] = []
    for size in sorted(set(sizes), reverse=True):
        if not chosen or np.log(chosen[-1] / size) > room:
            chosen.append(size)
    return chosen


def write_figure(figure: Figure, path: str | Path, title: str = "") -> None:
    """Whole or not at all; the suffix decides what is written."""
    if title:
        figure.suptitle(title, weight="bold")
    with whole_file(path, SUFFIXES) as temporary:
        figure.savefig(temporary, dpi=DPI, bbox_inches="tight")
