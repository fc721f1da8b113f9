"""Meshes of domains, for pictures and files: simplices whose corners are evaluated. Nothing is solved on them."""

from itertools import combinations
from math import ceil

import numpy as np
import torch
from scipy.spatial import Delaunay, KDTree

from kanpde.boxes import Box
from kanpde.chunks import points_at_a_time
from kanpde.combinations import CartesianProduct
from kanpde.domains import Domain
from kanpde.mesh_domain import MeshDomain
from kanpde.simplices import Corners, Simplices

EACH = 2**9  # bytes of a simplex while its volume is found


def mesh(domain: Domain, count: int) -> tuple[Corners, Simplices]:
    """Corners and simplices that fill a domain of up to three axes, with about `count` corners along its longest one."""
    if isinstance(domain, Box):
        lines = [(np.linspace(low, high, count)[:, None], _segments(count)) for low, high in domain.axes.values()]
        found = lines[0]
        for line in lines[1:]:
            found = _product(found, line)
        return found
    if isinstance(domain, MeshDomain) and domain.is_meshed:
        points, cells, _ = domain.subdivided(count)
        return points, _positive(points, cells)
    if isinstance(domain, CartesianProduct):
        one, other = (mesh(factor, count) for factor in domain.pair)
        return _product(one, other)
    return _delaunay(domain, count)


def _segments(count: int) -> Simplices:
    return np.stack([np.arange(count - 1), np.arange(1, count)], 1)


def _product(one: tuple[Corners, Simplices], other: tuple[Corners, Simplices]) -> tuple[Corners, Simplices]:
    """Pairs of simplices, each cut along the stairs from its lowest corner to its highest (H. Freudenthal 1942).

    Corners of a simplex are ordered by their numbers, the same in all that share them, so that neighbours fit.
    """
    (points, cells), (others, ends) = one, other
    places = np.concatenate([np.repeat(points, len(others), 0), np.tile(others, (len(points), 1))], 1)
    cells, ends = np.sort(cells, 1), np.sort(ends, 1)
    right, up = cells.shape[1] - 1, ends.shape[1] - 1
    parts = []
    for steps in combinations(range(right + up), right):
        moves = np.isin(np.arange(right + up), steps)
        at, beside = np.concatenate([[0], np.cumsum(moves)]), np.concatenate([[0], np.cumsum(~moves)])
        parts.append((cells[:, None, at] * len(others) + ends[None, :, beside]).reshape(-1, right + up + 1))
    return places, _positive(places, np.concatenate(parts))


def _delaunay(domain: Domain, count: int) -> tuple[Corners, Simplices]:
    """The Delaunay triangulation of a lattice inside and points along the boundary, without what lies outside."""
    spacing = (domain.high - domain.low).max().item() / (count - 1)
    rim = _boundary(domain, spacing)
    axes = [np.linspace(low, high, max(3, round((high - low) / spacing) + 1)) for low, high in domain.axes.values()]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, domain.dimension)
    if domain.dimension > 2:  # a lattice has many points on one sphere, of which Delaunay makes flat cells
        lattice += 0.1 * spacing * np.random.default_rng(0).uniform(-1, 1, lattice.shape)
    away = KDTree(rim).query(lattice)[0] > 0.6 * spacing
    inside = domain.contains(torch.from_numpy(lattice)).numpy()
    points = np.concatenate([rim, lattice[away & inside]])
    cells = Delaunay(points).simplices
    kept = domain.contains(torch.from_numpy(points[cells].mean(1))).numpy()
    volumes = np.abs(np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]]))
    return points, _positive(points, cells[kept & (volumes > 1e-9 * spacing**domain.dimension)].astype(np.int64))


def _boundary(domain: Domain, spacing: float) -> Corners:
    """Points of all faces, about `spacing` apart, corners included."""
    if isinstance(domain, MeshDomain):  # the corners of whose triangles no lattice meets
        return domain.subdivided(ceil((domain.high - domain.low).max().item() / spacing) + 1).points
    found = []
    for face in domain.faces:
        extent = domain.face_measure(face) ** (1 / (domain.dimension - 1))
        line = torch.linspace(0, 1, ceil(extent / spacing) + 2, dtype=torch.float64)
        unit = torch.cartesian_prod(*[line] * (domain.dimension - 1)).reshape(-1, domain.dimension - 1)
        points, kept = domain.on_face(face, unit)
        found.append(points[kept])
    points = torch.cat(found).numpy()
    if len(corners := domain.junctions().numpy()):
        points = np.concatenate([corners, points[KDTree(corners).query(points)[0] > 0.3 * spacing]])
    # ends of faces that meet are the same point, up to rounding
    _, first = np.unique(np.round(points / (1e-6 * spacing)).astype(np.int64), axis=0, return_index=True)
    return points[np.sort(first)]


def _positive(points: Corners, cells: Simplices) -> Simplices:
    """The same simplices with the order of corners that makes their volumes positive."""
    each = points_at_a_time(EACH)
    for own in np.split(cells, range(each, len(cells), each)):  # views, of which numbers are changed in place
        flipped = np.linalg.det(points[own[:, 1:]] - points[own[:, :1]]) < 0
        own[flipped] = np.concatenate([own[flipped][:, :-2], own[flipped][:, :-3:-1]], 1)
    return cells
