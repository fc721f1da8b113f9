"""The network's device decides: the same figures wherever it is, and what has to be on the CPU comes back to it."""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from kanpde import (
    KAN,
    MLP,
    Adam,
    Chebyshev,
    Dirichlet,
    Disk,
    Grids,
    MexicanHat,
    Product,
    Solution,
    SSBroyden,
    laplacian,
    solve,
)
from kanpde.cli import main
from kanpde.devices import CPU, at, device_of, normal, uniform
from kanpde.problem import Problem
from kanpde.refinement import Trained
from problems.heat import heat
from problems.inverse_heat import inverse_heat
from problems.poisson import poisson
from tests.benchmarks.devices import accelerators, solved
from tests.catalogue import ROOT

ACCELERATORS = [pytest.param(device, id=str(device)) for device in accelerators()]
ONE = [KAN([2, Product(1, rank=2)], grid=2, degree=7), KAN([2, 2, 1], basis=MexicanHat()), MLP([2, 6, 1])]


class Once:
    """No refinement."""

    def refined(self, trained: Sequence[Trained]) -> None:
        """There is no next network."""


def ends(random: torch.Generator) -> torch.Tensor:
    return torch.cat([uniform(2, random=random), normal(2, random=random)])


# --- where there is an accelerator ------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ACCELERATORS)
def test_figures_are_those_of_the_cpu(device):
    (values, error), (others, _) = solved(device), solved(CPU)
    assert error < 1e-10
    assert np.abs(values - others).max() < 1e-10


@pytest.mark.parametrize("device", ACCELERATORS)
@pytest.mark.parametrize("network", ONE, ids=repr)
def test_networks_stay_on_their_device_and_files_hold_none(network, device, tmp_path):
    problem = poisson()
    there = solve(problem, deepcopy(network).to(device), refine=Once())
    assert device_of(there.model) == device
    assert f"float64 on {device}" in str(there)
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    assert there(x=x, y=0.3).device == CPU
    assert there(x=x.to(device), y=0.3).device == device
    there.save(tmp_path / "solution.npz")
    back = Solution.load(tmp_path / "solution.npz", problem)
    assert device_of(back.model) == CPU
    np.testing.assert_allclose(back(x=x, y=0.3), there(x=x, y=0.3), atol=1e-13)


# --- anywhere ---------------------------------------------------------------------------------------------------------


def test_a_network_on_the_cpu_stays_there_whatever_torch_makes_tensors_on(tmp_path):
    """On the meta device there are no numbers: whatever is made there, and not on the network's device, is missed."""
    network = KAN([2, Product(1, rank=1)], grid=2, degree=7)
    expected = solve(heat(), network, refine=Once())
    with torch.device("meta"):
        problem = heat()
        found = solve(problem, network, refine=Once())
        assert (found(x=0.3, t=np.linspace(0, 1, 5)) == expected(x=0.3, t=np.linspace(0, 1, 5))).all()
        assert (found.errors, found.is_linear) == (expected.errors, expected.is_linear)
        assert "float64" not in str(found)
        found.to_vtk(tmp_path / "u.vtu", points=5)
        found.save(tmp_path / "u.npz")
        assert device_of(Solution.load(tmp_path / "u.npz", problem).model) == CPU
    assert device_of(found.model) == CPU


@pytest.mark.parametrize("optimizer", [Adam(iterations=1), SSBroyden(iterations=1)], ids=str)
def test_so_do_optimizers(optimizer):
    problem, network = poisson(1), MLP([1, 3, 1])
    expected = solve(problem, network, optimizer=optimizer, refine=Once())
    with torch.device("meta"):
        found = solve(problem, network, optimizer=optimizer, refine=Once())
    assert all(map(torch.equal, found.model.parameters(), expected.model.parameters()))


def test_so_do_shapes_formulas_parameters_and_finite_elements(tmp_path):
    network, narrow = (KAN([2, Product(1, rank)], grid=2, degree=7) for rank in (2, 1))
    line = KAN([1, 1], grid=4, degree=11)
    observed = inverse_heat()
    with torch.device("meta"):
        disk = Disk(x=0, y=0)
        residual = {"rim": Dirichlet(0.0, on=disk.boundary())}
        found = solve(Problem(disk, lambda u, x, y: laplacian(u, x, y) + 4, residual), network, refine=Once())
        found.plot(tmp_path / "u.png", points=9)
        assert found.cross_check(100).difference < 1e-2
        assert str(solve(poisson(1), line, refine=Grids((8,))).formula()) == "sin(pi*x)"
        assert np.isfinite(solve(observed, narrow, refine=Once()).parameters["alpha"].value)


def test_random_numbers_do_not_depend_on_the_device():
    expected = ends(torch.Generator().manual_seed(1))
    with torch.device("meta"), at(CPU):
        assert torch.equal(ends(torch.Generator().manual_seed(1)), expected)


@pytest.mark.parametrize("network", [KAN([2, 2, 1], basis=Chebyshev()), MLP([2, 4, 1])], ids=repr)
def test_a_device_without_numbers_is_an_error_before_any_work(network):
    with pytest.raises(ValueError, match="nothing can be computed in float64 on the device meta"):
        solve(poisson(), network.to("meta"))


def test_a_network_in_pieces_is_an_error_before_any_work():
    torn = nn.Sequential(MLP([2, 4]), nn.Tanh(), MLP([4, 1]).to("meta"))
    with pytest.raises(ValueError, match="the network is on cpu and meta"):
        solve(poisson(), torn)


@pytest.mark.parametrize("device", ["meta", "nowhere"])
def test_the_command_says_that_there_is_no_such_device(device, capsys):
    assert main(["solve", f"{ROOT / 'problems' / 'poisson.py'}:poisson", "--device", device]) == 2
    assert device in capsys.readouterr().err
