"""Disks, ellipses and balls: images of the unit disk or ball."""

from collections.abc import Hashable, Sequence
from functools import cached_property, partial
from math import pi
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kanpde.combinations import Shape
from kanpde.derivatives import Column
from kanpde.domains import SLACK, Face, Factor, Kept, UnitCube
from kanpde.functions import Points
from kanpde.rules import Graph, Rule, circle, gauss, product


class _Round(Shape):
    """The image of the unit disk or ball under scaling along the axes."""

    RIM = "the rim"

    def __init__(self, centre: dict[str, float], radii: Sequence[float], dimension: int, example: str) -> None:
        kind = type(self).__name__
        if len(centre) != dimension:
            raise ValueError(f"{kind} has the centre {centre}; give it on {dimension} axes, as in {example}")
        try:
            self._numbers = np.array([[float(c) for c in centre.values()], [float(r) for r in radii]])
        except (TypeError, ValueError):
            raise ValueError(
                f"{kind} is given the centre {centre} and radii {radii!r}; give numbers, as in {example}"
            ) from None
        if not (np.isfinite(self._numbers).all() and (self._numbers[1] > 0).all()):
            raise ValueError(
                f"{kind} is given the centre {centre} and radii {tuple(radii)}; they must be finite, radii positive"
            )
        ends = zip(*self._numbers.tolist(), strict=True)
        self.axes = {name: (c - r, c + r) for name, (c, r) in zip(centre, ends, strict=True)}

    def __repr__(self) -> str:
        centre = ", ".join(f"{n}={c:g}" for n, c in zip(self.names, self.centre.tolist(), strict=True))
        return f"{type(self).__name__}({centre}, {self._size()})"

    @property
    def centre(self) -> Annotated[Tensor, "axes"]:
        return torch.as_tensor(self._numbers[0])

    @property
    def radii(self) -> Annotated[Tensor, "axes"]:
        return torch.as_tensor(self._numbers[1])

    def _size(self) -> str:
        return f"radius={self.radii[0]:g}"

    def _key(self) -> Hashable:
        return tuple(self.axes.items())

    @property
    def faces(self) -> tuple[Face, ...]:
        return (self.RIM,)

    @property
    def measure(self) -> float:
        return (pi if self.dimension == 2 else 4 / 3 * pi) * self.radii.prod().item()

    def _scaled(self, points: Points) -> Points:
        """As points of the unit ball."""
        return (points - self.centre) / self.radii

    def placed(self, unit: UnitCube) -> tuple[Points, Kept]:
        """In the plane by the concentric map (P. Shirley, K. Chiu, J. Graphics Tools 2, 1997), which takes the edge of the
        square to the rim; in space by spherical coordinates of equal volume."""
        if self.dimension == 2:
            a, b = (2 * unit - 1).unbind(1)
            wide = a.abs() > b.abs()
            radius = torch.where(wide, a, b)
            ratio = torch.where(wide, b, a) / torch.where(radius == 0, 1.0, radius)
            angle = torch.where(wide, pi / 4 * ratio, pi / 2 - pi / 4 * ratio)
            ball = radius[:, None] * torch.stack([torch.cos(angle), torch.sin(angle)], 1)
        else:
            ball = unit[:, :1] ** (1 / 3) * self._on_sphere(unit[:, 1:])
        return self.centre + self.radii * ball, torch.ones(len(unit), dtype=torch.bool)

    @staticmethod
    def _on_sphere(unit: UnitCube) -> Points:
        height, angle = 2 * unit[:, 0] - 1, 2 * pi * unit[:, 1]
        across = (1 - height**2).clamp_min(0).sqrt()
        return torch.stack([across * torch.cos(angle), across * torch.sin(angle), height], 1)

    def contains(self, points: Points, slack: float = SLACK) -> Kept:
        return self._scaled(points).norm(dim=1) <= 1 + slack

    def face_measure(self, face: Face) -> float:  # noqa: ARG002
        if self.dimension == 2:
            return self._arc[-1].item()
        return 4 * pi * self.radii[0].item() ** 2

    @cached_property  # asked for at every step, by each sample
    def _arc(self) -> Annotated[NDArray[np.float64], "angles"]:
        """The length of the rim up to each of many angles."""
        angles = torch.linspace(0, 2 * pi, 4097, dtype=torch.float64)
        corners = self.radii * torch.stack([torch.cos(angles), torch.sin(angles)], 1)
        return torch.cat([torch.zeros(1).double(), corners.diff(dim=0).norm(dim=1).cumsum(0)]).cpu().numpy()

    def face_extent(self, face: Face) -> float:  # noqa: ARG002
        return pi

    def on_face(self, face: Face, unit: UnitCube) -> tuple[Points, Kept]:  # noqa: ARG002
        if self.dimension == 2:
            length, turn = self._arc, np.linspace(0, 2 * pi, len(self._arc))
            angles = torch.as_tensor(np.interp(unit[:, 0].cpu().numpy() * length[-1], length, turn))
            sphere = torch.stack([torch.cos(angles), torch.sin(angles)], 1)
        else:
            sphere = self._on_sphere(unit)
        return self.centre + self.radii * sphere, torch.ones(len(unit), dtype=torch.bool)

    def normals(self, face: Face, points: Points) -> Points:  # noqa: ARG002
        slope = self._scaled(points) / self.radii
        return slope / slope.norm(dim=1, keepdim=True)

    def touches(self, face: Face, points: Points) -> Kept:  # noqa: ARG002
        return (self._scaled(points).norm(dim=1) - 1).abs() <= SLACK

    def projected(self, face: Face, points: Points) -> Points:  # noqa: ARG002
        """Away from the centre."""
        scaled = self._scaled(points)
        return self.centre + self.radii * scaled / scaled.norm(dim=1, keepdim=True)

    def vanishing(self, faces: Sequence[Face]) -> list[Factor]:
        return [self._depth for _ in faces]

    def _depth(self, x: dict[str, Column]) -> Column:
        parts = zip(x.values(), self.centre.tolist(), self.radii.tolist(), strict=True)
        return 1 - torch.cat([(column - c) / r for column, c, r in parts], 1).square().sum(1, keepdim=True)

    def nodes(self, count: int) -> Rule:
        """In polar or spherical coordinates."""
        radii, shares = gauss(0, 1, count)
        sphere, angles = self._sphere(count)
        points, weights = product([(radii, shares * radii[:, 0] ** (self.dimension - 1)), (sphere, angles)])
        return self.centre + self.radii * points[:, :1] * points[:, 1:], weights * self.radii.prod()

    def face_nodes(self, face: Face, count: int) -> Rule:
        if self.dimension == 2:
            angles, weights = circle(count)
            points, speeds = self.curve(face, angles[:, 0] / (2 * pi))
            return points, weights / (2 * pi) * speeds
        points, weights = self._sphere(count)
        return self.centre + self.radii * points, weights * self.radii[0] ** 2

    def _sphere(self, count: int) -> Rule:
        """On the unit circle or sphere."""
        angles, weights = circle(count)
        around = torch.cat([torch.cos(angles), torch.sin(angles)], 1)
        if self.dimension == 2:
            return around, weights
        points, weights = product([gauss(-1, 1, count), (around, weights)])
        height = points[:, :1]
        return torch.cat([(1 - height**2).sqrt() * points[:, 1:], height], 1), weights

    @property
    def graphs(self) -> list[Graph]:
        if self.dimension > 2:
            return super().graphs
        (x, y), (a, b) = self.centre.tolist(), self.radii.tolist()

        def half(side: float, at: NDArray[np.float64]) -> NDArray[np.float64]:
            return y + side * b * np.sqrt(np.maximum(0, 1 - ((at - x) / a) ** 2))

        return [(x - a, x + a, partial(half, side)) for side in (-1.0, 1.0)]

    def curve(self, face: Face, along: Annotated[Tensor, "points"]) -> Rule:
        if self.dimension > 2:
            return super().curve(face, along)
        angles = 2 * pi * along[:, None]
        sine, cosine = torch.sin(angles), torch.cos(angles)
        slopes = 2 * pi * self.radii * torch.cat([-sine, cosine], 1)
        return self.centre + self.radii * torch.cat([cosine, sine], 1), slopes.norm(dim=1)


class Ellipse(_Round):
    """An ellipse along the axes, about a centre: `Ellipse(x=0, y=0, radii=(2, 1))`."""

    def __init__(self, *, radii: tuple[float, float], **centre: float) -> None:
        super().__init__(centre, radii, 2, "Ellipse(x=0, y=0, radii=(2, 1))")

    def _size(self) -> str:
        return f"radii=({self.radii[0]:g}, {self.radii[1]:g})"


class Disk(_Round):
    """A disk about a centre: `Disk(x=0, y=0, radius=1)`."""

    def __init__(self, *, radius: float = 1.0, **centre: float) -> None:
        super().__init__(centre, (radius, radius), 2, "Disk(x=0, y=0, radius=1)")


class Ball(_Round):
    """A ball about a centre: `Ball(x=0, y=0, z=0, radius=1)`."""

    def __init__(self, *, radius: float = 1.0, **centre: float) -> None:
        super().__init__(centre, (radius, radius, radius), 3, "Ball(x=0, y=0, z=0, radius=1)")
