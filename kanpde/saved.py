"""What saved solutions hold: a network described in plain values, its coefficients, and evidence of its problem, in one file

that numpy alone reads, and in which nothing is pickled.
"""

import json
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kanpde.bases import Basis, Hat, Splines
from kanpde.bumps import Gaussian, MexicanHat
from kanpde.derivatives import Column
from kanpde.export import whole_file
from kanpde.field import Field
from kanpde.functions import Points, columns
from kanpde.layers import Layer, Product
from kanpde.modes import Chebyshev, Fourier
from kanpde.networks import KAN, MLP
from kanpde.problem import Problem
from kanpde.slabs import Slabs

SAVED = (".npz", ".kanpde")
INVERSE = "inverse/"  # begins the names of arrays that belong to parameters
JOURNAL = "journal/"  # those of arrays that belong to the journal of a checkpoint
FORMAT = 2  # raise it when what is written changes
BASES = {kind.__name__: kind for kind in (Splines, Hat, Chebyshev, Fourier, Gaussian, MexicanHat)}

Evidence = dict[str, list[float]]
Arrays = dict[str, NDArray[Any]]


def write(path: str | Path, header: Mapping[str, Any], arrays: Arrays) -> None:
    """A header of plain values, and arrays by name."""
    with whole_file(path, SAVED) as temporary, open(temporary, "wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)  # pyright: ignore[reportArgumentType]


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and arrays of a file that `save` wrote."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} to load; give one that solution.save wrote")
    strange = ValueError(f"{path} is not a file that solution.save wrote, or not all of one; give that .npz or .kanpde file")
    if not is_zipfile(path):  # nor is one that was cut off
        raise strange
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            version = header["format"]
            arrays = {name: torch.from_numpy(file[name]) for name in file.files if name != "header"}
    except (BadZipFile, KeyError, TypeError, ValueError):
        raise strange from None
    if version != FORMAT:
        raise ValueError(f"{path} has format {version}, but this version of kanpde reads {FORMAT}; solve and save it anew")
    return header, arrays


# --- networks ----------------------------------------------------------------------------------------------------------


def described(network: nn.Module) -> dict[str, Any]:
    if isinstance(network, KAN):
        nodes = [[n.count, n.rank] if isinstance(n, Product) else n for n in network.shape[1:]]
        bases = [{"kind": type(layer.basis).__name__, **vars(layer.basis)} for layer in network.layers]
        return {"kind": "KAN", "nodes": nodes, "bases": bases}
    if isinstance(network, Slabs):
        kans = [described(kan) for kan in network.parts]
        return {"kind": "Slabs", "kans": kans, "axis": network.axis, "tolerance": network.tolerance}
    if isinstance(network, MLP):
        return {"kind": "MLP", "widths": network.widths}
    return {"kind": type(network).__name__}


def network_of(described: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> nn.Module:
    if described["kind"] == "KAN":
        bases = [_basis(**own) for own in described["bases"]]
        return KAN.from_layers(
            [
                Layer(
                    arrays[f"layers.{i}.knots"],
                    basis,
                    Product(*node) if isinstance(node, list) else node,
                    arrays[f"layers.{i}.periodic"],
                    arrays[f"layers.{i}.table"],
                )
                for i, (node, basis) in enumerate(zip(described["nodes"], bases, strict=True))
            ]
        )
    if described["kind"] == "Slabs":
        kans = []
        for number, kan in enumerate(described["kans"]):
            prefix = f"kans.{number}."
            kans.append(network_of(kan, {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}))
        return Slabs(arrays["times"], kans, described["axis"], described["tolerance"])
    if described["kind"] == "MLP":
        return MLP(described["widths"])
    raise ValueError(f"the file holds a {described['kind']}; give one of the same shape as model=")


def _basis(kind: str, **settings: Any) -> Basis:
    if kind not in BASES:
        raise ValueError(f"the file holds a KAN of basis {kind}; give one of the same shape as model=")
    return BASES[kind](**settings)


def load_parameters(field: Field, arrays: Mapping[str, Tensor], path: str | Path) -> None:
    for name, network in field.parameters.items():
        own = {key.removeprefix(f"{name}/"): value for key, value in arrays.items() if key.startswith(f"{name}/")}
        try:
            network.load_state_dict(own)
        except RuntimeError:
            raise ValueError(
                f"{path} holds no parameter {name!r}, or one of another network; load it with its own problem"
            ) from None


# --- evidence ----------------------------------------------------------------------------------------------------------


@torch.enable_grad()
def evidence(field: Field) -> Evidence:
    """What tells a problem and its solution from others: a few values of the unknowns, and what equations and conditions
    make of a known function there."""
    problem = field.problem
    known, dimension = _Known(problem), problem.domain.dimension
    # multiples of irrational numbers, which are the same everywhere, as random ones need not be
    unit = torch.arange(1, 9, dtype=torch.float64)[:, None] * 0.618034 ** torch.arange(1, dimension + 1) % 1
    points = problem.domain.points(unit)
    found = {f"equation {name!r}": rows for name, rows in problem.equations(*known(points)).items()}
    for name, condition in problem.conditions.items():
        at, normals = problem.parts[name].sample(unit)
        found[f"condition {name!r}"] = condition.rows(known, at, normals) if len(at) else at
    x = columns(points, problem.domain.names)
    found |= {f"unknown {name!r}": u for name, u in field(**x).items()}
    found |= {f"observations of {o.of!r}": o.column[:8] for o in problem.observations}
    return {name: rows.detach().flatten().tolist() for name, rows in found.items()}


def different(one: Evidence, other: Evidence) -> list[str]:
    """The names of what differs in numbers."""
    return [name for name in one | other if not _alike(one.get(name), other.get(name))]


def _alike(one: list[float] | None, other: list[float] | None) -> bool:
    if one is None or other is None or len(one) != len(other):
        return False
    size = max((abs(number) for number in one if abs(number) < inf), default=0.0)
    return np.allclose(one, other, rtol=1e-6, atol=1e-9 * size, equal_nan=True)


class _Known:
    """A positive function, different for each unknown and along each axis, in place of the unknowns."""

    def __init__(self, problem: Problem) -> None:
        self.box, self.names = problem.domain, problem.unknowns

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]:
        x = columns(points, self.box.names)
        scaled = [(c - low) / (high - low) for c, (low, high) in zip(x.values(), self.box.axes.values(), strict=True)]
        total = sum((s / (number + 2) for number, s in enumerate(scaled)), start=torch.zeros_like(scaled[0]))
        return {name: torch.exp((number + 1) * total) for number, name in enumerate(self.names)}, x
