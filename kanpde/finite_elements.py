"""Finite elements for an equation of second order of one unknown, by Newton's method: quadratic ones on simplices.

The equation is read off the user's residual (`kanpde.linearized`) at the present iterate, whose slopes are averaged at nodes
and whose curvatures are those of the averages (O. Zienkiewicz and J. Zhu, Int. J. Numer. Methods Eng. 33, 1992). They enter
only where the equation is not linear, and there to second order in what they miss. In the weak form
−(A ∇u, ∇v) + ((b − ∇·A)·∇u + c u, v) + ⟨A ∇u·n, v⟩ = (f, v) the last term is given by conditions whose slope is along A n.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import bmat, csc_matrix
from scipy.sparse.linalg import splu

from kanpde.conditions import Integral, Periodic
from kanpde.domains import Part
from kanpde.errors import evaluated
from kanpde.field import Field
from kanpde.functions import Points
from kanpde.levels import Level
from kanpde.linearized import Jet, Matrices, Values, Vectors, linear_condition, linear_equation
from kanpde.simplices import Array, Corners

if TYPE_CHECKING:
    import skfem

Coefficients = Annotated[Array, "unknowns"]
AtNodes = Annotated[Array, "cells nodes"]  # of the rule on each cell

EXACT = 6  # the degree of polynomials that rules on cells and facets integrate exactly
STEPS = 20  # of Newton's method
SETTLED = 1e-9  # relative to the largest value or entry
SMALL_PIVOT = 1e-3  # relative to its column, below which another one is taken off the diagonal
PARALLEL = 1e-8  # a slope along the conormal, relative to it
MORE = "let it have more unknowns, as in cross_check(unknowns=100_000)"
ELLIPTIC = 1e-12  # the least eigenvalue of A, relative to the largest


def library() -> Any:
    """scikit-fem, imported only where it is used, as the only part of kanpde that needs it."""
    try:
        import skfem
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'cross_check solves by finite elements with scikit-fem, which is not installed: pip install "kanpde[fem]"',
            name=error.name,
        ) from error
    return skfem


class Space:
    """Continuous functions that are quadratic on each cell of a level, in the cell's own coordinates."""

    def __init__(self, level: Level) -> None:
        skfem = library()
        mesh, element = {
            1: (skfem.MeshLine, skfem.ElementLineP2),
            2: (skfem.MeshTri2, skfem.ElementTriP2),
            3: (skfem.MeshTet2, skfem.ElementTetP2),
        }[level.dimension]
        corners = level.dimension + 1
        if corners == 2:  # a line has no curved edges
            self.mesh = mesh(level.nodes[: level.cells[:, :corners].max() + 1].T, level.cells[:, :corners].T, sort_t=False)
        else:
            self.mesh = mesh(level.nodes.T, level.cells.T, sort_t=False)
        self.level, self.element = level, element()
        self.basis = skfem.CellBasis(self.mesh, self.element, intorder=EXACT)
        signs = np.sign(self.basis.mapping.detDF(self.basis.X))
        if (signs != signs[:, :1]).any():
            raise ValueError(f"the mesh of {level.domain} is too coarse for its curved boundary; {MORE}")
        self.nodes: Corners = np.empty((self.basis.N, level.dimension))
        self.nodes[self.basis.element_dofs] = level.nodes[level.cells.T]

    def refined_basis(self, children: Annotated[Corners, "children corners axes"]) -> "skfem.CellBasis":
        """The same functions with the rule of cells on each of the cells' pieces, one piece after the other."""
        starts, sides = children[:, :1], children[:, 1:] - children[:, :1]
        nodes = starts + np.einsum("an,cab->cnb", self.basis.X, sides)
        weights = np.tile(self.basis.W, len(children)) / len(children)
        return self._on_cells(nodes.reshape(-1, nodes.shape[-1]), weights)

    def averaged_slopes(self, u: Coefficients) -> Annotated[Array, "axes unknowns"]:
        """Means of ∇u at each node over the cells around it."""
        own = self.element.doflocs
        slopes = _interpolated(self._on_cells(own, np.ones(len(own))), u).grad
        numbers = self.basis.element_dofs.T.ravel()
        around = np.bincount(numbers, minlength=self.basis.N)
        return np.stack([np.bincount(numbers, s.ravel(), self.basis.N) / around for s in slopes])

    def rims(self, facets: NDArray[np.bool_]) -> list["Rim"]:
        """Some of the level's facets, on which a condition holds."""
        found = []
        for corner in range(self.level.dimension + 1):
            cells = self.level.owners[facets & (self.level.opposite == corner)]
            if len(cells):
                found.append(self._rim(cells, corner))
        return found

    def _rim(self, cells: NDArray[np.int64], corner: int) -> "Rim":
        """The facets of cells that are opposite of a corner."""
        skfem, dimension = library(), self.level.dimension
        corners = np.concatenate([np.zeros((1, dimension)), np.eye(dimension)])
        first, *others = np.delete(corners, corner, 0)
        unit, weights = skfem.quadrature.get_quadrature(self.element.refdom.brefdom, EXACT)
        nodes = np.tile(first, (len(weights), 1))
        for axis, other in enumerate(others):
            nodes += unit[axis][:, None] * (other - first)
        basis = self._on_cells(nodes, np.ones(len(weights)), cells)
        # by Nanson's formula n dS is det(J) J⁻ᵀ N dS, where N here is minus the slope of the corner's share
        outward = np.ones(dimension) if corner == 0 else -corners[corner]
        vectors = np.einsum("ijcn,i->jcn", basis.mapping.invDF(basis.X, tind=basis.tind), outward)
        lengths = np.linalg.norm(vectors, axis=0)
        away = self.element.doflocs @ outward
        on_facet = np.isclose(away, away.max())
        return Rim(basis, vectors / lengths, lengths * weights, np.unique(self.basis.element_dofs[on_facet][:, cells]))

    def _on_cells(
        self,
        nodes: Annotated[Corners, "nodes axes"],
        weights: Annotated[Array, "nodes"],
        cells: NDArray[np.int64] | None = None,
    ) -> "skfem.CellBasis":
        """With another rule on the cells, or on some of them."""
        quadrature = (nodes.T.copy(), weights)
        return library().CellBasis(self.mesh, self.element, quadrature=quadrature, elements=cells, disable_doflocs=True)


class Rim(NamedTuple):
    """Facets as a rule on their cells whose nodes lie on them: outward normals there, weights over those of the cells' rule,

    and numbers of the unknowns on the facets.
    """

    basis: "skfem.CellBasis"
    normals: Annotated[Array, "axes cells nodes"]
    shares: AtNodes
    unknowns: NDArray[np.integer]


def _interpolated(basis: "skfem.CellBasis", u: Coefficients) -> Any:
    return basis.interpolate(u)


def at_nodes(basis: "skfem.CellBasis", u: Coefficients) -> AtNodes:
    """The values of a function at the nodes of a rule."""
    return np.asarray(_interpolated(basis, u))


def places(basis: "skfem.CellBasis") -> Points:
    """The nodes of a basis' rule, cell by cell."""
    return _flat(np.asarray(basis.global_coordinates()))


def _flat(values: Annotated[Array, "... cells nodes"]) -> Annotated[torch.Tensor, "points ..."]:
    front = values.shape[:-2]
    return torch.from_numpy(np.moveaxis(values, (-2, -1), (0, 1)).reshape(-1, *front))


def _shaped(values: Annotated[torch.Tensor, "points ..."], basis: "skfem.CellBasis") -> Annotated[Array, "... cells nodes"]:
    shaped = values.numpy().reshape(*basis.dx.shape, *values.shape[1:])
    return np.ascontiguousarray(np.moveaxis(shaped, (0, 1), (-2, -1)))


def _jet(basis: "skfem.CellBasis", u: Coefficients, slopes: Annotated[Array, "axes unknowns"]) -> Jet:
    """A function at the nodes of a rule, with the averages of its slopes and with the slopes of those."""
    found = [_interpolated(basis, component) for component in slopes]
    curvatures = np.stack([np.asarray(slope.grad) for slope in found])
    return Jet(
        _flat(at_nodes(basis, u)),
        _flat(np.stack([np.asarray(slope) for slope in found])),
        _flat((curvatures + curvatures.swapaxes(0, 1)) / 2),
    )


class System(NamedTuple):
    """matrix · u = right for what is not held; u = values for what is; and one mean · u = number for each integral."""

    matrix: csc_matrix
    right: Coefficients
    held: Annotated[NDArray[np.bool_], "unknowns"]
    values: Coefficients
    means: Annotated[Array, "integrals unknowns"]
    numbers: Annotated[Array, "integrals"]

    def solved(self) -> Coefficients:
        free, u = np.flatnonzero(~self.held), np.where(self.held, self.values, 0.0)
        right = np.concatenate([(self.right - self.matrix @ u)[free], self.numbers - self.means @ u])
        matrix = self.matrix[free][:, free].tocsc()
        if len(self.means):
            means = csc_matrix(self.means[:, free])
            factors = splu(matrix := csc_matrix(bmat([[matrix, means.T], [means, None]])))
        else:  # rows and columns of finite elements meet alike, so that one order serves both
            options = {"SymmetricMode": True}
            factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=SMALL_PIVOT, options=options)
        found = factors.solve(right)
        found += factors.solve(right - matrix @ found)
        u[free] = found[: len(free)]
        return u

    def is_close(self, other: "System") -> bool:
        return all(
            abs(one - two).max() <= SETTLED * abs(one).max()
            for one, two in ((self.matrix, other.matrix), (self.values, other.values), (self.means, other.means))
            if one.size
        )

    def leaves_a_constant(self) -> bool:
        if self.held.any() or len(self.means):
            return False
        return bool(np.abs(self.matrix.sum(1)).max() <= SETTLED * abs(self.matrix).max())


def solved(field: Field, level: Level) -> tuple[Space, Coefficients]:
    """The solution of the field's problem in the space of a level; Newton's method starts from the field."""
    space = Space(level)
    (name,) = field.problem.unknowns
    u = evaluated(lambda x: field(**x), torch.from_numpy(space.nodes), field)[name][:, 0].numpy()
    parts, seam = parts_of(field, level), _seam(field, space)
    before: System | None = None
    for _ in range(STEPS):
        system = assembled(field, space, parts, u)
        system = system if seam is None else _joined(system, seam)
        if system.leaves_a_constant():
            raise ValueError(
                "equation and conditions leave a constant free, which finite elements need to know: prescribe the value "
                "somewhere, or the mean by Integral(…)"
            )
        if before is not None and system.is_close(before):
            return space, u
        before, last, u = system, u, system.solved()
        u = u if seam is None else seam @ u
        if not np.isfinite(u).all():
            break
        if np.abs(u - last).max() <= SETTLED * np.abs(u).max():
            return space, u
    raise RuntimeError(
        f"Newton's method for finite elements, which starts from the solution, did not settle in {STEPS} steps: either the "
        "solution is far from one of the equations, or these have no unique one beside it; look at errors.estimate"
    )


def parts_of(field: Field, level: Level) -> dict[str, NDArray[np.bool_]]:
    """By condition the facets that it holds on: one condition on each, but where the domain is periodic."""
    problem, sites, found = field.problem, torch.from_numpy(level.sites), {}
    counts = np.zeros(len(sites), dtype=int)
    for name, part in problem.parts.items():
        condition = problem.conditions[name]
        if isinstance(condition, Periodic):
            for side in (0, 1):
                counts += problem.domain.touches((condition.axis, side), sites).numpy()
        elif isinstance(part, Part):
            found[name] = part.contains(sites).numpy()
            counts += found[name]
    for wrong, what in ((counts == 0, "no condition"), (counts > 1, "several conditions")):
        if wrong.any():
            place = ", ".join(f"{n}={v:.4g}" for n, v in zip(level.domain.names, level.sites[wrong][0], strict=True))
            raise ValueError(
                f"the boundary has {what} at {place}, but an equation of second order takes one everywhere: cross_check "
                "needs a Dirichlet, Neumann or Robin condition on each part of it"
            )
    return found


def _seam(field: Field, space: Space) -> csc_matrix | None:
    """All values at nodes from those that periodic conditions leave free."""
    problem, nodes = field.problem, space.nodes.copy()
    axes = [problem.domain.names.index(c.axis) for c in problem.conditions.values() if isinstance(c, Periodic)]
    if not axes:
        return None
    doubles = np.zeros(len(nodes), dtype=bool)
    for axis in axes:
        low, high = problem.domain.axes[problem.domain.names[axis]]
        far = nodes[:, axis] == high
        nodes[far, axis] = low
        doubles |= far
    size = np.ptp(space.nodes, axis=0).max()
    _, numbers = np.unique(np.round(nodes / (SETTLED * size)), axis=0, return_inverse=True)
    count = int(numbers.max()) + 1
    if count != np.count_nonzero(~doubles):
        raise ValueError(f"the mesh of {problem.domain} differs on either side of a seam; cross_check cannot join it")
    return csc_matrix((np.ones(len(nodes)), (np.arange(len(nodes)), numbers.reshape(-1))), (len(nodes), count))


def _joined(system: System, seam: csc_matrix) -> System:
    """Among the values that a seam leaves free; what is held on both sides is held at their mean."""
    held = (seam.T @ system.held) > 0
    values = (seam.T @ system.values) / np.maximum(seam.T @ system.held.astype(float), 1)
    matrix = (seam.T @ system.matrix @ seam).tocsc()
    return System(matrix, seam.T @ system.right, held, values, system.means @ seam, system.numbers)


def assembled(field: Field, space: Space, parts: Mapping[str, NDArray[np.bool_]], u: Coefficients) -> System:
    """Of the problem linearized at u, with conditions on the facets that are theirs."""
    skfem, basis, problem, slopes = library(), space.basis, field.problem, space.averaged_slopes(u)
    inside, jet = places(basis), _jet(basis, u, slopes)
    equation = linear_equation(field, inside, jet)
    _check_elliptic(equation.second)
    second, first, zeroth, right = (_shaped(part, basis) for part in equation)
    matrix = skfem.BilinearForm(_operator).assemble(basis, second=second, first=first, zeroth=zeroth)
    vector = skfem.LinearForm(_source).assemble(basis, right=right)
    held, values = np.zeros(basis.N, dtype=bool), np.zeros(basis.N)
    # where two meet the first counts, and one that has given way to another last
    for name in sorted(parts, key=lambda n: n in problem.yielding):
        for rim in space.rims(parts[name]):
            along, normals, edge = places(rim.basis), _flat(rim.normals), _jet(rim.basis, u, slopes)
            condition = linear_condition(field, name, along, normals, edge)
            if not condition.first.any():
                numbers = rim.unknowns[~held[rim.unknowns]]
                held[numbers], values[numbers] = True, _held_values(field, name, space, numbers, u)
                continue
            conormals = (linear_equation(field, along, edge).second @ normals[:, :, None])[:, :, 0]
            share = _share_of_flux(name, conormals, condition.first)
            zeroth, right = (-rim.shares * _shaped(share * part, rim.basis) for part in (condition.zeroth, condition.right))
            matrix = matrix + skfem.BilinearForm(_exchange).assemble(rim.basis, zeroth=zeroth)
            vector = vector + skfem.LinearForm(_source).assemble(rim.basis, right=right)
    means, numbers = [np.empty((0, basis.N))], []
    for name, condition in problem.conditions.items():
        if isinstance(condition, Integral):
            mean = linear_condition(field, name, inside, torch.zeros_like(inside), jet)
            zeroth, first, right = (_shaped(part, basis) for part in mean)
            means.append(skfem.LinearForm(_mean).assemble(basis, zeroth=zeroth, first=first)[None])
            numbers.append(float((right * basis.dx).sum()))
    return System(csc_matrix(matrix), vector, held, values, np.concatenate(means), np.array(numbers))


def _held_values(field: Field, name: str, space: Space, numbers: NDArray[np.integer], u: Coefficients) -> Coefficients:
    """What a condition without slopes prescribes at nodes."""
    at = torch.from_numpy(space.nodes[numbers])
    flat = torch.zeros(*at.shape, at.shape[1], dtype=torch.float64)
    jet = Jet(torch.from_numpy(u[numbers]), torch.zeros_like(at), flat)
    found = linear_condition(field, name, at, torch.zeros_like(at), jet)
    return (found.right / found.zeroth).numpy()


def _share_of_flux(name: str, conormals: Vectors, slopes: Vectors) -> Values:
    """s where A n = s w, for a condition that prescribes w·∇u."""
    share = (conormals * slopes).sum(1) / slopes.square().sum(1)
    if not ((conormals - share[:, None] * slopes).norm(dim=1) <= PARALLEL * conormals.norm(dim=1)).all():
        raise ValueError(
            f"condition {name!r} prescribes a slope that is not along the flux of the equation, the conormal A n where its "
            "second derivatives are A:D²u; finite elements take it there: give the flux itself by a "
            "Condition(lambda …, normal: …), or values"
        )
    return share


def _check_elliptic(second: Matrices) -> None:
    found = torch.linalg.eigvalsh(second)
    found = found if found.sum() > 0 else -found
    if not found.min() > ELLIPTIC * found.max():
        raise ValueError(
            "the equation is not elliptic everywhere: its second derivatives have coefficients with eigenvalues of both signs, "
            "or zero; cross_check takes steady equations such as −∇·(k ∇u) + b·∇u + c u = f with k > 0"
        )


def _operator(u: Any, v: Any, w: Any) -> AtNodes:
    flux = np.einsum("ij...,j...->i...", w.second, u.grad)
    return np.einsum("i...,i...", w.first, u.grad) * v + w.zeroth * u * v - np.einsum("i...,i...", flux, v.grad)


def _mean(v: Any, w: Any) -> AtNodes:
    return w.zeroth * v + np.einsum("i...,i...", w.first, v.grad)


def _exchange(u: Any, v: Any, w: Any) -> AtNodes:
    return w.zeroth * u * v


def _source(v: Any, w: Any) -> AtNodes:
    return w.right * v
