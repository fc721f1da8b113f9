"""The result: evaluate, errors, table, pictures, VTK, one file that saves it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kanpde.derivatives import grad
from kanpde.domains import TIME, Points, columns
from kanpde.export import structured_cells, whole_file, write_mesh, write_series
from kanpde.field import Field
from kanpde.networks import KAN, MLP, Layer, Product
from kanpde.plot import plot_convergence, plot_fields, plot_frames
from kanpde.problem import Problem

CHUNK = 2**14  # points evaluated at a time


@dataclass(frozen=True)
class Errors:
    """Against the exact solution, on a uniform grid that was never trained on; the worst unknown of a system.

    `relative_h1` compares values and first derivatives, `max` is the largest absolute error.
    """

    relative_l2: float
    relative_h1: float
    max: float


@dataclass(frozen=True)
class Stage:
    """One grid: `residual` is ‖r‖ on points not trained on, `order` that of the error (or residual) in 1/grid."""

    network: str
    grid: int | None
    degree: int | None
    size: int
    steps: int
    residual: float
    errors: Errors | None
    order: float | None
    seconds: float  # since the start

    @property
    def relative_l2(self) -> float | None:
        return None if self.errors is None else self.errors.relative_l2


class Solution:
    """What `solve` returns: the unknowns as functions, and how they were found.

    `solution(x=…, y=…)` evaluates: arrays or tensors of any one shape in, the same kind and shape out; a dict by unknown
    for a system.
    """

    def __init__(self, field: Field, history: tuple[Stage, ...], status: str) -> None:
        self.field, self.history, self.status = field, history, status
        self.problem = field.problem

    @property
    def model(self) -> Any:
        """The network; `.size` of a KAN or MLP counts its trainable coefficients."""
        return self.field.network

    @property
    def errors(self) -> Errors | None:
        """Of the stage with the smallest residual, whose network this is; None without an exact solution."""
        return min(self.history, key=lambda s: s.residual).errors if self.history else measured_errors(self.field)

    def __call__(self, **coordinates: Any) -> Any:
        names = self.problem.domain.names
        if set(coordinates) != set(names):
            raise TypeError(
                f"solution({', '.join(f'{n}=…' for n in coordinates)}) does not match the axes of {self.problem.domain}; "
                f"call solution({', '.join(f'{n}=…' for n in names)})"
            )
        tensors = any(isinstance(c, Tensor) for c in coordinates.values())
        given = [_column(coordinates[name]) for name in names]
        shape = torch.broadcast_shapes(*(c.shape for c in given))
        points = torch.stack([c.expand(shape).reshape(-1) for c in given], 1)
        found = {name: values.reshape(shape) for name, values in evaluated(self.field, points).items()}
        results = found if tensors else {name: values.numpy() for name, values in found.items()}
        return results if len(results) > 1 else next(iter(results.values()))

    # --- reports --------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        lines = [table(self.history)]
        hard = [name for name in self.problem.conditions if name in self.field.hard]
        soft = [name for name in self.problem.conditions if name not in self.field.hard]
        kinds = [f"exact by construction: {', '.join(hard)}"] * bool(hard)
        kinds += [f"weighted: {', '.join(soft)}"] * bool(soft)
        return "\n".join([*lines, *(["conditions " + "; ".join(kinds)] if kinds else []), self.status])

    def __repr__(self) -> str:
        return f"Solution({self.model!r}, {self.status!r})"

    # --- files ----------------------------------------------------------------------------------------------------

    def to_vtk(self, path: str | Path, points: int | None = None, frames: int = 21) -> None:
        """Write unknowns, gradients, residuals and, if known, exact fields and errors for ParaView.

        The suffix chooses: .vtu, .vtk or .xdmf hold one mesh (time, if any, as an axis like the others); .pvd holds a
        time-dependent field, one .vtu for each of `frames` times beside it. `points` is their number on each axis.
        """
        box, suffix = self.problem.domain, Path(path).suffix
        if suffix == ".pvd":
            if TIME not in box.axes or box.dimension == 1:
                raise ValueError(f"{path}: a .pvd holds a field in space and time, but the domain is {box}; write a .vtu")
            write_series(path, np.linspace(*box.axes[TIME], frames).tolist(), self._frames(points, frames))
        else:
            counts = dict.fromkeys(box.names, points or _default_points(box.dimension))
            at = box.grid(counts)
            write_mesh(path, at.numpy(), structured_cells(tuple(counts.values())), self._point_data(at))

    def _frames(self, points: int | None, frames: int) -> Iterator[tuple[Any, Any, Any]]:
        box = self.problem.domain
        space = [n for n in box.names if n != TIME]
        counts = {n: points or _default_points(len(space)) for n in space}
        cells = structured_cells(tuple(counts.values()))
        for time in np.linspace(*box.axes[TIME], frames).tolist():
            at = box.grid({**counts, TIME: 1})
            at[:, box.names.index(TIME)] = time
            yield at[:, [box.names.index(n) for n in space]].numpy(), cells, self._point_data(at)

    def _point_data(self, points: Points) -> dict[str, NDArray[np.float64]]:
        """Fields by name at points, in chunks."""
        space = [n for n in self.problem.domain.names if n != TIME]
        parts: dict[str, list[Tensor]] = {}
        for chunk in points.split(CHUNK):
            x = columns(chunk, self.problem.domain.names)
            unknowns = self.field(**x)
            exact = self.problem.exact_columns(x) if self.problem.exact else {}
            found = dict(unknowns)
            for name, u in unknowns.items():
                found[f"{name}_gradient"] = torch.cat(grad(u, *(x[n] for n in space)), 1)
                if exact:
                    found[f"{name}_exact"], found[f"{name}_error"] = exact[name], u - exact[name]
            equations = self.problem.equations(unknowns, x)
            for name, r in equations.items():
                found["residual" if len(equations) == 1 else f"residual_{name}"] = r
            for name, values in found.items():
                parts.setdefault(name, []).append(values.detach())
        whole = {name: torch.cat(list_).numpy() for name, list_ in parts.items()}
        return {name: values[:, 0] if values.shape[1] == 1 else values for name, values in whole.items()}

    def plot(self, path: str | Path, points: int = 161) -> None:
        """Draw each unknown and, if known, the exact field and the error.

        Of a steady field in three dimensions the middle plane of the last axis; of an unsteady one a strip of frames.
        """
        box = self.problem.domain
        names = list(box.names)
        if box.dimension == 3 and TIME in names:
            space = [n for n in names if n != TIME]
            times = np.linspace(*box.axes[TIME], 5)
            axes = [np.linspace(*box.axes[n], points) for n in space]
            frames = []
            for time in times:
                grid = dict(zip(space, np.meshgrid(*axes, indexing="ij"), strict=True))
                frames.append(self._first(self(**grid, **{TIME: np.full((points, points), time)})))
            plot_frames(path, tuple(space), tuple(axes), times, np.stack(frames), title=self.problem.unknowns[0])
            return
        shown = names[:2]
        axes = [np.linspace(*box.axes[n], points) for n in shown]
        at = dict(zip(shown, np.meshgrid(*axes, indexing="ij"), strict=True))
        at |= {n: np.full_like(at[shown[0]], sum(box.axes[n]) / 2) for n in names[2:]}
        shape = next(iter(at.values())).shape
        data = self._point_data(torch.stack([torch.from_numpy(at[n]).flatten() for n in names], 1))
        drawn = {}
        for name in self.problem.unknowns:
            for key in (name, f"{name}_exact", f"{name}_error"):
                if key in data:
                    drawn[key.replace("_", " ")] = data[key].reshape(shape)
        plot_fields(path, tuple(shown), tuple(axes), drawn)

    def _first(self, found: Any) -> NDArray[np.float64]:
        return found[self.problem.unknowns[0]] if isinstance(found, dict) else found

    def plot_convergence(self, path: str | Path) -> None:
        """Draw residual and errors of the stages against their numbers of coefficients."""
        curves = {"residual": [s.residual for s in self.history]}
        if self.errors is not None:
            curves["relative L2 error"] = [s.errors.relative_l2 for s in self.history if s.errors]
            curves["relative H1 error"] = [s.errors.relative_h1 for s in self.history if s.errors]
        plot_convergence(path, [s.size for s in self.history], curves)

    def save(self, path: str | Path) -> None:
        """Write network, history and status to one .npz file, readable with numpy alone and free of pickles."""
        header = {
            "network": _described(self.model),
            "axes": self.problem.domain.axes,
            "unknowns": self.problem.unknowns,
            "hard": self.field.is_hard,
            "history": [asdict(stage) for stage in self.history],
            "status": self.status,
        }
        arrays = {name: value.numpy(force=True) for name, value in self.model.state_dict().items()}
        with whole_file(path, (".npz",)) as temporary, open(temporary, "wb") as file:
            np.savez(file, header=np.array(json.dumps(header)), **arrays)

    @staticmethod
    def load(path: str | Path, problem: Problem, model: nn.Module | None = None) -> "Solution":
        """Read what `save` wrote, for the same problem; runs no code from the file.

        A network of your own is given as `model`, of the same shape. Raises ValueError if the file belongs to
        another domain or other unknowns.
        """
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file.files if name != "header"}
            header = json.loads(str(file["header"]))
        axes = {name: tuple(interval) for name, interval in header["axes"].items()}
        if axes != problem.domain.axes or tuple(header["unknowns"]) != problem.unknowns:
            raise ValueError(
                f"{path} holds {', '.join(header['unknowns'])} on axes {axes}, but the problem has "
                f"{', '.join(problem.unknowns)} on {problem.domain}; load it with the problem that it was saved from"
            )
        network = model or _network(header["network"], arrays)
        network.load_state_dict(arrays)
        history = tuple(
            Stage(**{**stage, "errors": Errors(**stage["errors"]) if stage["errors"] else None}) for stage in header["history"]
        )
        return Solution(Field(problem, network, header["hard"]), history, header["status"])


def _column(given: Any) -> Tensor:
    """A number, list, array or tensor as float64; torch takes no arrays of the other byte order, as some files hold."""
    return given.detach().double() if isinstance(given, Tensor) else torch.from_numpy(np.array(given, np.float64))


def _default_points(dimension: int) -> int:
    return {1: 1001, 2: 129}.get(dimension, 41)


def _described(network: nn.Module) -> dict[str, Any]:
    if isinstance(network, KAN):
        nodes = [[n.count, n.rank] if isinstance(n, Product) else n for n in network.shape[1:]]
        return {"kind": "KAN", "nodes": nodes, "degrees": [layer.degree for layer in network.layers]}
    if isinstance(network, MLP):
        return {"kind": "MLP", "widths": network.widths}
    return {"kind": type(network).__name__}


def _network(described: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> nn.Module:
    if described["kind"] == "KAN":
        return KAN.from_layers(
            [
                Layer(
                    arrays[f"layers.{i}.knots"],
                    degree,
                    Product(*node) if isinstance(node, list) else node,
                    arrays[f"layers.{i}.periodic"],
                    arrays[f"layers.{i}.table"],
                )
                for i, (node, degree) in enumerate(zip(described["nodes"], described["degrees"], strict=True))
            ]
        )
    if described["kind"] == "MLP":
        return MLP(described["widths"])
    raise ValueError(f"the file holds a {described['kind']}; give one of the same shape as model=")


def evaluated(field: Field, points: Points) -> dict[str, Tensor]:
    """The unknowns at points, each (points,), in chunks of bounded memory."""
    parts: dict[str, list[Tensor]] = {name: [] for name in field.problem.unknowns}
    for chunk in points.split(CHUNK):
        for name, u in field(**columns(chunk, field.box.names)).items():
            parts[name].append(u.detach()[:, 0])
    return {name: torch.cat(list_) for name, list_ in parts.items()}


def measured_errors(field: Field) -> Errors | None:
    """Errors on a uniform grid of the domain."""
    problem = field.problem
    if problem.exact is None:
        return None
    counts = {1: 1001, 2: 65, 3: 21}.get(problem.domain.dimension, 9)
    sums = {name: np.zeros(4) for name in problem.unknowns}
    worst = 0.0
    for chunk in problem.domain.grid(counts).split(CHUNK):
        x = columns(chunk, problem.domain.names)
        unknowns, exact = field(**x), problem.exact_columns(x)
        for name, u in unknowns.items():
            gap, slope = u - exact[name], torch.cat(grad(exact[name], *x.values()), 1)
            missed = torch.cat(grad(u, *x.values()), 1) - slope
            sums[name] += [t.square().sum().item() for t in (gap, exact[name], missed, slope)]
            worst = max(worst, gap.abs().max().item())
    relative = [((e / max(u, 1e-300)) ** 0.5, ((e + de) / max(u + du, 1e-300)) ** 0.5) for e, u, de, du in sums.values()]
    return Errors(float(max(l2 for l2, _ in relative)), float(max(h1 for _, h1 in relative)), worst)


def observed_order(previous: Stage | None, stage: Stage) -> float | None:
    """log of the fall of the error (else of the residual) over log of the growth of the grid."""
    if previous is None or previous.grid is None or stage.grid is None or stage.grid <= previous.grid:
        return None
    before, after = ((s.errors.relative_l2 if s.errors is not None else s.residual) for s in (previous, stage))
    return log(before / after) / log(stage.grid / previous.grid) if before > 0 < after else None


def table(history: tuple[Stage, ...]) -> str:
    """One row for each stage."""
    header = f"{'grid':>5} {'degree':>6} {'size':>6} {'steps':>5} {'residual':>9}"
    exact = any(stage.errors for stage in history)
    if exact:
        header += f" {'rel. L2':>9} {'rel. H1':>9} {'max':>9}"
    lines = [header + f" {'order':>6} {'seconds':>8}"]
    for s in history:
        line = f"{s.grid or '-':>5} {s.degree or '-':>6} {s.size:>6} {s.steps:>5} {s.residual:>9.1e}"
        if s.errors:
            line += f" {s.errors.relative_l2:>9.1e} {s.errors.relative_h1:>9.1e} {s.errors.max:>9.1e}"
        lines.append(line + f" {'' if s.order is None else f'{s.order:.1f}':>6} {s.seconds:>8.2f}")
    return "\n".join(lines)
