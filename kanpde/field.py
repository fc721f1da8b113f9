"""`Field`: a network seen as the unknown functions on the domain, scaled to [-1, 1] and made to satisfy conditions.

Which conditions are built in, and how, says `ansatz.py`. Every lift is tried on its conditions: where data, such as slopes,
disagree, one of them is given back to be weighted.
"""

from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from math import log2
from typing import Annotated

import torch
from torch import Tensor, nn

from kanpde.ansatz import ansatz_of
from kanpde.conditions import Periodic
from kanpde.corners import singular_functions
from kanpde.derivatives import Column
from kanpde.devices import at, device_of, here
from kanpde.functions import Arguments, Points, columns
from kanpde.inverse import CoefficientField, Parameter, Unknown, within
from kanpde.jacobians import Recorder
from kanpde.layers import Product
from kanpde.networks import KAN, Constant
from kanpde.prescribed import prescribed_data, sites
from kanpde.problem import Problem
from kanpde.slabs import Slabs
from kanpde.walls import prescribed_walls


def outputs(problem: Problem) -> tuple[int, int]:
    """How many outputs a network has for a problem: for each unknown in each material, without and with singular functions."""
    plain = len(problem.unknowns)
    extra = sum(len(singular_functions(problem, unknown)) for unknown in problem.unknowns)
    materials = len(problem.materials) + 1
    return materials * plain, materials * (plain + extra)


class Field:
    """The unknowns on the domain: `field(x=…, t=…)` gives a dict of columns.

    Parameters
    ----------
    network: (points, axes) → (points, outputs), on coordinates scaled to [-1, 1]; the outputs are those of the first
        material, then those of the next: for each unknown one, and more if there is one for each singular function.
    hard: build in the conditions that an ansatz can hold; the names of those are in `hard`.

    `parameters` holds, for each parameter of the problem, the network that is trained for it.
    `scale`, a power of two, is the size that the data give the unknowns: what is built in, and what the equations leave
    of it. The network is multiplied by it, so that problems in any units train alike.
    """

    def __init__(self, problem: Problem, network: nn.Module, hard: bool = True) -> None:
        self.problem, self.network, self.is_hard = problem, network, hard
        self.parameters = {name: _network_of(parameter) for name, parameter in problem.parameters.items()}
        self.box = problem.domain
        self._center, self._half = (self.box.low + self.box.high) / 2, (self.box.high - self.box.low) / 2
        found = network(torch.zeros(1, self.box.dimension, dtype=torch.float64)).shape[1]
        singular = {u: singular_functions(problem, u) for u in problem.unknowns} if found > outputs(problem)[0] else {}
        data = prescribed_data(problem) if hard else {}
        walls = prescribed_walls(problem, singular) if hard else {}
        wraps = network.periodic if isinstance(network, KAN | Slabs) else ()
        periodic = [
            name for name, c in problem.conditions.items() if isinstance(c, Periodic) and self.box.names.index(c.axis) in wraps
        ]
        while True:
            self.hard = (*data, *walls, *periodic)
            self.ansatz = {u: ansatz_of(problem, u, data, walls, singular.get(u, [])) for u in problem.unknowns}
            broken = self._broken()
            if broken is None or not (data or walls):
                break
            # knots cannot be given back: if the seam is broken, it is by what the data prescribe beside it
            given_back = [broken] if broken in data or broken in walls else [*data, *walls]
            data = {name: items for name, items in data.items() if name not in given_back}
            walls = {name: condition for name, condition in walls.items() if name not in given_back}
        self.scale = self._scale()

    def _broken(self) -> str | None:
        """The built-in condition that is violated most, if by more than rounding, with any network in the ansatz."""
        worst, found = 1e-9, None
        for network in (_nothing, self._wave):
            trial = _Trial(self, network)
            unknowns, _ = trial(self.box.points(sites(self.box.dimension)))
            size = max(u.detach().abs().max().item() for u in unknowns.values())
            for name in self.hard:
                part = self.problem.parts[name]
                rows = self.problem.conditions[name].rows(trial, *part.sample(sites(part.dimension)))
                missed = rows.detach().abs().max().item() / (self.problem.sizes[name] * max(size, 1e-300))
                if missed > worst:
                    worst, found = missed, name
        return found

    def _wave(self, inputs: Tensor) -> Column:
        """A smooth function with the periods that the network has."""
        wraps = self.network.periodic if isinstance(self.network, KAN | Slabs) else ()
        phases = [torch.sin(torch.pi * s) if axis in wraps else s for axis, s in enumerate(inputs.split(1, 1))]
        return torch.exp(0.3 * torch.cat(phases, 1).sum(1, keepdim=True))

    def _scale(self) -> float:
        lift, points = _Trial(self, _nothing), self.box.points(sites(self.box.dimension))
        unknowns, x = lift(points)
        sizes = [u.detach().abs().max() for u in unknowns.values()]
        for name, r in self.problem.equations(unknowns, x).items():
            sizes.append((r.detach() / self.problem.sizes_at(name, points)).square().mean().sqrt())
        for name, part in self.problem.parts.items():
            if name not in self.hard and not isinstance(self.problem.conditions[name], Periodic):
                rows = self.problem.conditions[name].rows(lift, *part.sample(sites(part.dimension)))
                sizes.append(rows.detach().square().mean().sqrt() / self.problem.sizes[name])
        sizes += [o.column.square().mean().sqrt() for o in self.problem.observations]
        largest = max((size.item() for size in sizes if 0 < size < float("inf")), default=1.0)
        return 2.0 ** round(log2(largest))

    def with_network(self, network: nn.Module) -> "Field":
        """The same ansatz around another network of the same kind, with parameters that start where these are."""
        field = copy(self)
        field.network, field.parameters = network, deepcopy(self.parameters)
        return field

    def on(self, device: torch.device) -> "Field":
        """The same on a device; itself, if it is there."""
        if device == device_of(self.network):
            return self
        with at(device):
            field = Field(self.problem, deepcopy(self.network).to(device), self.is_hard)
            field.parameters = {name: deepcopy(network).to(device) for name, network in self.parameters.items()}
        return field

    @property
    def held(self) -> int:
        """About how many bytes an equation of second order holds for each point: what makes a chunk (`kanpde.chunks`)."""
        if isinstance(self.network, KAN | Slabs):
            return self.network.held
        return 32 * sum(p.numel() for p in self.network.parameters())  # each point has a copy, of which more is made

    def inputs(self, x: dict[str, Column]) -> Annotated[Tensor, "points axes"]:
        """The coordinates, scaled to [-1, 1]."""
        return (torch.cat([x[name] for name in self.box.names], 1) - self._center) / self._half

    def known(self, x: dict[str, Column], recorders: Mapping[str, Recorder] | None = None) -> Arguments:
        """The coordinates, and with them the parameters of the problem, for the functions that name them."""
        found = {}
        for name, parameter in self.problem.parameters.items():
            own = self.inputs(x)[:, [self.box.names.index(axis) for axis in parameter.axes]]
            raw = self.parameters[name](own) if recorders is None else recorders[name].evaluate(own)
            found[name] = within(parameter, raw)
        return Arguments(x, found)

    def __call__(self, recorder: Recorder | None = None, /, **x: Column) -> dict[str, Column]:
        return {u: self.ansatz[u].lifted(x, change) for u, change in self.change(recorder, **x).items()}

    def change(self, recorder: Recorder | None = None, /, **x: Column) -> dict[str, Column]:
        """What the network adds to the lift: it vanishes where conditions that are built in are homogeneous."""
        inputs = self.inputs(x)
        outputs = self.scale * (self.network(inputs) if recorder is None else recorder.evaluate(inputs))
        if self.problem.materials:
            each = outputs.unflatten(1, (len(self.problem.materials) + 1, -1))
            own = self.problem.material(torch.cat([x[name].detach() for name in self.box.names], 1))
            outputs = each.gather(1, own[:, None, None].expand(-1, 1, each.shape[2]))[:, 0]
        pieces = outputs.split([ansatz.pieces for ansatz in self.ansatz.values()], 1)
        if isinstance(self.network, Slabs):  # which vanishes as D does
            return dict(zip(self.ansatz, pieces, strict=True))
        return {u: ansatz.vanishing(own, x) for (u, ansatz), own in zip(self.ansatz.items(), pieces, strict=True)}


class _Trial:
    """The ansatz around a given function in place of each output of the network."""

    def __init__(self, field: Field, network: Callable[[Tensor], Column]) -> None:
        self.field, self.network, self.box = field, network, field.box

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]:
        x = columns(points, self.box.names)
        output = self.network(self.field.inputs(x))
        return {u: ansatz(output.expand(-1, ansatz.pieces), x) for u, ansatz in self.field.ansatz.items()}, x


def _network_of(parameter: Unknown) -> nn.Module:
    """What is trained for a parameter: near zero at the start."""
    if isinstance(parameter, Parameter):
        return Constant()
    network = default_coefficient(parameter) if parameter.network is None else deepcopy(parameter.network)
    return network.to(here())


def default_coefficient(parameter: CoefficientField) -> KAN:
    axes = len(parameter.axes)
    network = KAN([axes, 1 if axes == 1 else Product(1, rank=4)], grid=4, degree=7)
    with torch.no_grad():
        network.layers[0].table.mul_(0.1 ** (1 / axes))  # not to zero, where products have no slope
    return network


def _nothing(inputs: Tensor) -> Column:
    return torch.zeros_like(inputs[:, :1])
