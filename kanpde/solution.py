"""The result: evaluate, errors, table, pictures, VTK, one file that saves it."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from math import inf, nan, prod
from pathlib import Path
from typing import Any

import numpy as np
import sympy
import torch
from matplotlib.tri import Triangulation
from numpy.typing import NDArray
from torch import Tensor, nn

from kanpde.boxes import Box
from kanpde.chunks import points_at_a_time
from kanpde.corrections import Correction, is_linear
from kanpde.cross_check import CrossCheck, cross_checked
from kanpde.derivatives import Column, grad
from kanpde.devices import CPU, at, device_of
from kanpde.domains import TIME, Domain
from kanpde.errors import Errors, Make, estimated, evaluated, measured_errors
from kanpde.estimates import FieldEstimate, Inference, estimates
from kanpde.export import MESH_SUFFIXES, Tags, check_place, simplices, write_mesh, write_series
from kanpde.field import Field
from kanpde.formulas import found_formula
from kanpde.functions import Points
from kanpde.history import Stage, estimate_name, table
from kanpde.jacobians import Tape
from kanpde.mesh_domain import MeshDomain
from kanpde.meshes import mesh
from kanpde.networks import KAN, trainable
from kanpde.plot import SUFFIXES, Coordinates, plot_convergence, plot_fields, plot_frames
from kanpde.problem import Problem
from kanpde.saved import (
    FORMAT,
    INVERSE,
    JOURNAL,
    Arrays,
    described,
    different,
    evidence,
    load_parameters,
    network_of,
    read,
    write,
)
from kanpde.slabs import Slabs
from kanpde.symbols import LIBRARY, Elementary
from kanpde.verification import Formula

PICTURED_TIMES = 5


class Solution:
    """What `solve` returns: the unknowns as functions, and how they were found.

    `solution(x=…, y=…)` evaluates: numbers, arrays or tensors in, arrays or tensors out, of the shape that the inputs
    have together, and tensors on the device of the first; a dict by unknown for a system. What comes out are plain numbers,
    which autograd does not follow: differentiate `solution.field`, whose coordinates are columns, instead.
    """

    def __init__(
        self,
        field: Field,
        history: tuple[Stage, ...],
        status: str,
        inference: Inference | None = None,
        errors: Errors | None = None,
    ) -> None:
        """`errors` are those of the field where they have been measured, as for its stage."""
        self.field, self.history, self.status, self.inference = field, history, status, inference
        self.problem, self._measured = field.problem, errors

    def ended(self, status: str) -> "Solution":
        """The same with another status."""
        return Solution(self.field, self.history, status, self.inference, self._measured)

    @property
    def model(self) -> Any:
        """The network."""
        return self.field.network

    @property
    def size(self) -> int:
        """Number of trainable coefficients, of any network."""
        return sum(p.numel() for p in trainable(self.model))

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """What was to be found, by name: an `Estimate` with `value` and `standard_error` of each parameter, a `FieldEstimate`,

        which is a function of its axes, of each coefficient field.
        """
        root = self.inference.root if self.inference is not None and self.inference.fits else None
        with at(CPU):
            return estimates(self.field.on(CPU), root)

    @cached_property
    def errors(self) -> Errors:
        """Of this network: against the exact solution of its problem, if there is one, and an estimate without it."""
        if self._measured is not None:
            return self._measured
        with at(device_of(self.model)):
            return measured_errors(self.field, self._missed)

    @cached_property
    def is_linear(self) -> bool:
        """Whether equations and conditions are: then `errors.estimate` is an estimate, else an indicator."""
        with at(device_of(self.model)):
            return is_linear(self.field)

    @cached_property
    def _missed(self) -> Correction | None:
        with at(device_of(self.model)):
            return estimated(self.field)

    @at(CPU)
    def __call__(self, **coordinates: Any) -> Any:
        box = self.problem.domain
        if set(coordinates) != set(box.names):
            raise TypeError(
                f"solution({', '.join(f'{n}=…' for n in coordinates)}) does not match the axes of {box}; "
                f"call solution({', '.join(f'{n}=…' for n in box.names)})"
            )
        tensors = [c for c in coordinates.values() if isinstance(c, Tensor)]
        given = [_numbers(name, coordinates[name]) for name in box.names]
        shape = np.broadcast_shapes(*(c.shape for c in given))
        given = [np.broadcast_to(c, shape).flat for c in given]
        middle, count, outside = (box.low + box.high) / 2, prod(shape), 0
        found: dict[str, Tensor] = {}
        tape = Tape(self.model) if isinstance(self.model, KAN) else None  # cheaper by half, and by more where edges are many
        each = points_at_a_time(self.field.held)
        for low in range(0, max(count, 1), each):  # so that no array but the caller's, and results, is as long as they are
            chunk = slice(low, low + each)
            points = torch.from_numpy(np.stack([c[chunk].astype(np.float64) for c in given], 1))  # of native byte order
            # points that were rounded to single precision lie inside: a little nearer to the middle they do
            inside = box.contains(points) | box.contains(torch.lerp(points, middle, 1e-6))
            outside += len(points) - int(inside.sum())
            for name, u in evaluated(lambda x: self.field(tape, **x), points, self.field).items():
                found.setdefault(name, u.new_empty(count))[chunk] = u[:, 0]
            if tape is not None:
                tape.clear()
        if outside:
            warnings.warn(
                f"{outside} of {count} points lie outside {box}, where nothing was solved: values there mean nothing",
                stacklevel=3,
            )
        found = {name: values.reshape(shape) for name, values in found.items()}
        results = {n: values.to(tensors[0].device) if tensors else values.numpy() for n, values in found.items()}
        return results if len(results) > 1 else next(iter(results.values()))

    # --- formulas -------------------------------------------------------------------------------------------------

    def formula(self, library: Sequence[Elementary] = LIBRARY) -> sympy.Expr | dict[str, sympy.Expr] | None:
        """The solution as a sympy expression of its axes, a dict by unknown for a system; None, with a warning that says

        why, if there is none that equations and conditions bear out. `find_formula` gives the same with its verification.
        `library` is what it may be made of: `(*LIBRARY, Elementary("erf", torch.erf, sympy.erf))`.
        """
        found = self.find_formula(library)
        if found.obstacle is not None:
            warnings.warn(f"no formula: {found.obstacle}", stacklevel=2)
        return found.expression

    def find_formula(self, library: Sequence[Elementary] = LIBRARY) -> Formula:
        """The formula as `formula` gives it, with what it leaves of equations and conditions, and its distance to the

        solution; printed, it says so, and why there is none. `.latex()` writes it.
        """
        with at(CPU):
            return found_formula(self.field.on(CPU), min((stage.residual for stage in self.history), default=inf), library)

    # --- a second opinion -----------------------------------------------------------------------------------------

    def cross_check(self, unknowns: int | None = None) -> CrossCheck:
        """How far the solution is from one by finite elements, which owe nothing to networks, with the error that those have

        themselves: steady equations of second order with one unknown. `unknowns` is about how many values at nodes they have;
        by default as many as take seconds, and the more the sharper. Needs scikit-fem: `pip install "kanpde[fem]"`.
        """
        with at(CPU):
            return cross_checked(self.field.on(CPU), unknowns)

    # --- reports --------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        lines = [table(self.history, self.is_linear)]
        lines += [repr(self.model)] if isinstance(self.model, Slabs) else []
        hard = [name for name in self.problem.conditions if name in self.field.hard]
        soft = [name for name in self.problem.conditions if name not in self.field.hard]
        kinds = [f"exact by construction: {', '.join(hard)}"] * bool(hard)
        kinds += [f"weighted: {', '.join(soft)}"] * bool(soft)
        lines += ["conditions " + "; ".join(kinds)] if kinds else []
        for name, found in self.parameters.items():
            lines.append(
                f"{name}({', '.join(found.axes)}) {found}" if isinstance(found, FieldEstimate) else f"{name} = {found}"
            )
        if self.inference is not None:
            lines.append(f"{self.inference.observed} observations, root mean square misfit {self.inference.misfit:.2g}")
        device = device_of(self.model)
        lines += [f"computed in float64 on {device}"] if device != CPU else []
        return "\n".join([*lines, self.status])

    def __repr__(self) -> str:
        return f"Solution({type(self.model).__name__} of {self.size} coefficients, {self.status!r})"

    # --- files ----------------------------------------------------------------------------------------------------

    @at(CPU)
    def to_vtk(self, path: str | Path, points: int | None = None, frames: int = 21) -> None:
        """Write unknowns, gradients, residuals, estimated and, if known, true errors and exact fields for ParaView.

        The suffix chooses: .vtu, .vtk or .xdmf hold one mesh (time, if any, as an axis like the others); .pvd holds a
        time-dependent field, one .vtu for each of `frames` times beside it. `points` is their number on each axis.
        Gradients are those in space, or in time where there is nothing else. The mesh of a `MeshDomain` is that of its file,
        cut into smaller cells, with the groups of cells and of boundary facets.
        """
        box = self.problem.domain
        check_vtk(path, box)
        _at_least(2, points=points)
        _at_least(1, frames=frames)
        series = Path(path).suffix == ".pvd"
        drawn = box.without_time() if series else box
        count = points or _default_points(drawn.dimension)
        places, corners = mesh(drawn, count)
        cells = simplices(corners)
        groups = drawn.groups(count) if isinstance(drawn, MeshDomain) else None
        tags = None if groups is None else Tags(*groups)
        at = torch.zeros(len(places), box.dimension, dtype=torch.float64)
        at[:, [box.names.index(n) for n in drawn.names]] = torch.from_numpy(places)

        def frame(time: float) -> tuple[Any, Any, Any]:
            at[:, box.names.index(TIME)] = time
            return places, cells, self._arrays(self._details, at, self._corrected)

        if series:
            times = np.linspace(*box.axes[TIME], frames).tolist()
            write_series(path, times, map(frame, times), tags)
        else:
            write_mesh(path, places, cells, self._arrays(self._details, at, self._corrected), tags)

    def _fields(self, x: dict[str, Column]) -> dict[str, Column]:
        """Unknowns, their errors and, if known, exact fields, by name; without them errors are estimated."""
        exact = self.problem.exact_columns(x) if self.problem.exact else {}
        estimates = {} if exact else self._estimated_errors(x)
        found = {}
        for name, u in self.field(**x).items():
            found[name] = u
            if exact:
                found |= {f"{name}_exact": exact[name], f"{name}_error": u - exact[name]}
            elif estimates:
                found[f"{name}_estimated_error"] = estimates[name]
        return found

    def _estimated_errors(self, x: dict[str, Column]) -> dict[str, Column]:
        """By unknown; none where there is no estimate."""
        return {} if self._missed is None else {name: -change for name, change in self._missed(x).items()}

    def _details(self, x: dict[str, Column]) -> dict[str, Column]:
        """Those, gradients and residuals."""
        found = self._fields(x)
        unknowns = {name: found[name] for name in self.problem.unknowns}
        axes = [column for name, column in x.items() if name != TIME] or list(x.values())
        if self.problem.exact:  # else they are there already
            found |= {f"{name}_estimated_error": error for name, error in self._estimated_errors(x).items()}
        found |= {f"{name}_gradient": torch.cat(grad(u, *axes), 1) for name, u in unknowns.items()}
        known = self.field.known(x)
        found |= {n: known.parameters[n] for n, p in self.problem.parameters.items() if p.axes}
        equations = self.problem.equations(unknowns, known)
        return found | {"residual" if len(equations) == 1 else f"residual_{n}": r for n, r in equations.items()}

    @property
    def _corrected(self) -> Field:
        """The field, with the splines of its estimated error if there is one, which hold more at each point."""
        return self.field if self._missed is None else self._missed.field

    def _arrays(self, make: Make, points: Points, field: Field) -> dict[str, NDArray[np.float64]]:
        found = evaluated(make, points, field)
        return {name: (u[:, 0] if u.shape[1] == 1 else u).numpy() for name, u in found.items()}

    @at(CPU)
    def plot(self, path: str | Path, points: int = 161) -> None:
        """Draw each unknown and, if known, its exact field and error; else its estimated error.

        A field of the plane that moves is a strip of frames; axes of space after the second are fixed, as the title says.
        """
        check_place(path, SUFFIXES)
        _at_least(2, points=points)
        domain = self.problem.domain
        strip = TIME in domain.names and len(domain.spatial) > 1
        shown = domain.spatial[:2] if strip else domain.names[:2]
        at, coordinates, shape = self._sheet(shown, points)
        # not at the middle, where odd fields vanish
        fixed = {n: 0.6 * low + 0.4 * high for n, (low, high) in domain.axes.items() if n not in shown}
        times = np.linspace(*domain.axes[TIME], PICTURED_TIMES).tolist() if strip else []
        frames: dict[str, list[NDArray[np.float64]]] = {}
        held = self.field if self.problem.exact else self._corrected
        for moment in [{TIME: time} for time in times] or [{}]:
            for n, value in (fixed | moment).items():
                at[:, domain.names.index(n)] = value
            outside = ~domain.contains(at).numpy()
            for name, values in self._arrays(self._fields, at, held).items():
                frames.setdefault(name.replace("_", " "), []).append(np.where(outside, np.nan, values).reshape(shape))
        title = ", ".join(f"{n} = {value:.4g}" for n, value in fixed.items() if not (strip and n == TIME))
        if strip:
            fields = {name: np.stack(values) for name, values in frames.items()}
            plot_frames(path, shown, coordinates, times, fields, title)
        else:
            plot_fields(path, shown, coordinates, {name: values[0] for name, values in frames.items()}, title)

    def _sheet(self, shown: tuple[str, ...], points: int) -> tuple[Points, Coordinates, tuple[int, ...]]:
        """Points on the axes that are shown, others zero; as what they are drawn; and the shape of fields on them."""
        domain = self.problem.domain
        shape = domain.without_time() if domain.spatial else domain
        if shape.names == shown and not isinstance(shape, Box):
            places, corners = mesh(shape, points)
            places, coordinates, counts = torch.from_numpy(places), Triangulation(*places.T, corners), (len(places),)
        else:
            box = Box(**{n: domain.axes[n] for n in shown})
            places, counts = box.grid(points), (points,) * len(shown)
            coordinates = tuple(np.linspace(*interval, points) for interval in box.axes.values())
        at = torch.zeros(len(places), domain.dimension, dtype=torch.float64)
        at[:, [domain.names.index(n) for n in shown]] = places
        return at, coordinates, counts

    def plot_network(self, path: str | Path) -> None:
        """Draw the KAN, from the axes to the unknowns (before conditions are built in): see `KAN.plot`."""
        if not isinstance(self.model, KAN):
            what, hint = type(self.model).__name__, "solve with a KAN to see one: solve(problem, KAN([2, 5, 1]))"
            if isinstance(self.model, Slabs):
                what = repr(self.model)
                hint = "each of its KANs can be drawn alone: solution.model.parts[0].plot(path)"
            raise TypeError(f"a picture shows the edges of one KAN, but the network is {what}; {hint}")
        self.model.plot(path, self.problem.domain.names, _outputs(self.field))

    def plot_convergence(self, path: str | Path) -> None:
        """Draw residual and errors of the stages against their numbers of coefficients."""
        curves: dict[str, list[float | None]] = {
            "residual": [s.residual for s in self.history],
            f"{estimate_name(self.is_linear)} of the error": [s.errors.estimate for s in self.history],
            "relative L2 error": [s.errors.relative_l2 for s in self.history],
            "relative H1 error": [s.errors.relative_h1 for s in self.history],
        }
        known = {n: [nan if v is None else v for v in curve] for n, curve in curves.items() if any(curve)}
        plot_convergence(path, [s.size for s in self.history], known)

    def save(self, path: str | Path) -> None:
        """Write network, history and status to one .npz or .kanpde file, readable with numpy alone and free of pickles."""
        write(path, *self.contents())

    def contents(self) -> tuple[dict[str, Any], Arrays]:
        """What `save` writes: a header of plain values, and arrays by name."""
        with at(device_of(self.model)):
            told = evidence(self.field)
        header = {
            "format": FORMAT,
            "network": described(self.model),
            "axes": self.problem.domain.axes,
            "unknowns": self.problem.unknowns,
            "evidence": told,
            "hard": self.field.is_hard,
            "history": [asdict(stage) for stage in self.history],
            "status": self.status,
            "inference": self.inference and {**vars(self.inference), "root": None},
        }
        arrays = {name: value.numpy(force=True) for name, value in self.model.state_dict().items()}
        for name, network in self.field.parameters.items():
            arrays |= {f"{INVERSE}{name}/{key}": value.numpy(force=True) for key, value in network.state_dict().items()}
        if self.inference is not None:
            arrays[f"{INVERSE}root"] = self.inference.root.numpy()
        return header, arrays

    @staticmethod
    @at(CPU)
    def load(path: str | Path, problem: Problem, model: nn.Module | None = None) -> "Solution":
        """Read what `save` wrote, for the same problem; runs no code from the file.

        A network of your own is given as `model`, of the same shape; others are on the CPU. Raises ValueError if `save` did
        not write the file, or from another problem: other axes or unknowns, or equations, conditions or values that differ
        in numbers.
        """
        if not isinstance(problem, Problem):
            raise TypeError(f"load takes a Problem, not {type(problem).__name__}; call the factory: load(path, poisson())")
        return Solution.restored(path, *read(Path(path)), problem, model)

    @staticmethod
    def restored(
        path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, Tensor], problem: Problem, model: nn.Module | None
    ) -> "Solution":
        """As `load`, from what the file holds."""
        axes = {name: tuple(interval) for name, interval in header["axes"].items()}
        if axes != problem.domain.axes or tuple(header["unknowns"]) != problem.unknowns:
            raise ValueError(
                f"{path} holds {', '.join(header['unknowns'])} on axes {axes}, but the problem has "
                f"{', '.join(problem.unknowns)} on {problem.domain}; load it with the problem that it was saved from"
            )
        arrays = {name: array for name, array in arrays.items() if not name.startswith(JOURNAL)}
        inverse = {name.removeprefix(INVERSE): arrays.pop(name) for name in list(arrays) if name.startswith(INVERSE)}
        network = model or network_of(header["network"], arrays)
        try:
            network.load_state_dict(arrays)
        except RuntimeError as error:
            raise ValueError(
                f"{path} holds the coefficients of another network than {type(network).__name__}: give one of the same "
                f"shape as model= ({str(error).splitlines()[-1].strip()})"
            ) from None
        inference = Inference(**header["inference"] | {"root": inverse.pop("root").cpu()}) if header.get("inference") else None
        with at(device_of(network)):
            field = Field(problem, network, header["hard"])
            load_parameters(field, inverse, path)
            found = evidence(field)
        if others := different(header["evidence"], found):
            raise ValueError(
                f"{path} was saved from another problem or network: {', '.join(others)} differ; "
                "load it with those that it was saved from"
            )
        history = tuple(Stage(**{**stage, "errors": Errors(**stage["errors"])}) for stage in header["history"])
        return Solution(field, history, header["status"], inference)


def _outputs(field: Field) -> list[str]:
    """Names of a network's outputs: see `Field`."""
    each = [
        name if piece == 0 else f"{name}, singular {piece}" for name, one in field.ansatz.items() for piece in range(one.pieces)
    ]
    materials = len(field.problem.materials) + 1
    return each if materials == 1 else [f"{name}, material {m}" for m in range(materials) for name in each]


def _numbers(axis: str, given: Any) -> NDArray[Any]:
    """Numbers, lists, arrays or tensors as an array, which is no copy of an array, nor of a tensor of float64."""
    if isinstance(given, Tensor):
        return given.double().numpy(force=True)
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"solution({axis}=…) is given {given!r}; give real numbers, in a list, array or tensor")
    return array


def _default_points(dimension: int) -> int:
    return {1: 1001, 2: 129}.get(dimension, 41)


def check_vtk(path: str | Path, box: Domain) -> None:
    """Raises ValueError, before any work, if a file of this name cannot hold fields on the domain."""
    check_place(path, (*MESH_SUFFIXES, ".pvd"))
    series = Path(path).suffix == ".pvd"
    if series and (TIME not in box.axes or box.dimension == 1):
        raise ValueError(f"{path}: a .pvd holds a field in space and time, but the domain is {box}; write a .vtu")
    if box.dimension - series > 3:
        raise ValueError(f"{path}: a mesh has at most three axes, but the domain is {box}; evaluate and write slices of it")


def _at_least(least: int, **given: int | None) -> None:
    for name, number in given.items():
        if number is not None and number < least:
            raise ValueError(f"{name}={number}; give {least} or more")
