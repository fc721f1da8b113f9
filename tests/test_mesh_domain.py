"""Domains from mesh files: what is written is read back, with names, curved edges, normals and fair shares of points."""

from math import pi
from pathlib import Path

import meshio
import numpy as np
import pytest
import torch

from kanpde import (
    Ball,
    Box,
    Condition,
    Dirichlet,
    Disk,
    MeshDomain,
    Neumann,
    Polygon,
    Problem,
    Sobol,
    diff,
    div,
    laplacian,
    solve,
)
from kanpde.domains import Domain, Part
from kanpde.field import Field
from kanpde.functions import columns
from kanpde.meshes import mesh
from kanpde.simplices import elevated, rims
from kanpde.solver import default_network

L = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
frame = Polygon([(0, 0), (3, 0), (3, 2), (0, 2)], holes=[[(1, 0.5), (2, 0.5), (2, 1.5), (1, 1.5)]])
brick = Box(x=(0, 1), y=(0, 2), z=(0, 3))
square = Box(x=(0, 1), y=(0, 1))

# Gmsh 4.1, text: the unit square in two triangles, "west" at x = 0, nothing said of the other sides
SQUARE = """$MeshFormat
4.1 0 8
$EndMeshFormat
$PhysicalNames
2
1 7 "west"
2 9 "all of it"
$EndPhysicalNames
$Entities
0 1 1 0
1 0 0 0 0 1 0 1 7 0
1 0 0 0 1 1 0 1 9 1 1
$EndEntities
$Nodes
1 4 1 4
2 1 0 4
1
2
3
4
0 0 0
1 0 0
1 1 0
0 1 0
$EndNodes
$Elements
2 3 1 3
1 1 1 1
1 4 1
2 1 2 2
2 1 2 3
3 1 3 4
$EndElements
"""


def sobol(count: int, dimension: int) -> torch.Tensor:
    return Sobol().unit(count, dimension, seed=0)


def outside(cells):
    """Facets of one cell only."""
    facets = np.sort(rims(cells)[0], 1)
    unique, counts = np.unique(facets, axis=0, return_counts=True)
    return unique[counts == 1]


def write(path: Path, points, blocks, tags=(), names=None, name="gmsh:physical") -> Path:
    """Cells by kind, and numbers of the groups of each."""
    data = {name: [np.asarray(t, np.int32) for t in tags]} if len(tags) else {}
    fields = {label: np.array(number) for label, number in (names or {}).items()}
    points = np.pad(points, ((0, 0), (0, 3 - points.shape[1])))
    if path.suffix == ".msh":
        data["gmsh:geometrical"] = data.get(name, [np.ones(len(cells), np.int32) for _, cells in blocks])
        meshio.write_points_cells(path, points, blocks, cell_data=data, field_data=fields, file_format="gmsh22", binary=False)
    else:
        meshio.write_points_cells(path, points, blocks, cell_data=data)
    return path


def tagged_L(path: Path) -> Path:
    """Of 1 the edges at x = -1, of 2 the others; 5 are the cells."""
    points, cells = mesh(L, 9)
    facets = outside(cells)
    west = (points[facets, 0] == -1).all(1)
    groups = [np.full(len(cells), 5), np.where(west, 1, 2)]
    names = {"west": (1, 1), "rest": (2, 1), "steel": (5, 2)}
    return write(path, points, [("triangle", cells), ("line", facets)], groups, names)


def curved_disk(path: Path) -> Path:
    """Triangles of second order whose edges follow the unit circle."""
    points, cells = mesh(Disk(x=0, y=0), 9)
    points, (cells, facets) = elevated(points, cells, outside(cells))
    points[facets] /= np.linalg.norm(points[facets], axis=2, keepdims=True)
    return write(path, points, [("triangle6", cells), ("line3", facets)], [np.ones(len(cells)), np.full(len(facets), 3)])


def tagged_brick(path: Path) -> Path:
    points, cells = mesh(brick, 4)
    facets = outside(cells)
    bottom = (points[facets, 2] == 0).all(1)
    return write(path, points, [("tetra", cells), ("triangle", facets)], [np.zeros(len(cells)), np.where(bottom, 4, 6)])


def surface(path: Path, domain: Domain, count: int) -> Path:
    """The triangles around a domain, half of them turned the wrong way."""
    points, cells = mesh(domain, count)
    facets = outside(cells)
    facets[::2] = facets[::2, ::-1]
    return write(path, points, [("triangle", facets)])


def plain_frame(path: Path) -> Path:
    points, cells = mesh(frame, 13)
    return write(path, points, [("triangle", cells)])


SHAPES = {
    "L, Gmsh": (tagged_L, "L.msh", L, 1e-12),
    "L, VTU": (tagged_L, "L.vtu", L, 1e-12),
    "L, VTK": (tagged_L, "L.vtk", L, 1e-12),
    "frame": (plain_frame, "frame.vtu", frame, 1e-12),
    "curved disk": (curved_disk, "disk.vtu", Disk(x=0, y=0), 1e-5),
    "brick": (tagged_brick, "brick.vtu", brick, 1e-12),
    "surface of a brick": (lambda path: surface(path, brick, 3), "brick.stl", brick, 1e-6),
    "surface of a ball": (lambda path: surface(path, Ball(x=0, y=0, z=0), 13), "ball.stl", None, None),
}


@pytest.fixture(scope="module", params=SHAPES, name="case")
def _case(request, tmp_path_factory):
    make, name, exact, loss = SHAPES[request.param]
    return MeshDomain(make(tmp_path_factory.mktemp("mesh") / name)), exact, loss


def test_measure_and_axes(case):
    domain, exact, loss = case
    if exact is None:
        assert domain.measure == pytest.approx(4 / 3 * pi, rel=0.06)
        return
    assert domain.names == exact.names
    assert domain.measure == pytest.approx(exact.measure, rel=loss)
    assert torch.allclose(domain.low, exact.low, atol=1e-4)
    assert torch.allclose(domain.high, exact.high, atol=1e-4)
    assert sum(map(domain.face_measure, domain.faces)) == pytest.approx(sum(map(exact.face_measure, exact.faces)), rel=2 * loss)


def test_gauss_theorem(case):
    """The integral of a divergence is the flux through all faces: measures, points and normals fit together."""
    domain, _, _ = case
    x = columns(domain.points(sobol(2**14, domain.dimension)), domain.names)

    def vector(x):
        return [torch.sin(sum(x.values()) / (k + 1)) + c**2 for k, c in enumerate(x.values())]

    inside = domain.measure * div(vector(x), *x.values()).mean().item()
    flux, around = 0.0, 0.0
    for face in domain.faces:
        points, normals = Part(domain, (face,)).sample(sobol(2**14, domain.dimension))
        area = domain.face_measure(face)
        flux += area * (torch.cat(vector(columns(points, domain.names)), 1) * normals).sum(1).mean().item()
        around += area * (points * normals).sum(1).mean().item()
    assert inside == pytest.approx(flux, abs=6e-3 * sum(map(domain.face_measure, domain.faces)))
    assert around == pytest.approx(domain.dimension * domain.measure, rel=1e-2)


def test_points_and_normals(case):
    domain, exact, _ = case
    points = domain.points(sobol(2**11, domain.dimension))
    assert len(points) == pytest.approx(domain.share * 2**11, rel=0.03)
    assert domain.contains(points).all()
    step = 1e-5 * (domain.high - domain.low).max()
    for face in domain.faces:
        at, normals = Part(domain, (face,)).sample(sobol(2**9, domain.dimension))
        assert torch.allclose(normals.norm(dim=1), torch.ones(len(at)).double())
        assert domain.touches(face, at).all()
        assert domain.contains(at).all()
        # but for corners, one side is inside and the other is not
        assert domain.contains(at - step * normals).double().mean() > 0.99
        assert domain.contains(at + step * normals).double().mean() < 0.01
        assert not domain.touches(face, at + step * normals).any()
    if exact is not None:
        box = domain.low - 0.1 + (domain.high - domain.low + 0.2) * sobol(2**13, domain.dimension)
        assert (domain.contains(box) != exact.contains(box)).double().mean() < 1e-3


def test_points_are_uniform(case):
    """First and second moments are those of points of the bounding box that lie inside."""
    domain, _, _ = case
    box = domain.low + (domain.high - domain.low) * sobol(2**14, domain.dimension)
    box = box[domain.contains(box)]
    points = domain.points(sobol(2**13, domain.dimension))
    size = (domain.high - domain.low).max().item()
    assert torch.allclose(points.mean(0), box.mean(0), atol=5e-3 * size)
    assert torch.allclose(points.T.cov(), box.T.cov(), atol=5e-3 * size**2)


def test_meshes_for_pictures_are_those_of_the_file(case):
    domain, _, _ = case
    points, cells = mesh(domain, 25 if domain.dimension == 2 else 9)
    volumes = np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]]) / (2 if domain.dimension == 2 else 6)
    assert (volumes > 0).all()
    assert volumes.sum() == pytest.approx(domain.measure, rel=1e-2)
    assert domain.contains(torch.from_numpy(points)).all()


def test_names(tmp_path):
    domain = MeshDomain(tagged_L(tmp_path / "L.msh"))
    assert set(domain.faces) == {"west", "rest"}
    points, normals = domain.boundary("west").sample(sobol(64, 2))
    assert (points[:, 0] == -1).all()
    assert (normals == torch.tensor([-1.0, 0.0])).all()
    assert domain.face_measure("west") == pytest.approx(2)
    assert domain.boundary().faces == domain.faces
    assert MeshDomain(tagged_L(tmp_path / "L.vtu")).faces == ("1", "2")
    assert domain == MeshDomain(tagged_L(tmp_path / "again.msh"))
    assert domain != MeshDomain(tmp_path / "L.msh", names=("r", "z"))
    assert MeshDomain(tmp_path / "L.msh", names=("r", "z")).names == ("r", "z")
    assert len(domain.meetings("west", "rest", sobol(16, 2))) == 2


def test_gmsh_4(tmp_path):
    (tmp_path / "square.msh").write_text(SQUARE)
    domain = MeshDomain(tmp_path / "square.msh")
    assert set(domain.faces) == {"west", "untagged"}
    assert domain.face_measure("west") == pytest.approx(1)
    assert domain.face_measure("untagged") == pytest.approx(3)
    with pytest.raises(ValueError, match=r"'all of it' names cells of .*, not a part of its boundary; .* west"):
        domain.boundary("all of it")


def test_curved_edges(tmp_path):
    """Quadratic edges are a thousand times nearer to a circle than their chords."""
    rim = MeshDomain(curved_disk(tmp_path / "disk.vtu")).boundary("3")
    points, normals = rim.sample(sobol(2**10, 2))
    assert (points.norm(dim=1) - 1).abs().max() < 3e-5
    assert (normals - points).abs().max() < 2e-3


def test_vanishing_functions(tmp_path):
    """Known on straight sides that no other face shares, with the mesh on one side."""
    domain = MeshDomain(tagged_L(tmp_path / "L.msh"))
    x = columns(domain.points(sobol(256, 2)), domain.names)
    assert torch.allclose(domain.vanishing(["west"])[0](x), (x["x"] + 1) / 2)
    assert domain.vanishing(["west", "rest"]) is None
    points, cells = mesh(square, 5)
    facets = outside(cells)
    middles = points[facets].mean(1)
    # the side y = 0 has two parts: what vanishes on one would vanish on the other
    groups = np.select([(middles[:, 1] == 0) & (middles[:, 0] < 0.5), middles[:, 1] == 0, middles[:, 1] == 1], [1, 2, 3], 4)
    path = write(tmp_path / "split.vtu", points, [("triangle", cells), ("line", facets)], [np.zeros(len(cells)), groups])
    split = MeshDomain(path)
    assert [split.vanishing([face]) is not None for face in ("1", "2", "3", "4")] == [False, False, True, False]
    solid = MeshDomain(tagged_brick(tmp_path / "brick.vtu"))
    x = columns(solid.points(sobol(64, 3)), solid.names)
    assert torch.allclose(solid.vanishing(["4"])[0](x), x["z"] / 3)


def test_products_and_differences(tmp_path):
    domain = MeshDomain(tagged_L(tmp_path / "L.msh"))
    moving = domain * Box(t=(0, 2))
    assert moving.measure == pytest.approx(6)
    assert moving.contains(moving.points(sobol(256, 3))).all()
    points, normals = moving.own(domain.boundary("west")).sample(sobol(256, 3))
    assert (points[:, 0] == -1).all()
    assert (normals == torch.tensor([-1.0, 0.0, 0.0])).all()
    assert len(moving.boundary().faces) == 2
    disk = Disk(x=-0.5, y=0.5, radius=0.3)
    pierced = domain - disk
    assert pierced.measure == pytest.approx(3 - pi * 0.09, rel=2e-3)
    assert pierced.own(domain.boundary("west")) is not None
    assert (domain & disk).measure == pytest.approx(pi * 0.09, rel=3e-3)


def test_quads_and_flat_axes(tmp_path):
    """Quads are cut in two; an axis along which nothing extends is dropped, whichever it is."""
    points = np.array([[0, 7, 0], [2, 7, 0], [2, 7, 1], [0, 7, 1.0]])
    domain = MeshDomain(write(tmp_path / "quad.vtu", points, [("quad", np.array([[0, 1, 2, 3]]))]))
    assert domain.axes == {"x": (0.0, 2.0), "z": (0.0, 1.0)}
    assert domain.measure == pytest.approx(2)
    assert domain.faces == ("boundary",)


def sine(x, y):
    return torch.sin(pi * x) * torch.sin(pi * y)


def poisson(domain) -> Problem:
    return Problem(
        domain,
        lambda u, x, y: laplacian(u, x, y) + 2 * pi**2 * sine(x, y),
        {"walls": Dirichlet(0.0, on=domain.boundary())},
    )


def test_solution_on_a_mesh_of_a_square_is_that_on_the_square(tmp_path):
    points, cells = mesh(square, 5)
    facets = outside(cells)
    middles = points[facets].mean(1)
    groups = np.select([middles[:, 0] == 0, middles[:, 0] == 1, middles[:, 1] == 0], [1, 2, 3], 4)
    path = write(tmp_path / "square.msh", points, [("triangle", cells), ("line", facets)], [np.full(len(cells), 8), groups])
    domain = MeshDomain(path)
    solution, other = (solve(poisson(d), tol=1e-11, progress=False) for d in (domain, square))
    x, y = square.points(sobol(256, 2)).T
    assert solution.field.hard == ("walls",)
    assert abs(solution(x=x, y=y) - other(x=x, y=y)).max() < 1e-10
    solution.to_vtk(tmp_path / "solution.vtu", points=9)
    again = MeshDomain(tmp_path / "solution.vtu")  # with all groups
    assert again.faces == domain.faces == ("1", "2", "3", "4")
    assert again.measure == pytest.approx(1)
    assert set(meshio.read(tmp_path / "solution.vtu").cell_data["gmsh:physical"][0]) == {8}


def test_conditions_see_normals(tmp_path):
    """∂u/∂n by hand is what Neumann takes, on any shape, and is built in where Neumann is."""

    def slope(u, x, y, normal):
        nx, ny = normal
        return nx * diff(u, x) + ny * diff(u, y)

    domain = MeshDomain(tagged_L(tmp_path / "L.msh"))
    known = Known(domain)
    for part in (domain.boundary(), Disk(x=0, y=0).boundary()):
        points, normals = part.sample(sobol(128, 2))
        by_hand = Condition(slope, on=part).rows(known, points, normals)
        assert torch.allclose(by_hand, Neumann(0.0, on=part, of="u").rows(known, points, normals))
    conditions = {
        "walls": Dirichlet(0.0, on=square.boundary("x")),
        "floor": Dirichlet(0.0, on=square.at(y=0)),
        "floor slope": Condition(lambda u, x, y, normal: slope(u, x, y, normal) - torch.sin(pi * x) ** 2, on=square.at(y=0)),
        "roof": Dirichlet(0.0, on=square.at(y=1)),
        "roof slope": Condition(lambda u, x, y, normal: slope(u, x, y, normal) - torch.sin(pi * x) ** 2, on=square.at(y=1)),
        "wall slopes": Neumann(0.0, on=square.boundary("x")),
    }
    plate = Problem(square, lambda u, x, y: laplacian(laplacian(u, x, y), x, y), conditions)
    # slopes of one size at both ends of a side: their lift has both signs of the normal
    field = Field(plate, default_network(plate, True, 0))
    assert {"floor slope", "roof slope"} <= set(field.hard)


class Known:
    """A known function where a network would be."""

    def __init__(self, domain: Domain) -> None:
        self.box = domain

    def __call__(self, points):
        x = columns(points, self.box.names)
        return {"u": torch.sin(x["x"]) * torch.exp(2 * x["y"])}, x


TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]])
ONE = [("triangle", np.array([[0, 1, 2]]))]


def open_surface(path: Path) -> Path:
    points, cells = mesh(brick, 3)
    return write(path, points, [("triangle", outside(cells)[1:])])


def inner_line(path: Path) -> Path:
    """A group between the two triangles of a square."""
    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    blocks = [("triangle", np.array([[0, 1, 2], [0, 2, 3]])), ("line", np.array([[0, 2], [0, 1]]))]
    return write(path, points, blocks, [[5, 5], [1, 2]], {"seam": (1, 1), "floor": (2, 1)})


def garbage(path: Path) -> Path:
    path.write_text("no mesh")
    return path


def two_arrays(path: Path) -> Path:
    meshio.write_points_cells(path, TRIANGLE, ONE, cell_data={"a": [np.array([1])], "b": [np.array([1])]})
    return path


@pytest.mark.parametrize(
    ("name", "make", "use", "message"),
    [
        ("none.msh", lambda path: path, None, "there is no mesh file .*none.msh"),
        ("mesh.txt", garbage, None, "mesh.txt has the suffix '.txt', of no mesh that meshio reads; it reads .*.vtu"),
        ("mesh.msh", garbage, None, "mesh.msh is no mesh that meshio can read .* check that it is whole"),
        ("mesh.vtu", garbage, None, "mesh.vtu is no mesh that meshio can read"),
        ("line.vtu", lambda p: write(p, TRIANGLE, [("line", np.array([[0, 1]]))]), None, "has line, but no triangles or tetra"),
        ("flat.vtu", lambda p: write(p, TRIANGLE * [1, 0, 0], ONE), None, "all points of flat.vtu lie on a line"),
        ("nan.vtu", lambda p: write(p, TRIANGLE * [1, 1, np.nan], ONE), None, "nan.vtu has 3 points that are not finite"),
        (
            "hex.vtu",
            lambda p: write(p, np.random.default_rng(0).random((8, 3)), [("hexahedron", np.arange(8)[None])]),
            None,
            "cells of the kinds hexahedron; kanpde takes triangles and tetrahedra",
        ),
        ("open.stl", open_surface, None, r"the surface in open.stl is not closed: 3 edges .* near x=.* close its holes"),
        ("two.vtu", two_arrays, None, "several arrays of whole numbers, a, b; say by tags="),
        ("two.vtu", two_arrays, lambda p: MeshDomain(p, tags="c"), "no array 'c' of whole numbers.*; it has a, b"),
        (
            "one.vtu",
            lambda p: write(p, TRIANGLE, ONE),
            lambda p: MeshDomain(p, names="xyz"),
            "has 2 axes, so give a name for each",
        ),
        (
            "one.vtu",
            lambda p: write(p, TRIANGLE, ONE),
            lambda p: MeshDomain(p).boundary("inlet"),
            "gives no names to its boundary, so it has no part 'inlet'; in Gmsh add physical groups",
        ),
        ("L.msh", tagged_L, lambda p: MeshDomain(p).boundary("inlet"), "no boundary part 'inlet'; its parts are west, rest"),
        ("L.msh", tagged_L, lambda p: MeshDomain(p).boundary("steel"), "'steel' names cells of .*; the parts of that are west"),
        ("seam.msh", inner_line, lambda p: MeshDomain(p).boundary("seam"), "'seam' lies inside of .*, between cells"),
        ("L.msh", tagged_L, lambda p: MeshDomain(p).at(x=-1), "no flat faces across x"),
    ],
)
def test_impossible_meshes_are_refused(tmp_path, name, make, use, message):
    path = make(tmp_path / name)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        (use or MeshDomain)(path)
