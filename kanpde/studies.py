"""Convergence studies: one problem on finer and finer grids, or with larger and larger networks."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from math import inf, log
from pathlib import Path

from torch import nn

from kanpde.export import whole_file
from kanpde.networks import KAN
from kanpde.plot import plot_scaling
from kanpde.problem import Problem
from kanpde.refinement import Grids
from kanpde.sampling import CompositeGauss, Graded, Sampler
from kanpde.solution import Solution
from kanpde.solver import default_network, solve
from kanpde.sweeps import together

FEWEST_NODES = 4  # of a cell, of the rule that ‖r‖ is integrated by
MOST_AXES = 2  # that such a rule is affordable on


@dataclass(frozen=True)
class Row:
    """One network. `effectivity` is the estimate over the error; errors are those of `Errors`, None without an exact solution.

    `estimate` is None, too, where it knows nothing of more than half of the residual, as it is noise then. `order` is how fast
    the error falls, without an exact solution its estimate, without those the residual, since the row before: in 1/grid where
    grids are refined, else in 1/coefficients.
    """

    network: str
    grid: int | None
    coefficients: int
    residual: float
    relative_l2: float | None
    relative_h1: float | None
    max: float | None
    estimate: float | None
    effectivity: float | None
    order: float | None
    seconds: float


@dataclass(frozen=True)
class Study:
    """What a convergence study found: `print(study)`, `to_csv`, `to_latex`, `plot`; the solutions themselves are kept."""

    rows: tuple[Row, ...]
    solutions: tuple[Solution, ...]

    def __str__(self) -> str:
        lines = [[_heading(name) for name in COLUMNS], *([_figure(v) for v in astuple(row)[1:]] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(" ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)

    def to_csv(self, path: str | Path) -> None:
        """All digits, one line for each network."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([field.name for field in fields(Row)])
        writer.writerows([astuple(row) for row in self.rows])
        with whole_file(path, (".csv",)) as temporary:
            Path(temporary).write_text(text.getvalue())

    def to_latex(self) -> str:
        """A table for the package booktabs."""
        body = [" & ".join(_in_latex(v) for v in astuple(row)[1:]) for row in self.rows]
        head = " & ".join(_heading(name) for name in COLUMNS)
        lines = [f"\\begin{{tabular}}{{{'r' * len(COLUMNS)}}}", "\\toprule", head + r" \\", "\\midrule"]
        return "\n".join([*lines, *(line + r" \\" for line in body), "\\bottomrule", "\\end{tabular}"])

    def plot(self, path: str | Path, name: str = "KAN", slope: float | None = None, **others: "Study") -> None:
        """Draw errors (estimates without an exact solution) against coefficients, with those of other studies by name.

        `slope` is that of a dashed line to compare with: the KAN paper's law is coefficients^−(degree + 1) on one axis.
        """
        curves = {n: study.curve for n, study in {name: self, **others}.items()}
        plot_scaling(path, {n: curve for n, curve in curves.items() if curve}, slope)

    @property
    def curve(self) -> list[tuple[int, float]]:
        """Coefficients and errors, or estimates of them, where there are any."""
        found = [(row.coefficients, row.relative_l2 or row.estimate) for row in self.rows]
        return [(size, error) for size, error in found if error]


COLUMNS = [field.name for field in fields(Row)][1:]


def convergence_study(
    problem: Problem,
    networks: KAN | Sequence[nn.Module] | None = None,
    grids: Sequence[int] = (4, 8, 16, 32),
    *,
    sampler: Sampler | None = None,
    max_seconds: float | None = None,
    seed: int = 0,
    jobs: int = 1,
) -> Study:
    """Solve a problem on one grid after the other, each from the solution before; or with one network after the other.

    Parameters
    ----------
    networks: a KAN, by default that of `solve`, which goes through `grids`; or several networks, such as MLPs of growing width,
        each trained from its own start.
    sampler: by default, where a KAN of one layer has one or two axes, the composite Gauss rule on its spans, so that what is
        minimized is the integral of the equations' r² and the order of the splines shows; elsewhere `Graded()`.
    max_seconds: for each row.
    jobs: how many of several networks are trained at once, by processes that share the cores.

    Raises ValueError or TypeError before any work if there are no such problem, networks, grids or jobs.
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"convergence_study takes a Problem, not {problem!r}; call the factory: convergence_study(poisson())")

    def solved(network: nn.Module) -> Solution:
        own = sampler or _rule(problem, network)
        refine = Grids((network.grid,)) if isinstance(network, KAN) else Grids(())
        return solve(problem, network, refine=refine, sampler=own, max_seconds=max_seconds, seed=seed, progress=False)

    if networks is None or isinstance(networks, nn.Module):
        if jobs != 1:
            raise ValueError(f"jobs={jobs!r}; grids begin with the solution before, one after the other: give several networks")
        solutions = [*_refined(_first(problem, networks, grids, seed), grids, solved)]
    else:
        several = _several(networks)
        found = dict(together({number: partial(solved, network) for number, network in enumerate(several)}, jobs))
        solutions = [found[number] for number in sorted(found)]
    rows: list[Row] = []
    for solution in solutions:
        rows.append(_row(solution, rows[-1] if rows else None))
    return Study(tuple(rows), tuple(solutions))


def _several(networks: object) -> Sequence[nn.Module]:
    if not isinstance(networks, Sequence) or not networks or not all(isinstance(each, nn.Module) for each in networks):
        raise TypeError(
            f"networks={networks!r}; give a KAN, or a list of one or more networks, as in [MLP([2, n, 1]) for n in (4, 8)]"
        )
    return networks


def _first(problem: Problem, given: nn.Module | None, grids: Sequence[int], seed: int) -> KAN:
    first = default_network(problem, True, seed) if given is None else given
    if not isinstance(first, KAN):
        raise TypeError(f"networks={given!r}; give a KAN, whose grids are refined, or a list of networks")
    numbers = isinstance(grids, Sequence) and len(grids) > 0 and all(isinstance(n, int) and n > 0 for n in grids)
    if not numbers or sorted(set(grids)) != list(grids):
        raise ValueError(f"grids={grids!r}; give numbers of spans, each larger than the one before, as in (4, 8, 16)")
    if grids[0] % first.grid:
        raise ValueError(
            f"grids={grids!r} begin with {grids[0]}, which is no multiple of the grid of {first!r}; start with one"
        )
    return first


def _refined(first: KAN, grids: Sequence[int], solved: Callable[[nn.Module], Solution]) -> Iterator[Solution]:
    network = first.refined(grids[0])
    for grid in grids:
        solution = solved(network if grid == grids[0] else network.adapted().refined(grid))
        network = solution.model
        yield solution


def _rule(problem: Problem, network: nn.Module) -> Sampler:
    if not isinstance(network, KAN) or len(network.layers) > 1 or problem.domain.dimension > MOST_AXES:
        return Graded()
    return CompositeGauss(network.grid, max(FEWEST_NODES, (network.degree or 0) // 2 + 1))


def _row(solution: Solution, before: Row | None) -> Row:
    stage = solution.history[-1]
    errors, error = stage.errors, stage.errors.relative_l2
    effectivity = errors.trusted / error if errors.trusted is not None and error else None
    row = Row(
        stage.network, stage.grid, stage.size, stage.residual, error, errors.relative_h1, errors.max, errors.trusted,
        effectivity, None, stage.seconds,
    )  # fmt: skip
    return row if before is None else Row(**{**vars(row), "order": _order(before, row)})


def _order(before: Row, row: Row) -> float | None:
    finer = (row.coefficients / before.coefficients) if row.grid is None or before.grid is None else row.grid / before.grid
    pairs = [(before.relative_l2, row.relative_l2), (before.estimate, row.estimate), (before.residual, row.residual)]
    one, other = next((a, b) for a, b in pairs if a is not None and b is not None)
    return log(one / other) / log(finer) if finer > 1 and 0 < one < inf and 0 < other < inf else None


def _heading(name: str) -> str:
    return {"relative_l2": "rel. L2", "relative_h1": "rel. H1"}.get(name, name)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.2f}" if 0.01 <= abs(value) < 1e4 else f"{value:.1e}"


def _in_latex(value: float | None) -> str:
    figure = _figure(value)
    mantissa, exponent, power = figure.partition("e")
    return rf"${mantissa} \cdot 10^{{{int(power)}}}$" if exponent else "--" if value is None else f"${figure}$"
