"""Work on points takes memory that does not grow with their number, but for what is kept for each of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kanpde import KAN, Chebyshev, Product, chunks
from kanpde.field import Field
from problems.poisson import poisson
from tests.catalogue import ROOT

FEW, KEPT = 8_000, 400  # points; bytes for each that coordinates, samples, rows and results may take together
SLACK = 2**25  # of the allocator, and of chunks that are a little larger

# a process of its own, as its peak only rises; with small chunks, so that a few points are many
WORK = """
import json, re, sys
import torch
from kanpde import KAN, Graded, Product, chunks, laplacian
from kanpde.errors import evaluated
from kanpde.factorizations import gram_of
from kanpde.field import Field
from kanpde.residuals import Objective
from kanpde.solution import Solution
from problems.poisson import poisson

chunks.BYTES = 2**23
field = Field(poisson(), KAN([2, Product(1, rank=8)], grid=8, degree=11))
solution = Solution(field, (), "not trained")

def values(count):
    x = torch.linspace(-1, 1, count, dtype=torch.float64)
    return solution(x=x, y=x)

def curvatures(count):
    points = 2 * torch.rand(count, 2, dtype=torch.float64) - 1
    return evaluated(lambda x: {"curvature": laplacian(field(**x)["u"], *x.values())}, points, field)

def objective(count):
    return Objective(field, Graded(), {}, count, seed=0)

works = [values, curvatures, lambda n: objective(n).residual(), lambda n: gram_of(objective(n).linearized()),
         lambda n: objective(n).loss_and_gradient()]
few = int(sys.argv[1])

def peak():  # of this program alone: that of getrusage begins with its parent's
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

found = []
for work in works:
    open("/proc/self/clear_refs", "w").write("5")  # begins a new peak
    work(few)
    before = peak()
    work(4 * few)
    found.append(peak() - before)
print(json.dumps(found))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a part of a program")
def test_four_times_the_points_take_no_more_memory_than_what_is_kept_of_them():
    """Values, derivatives, residuals, JᵀJ and gradients; all at once they would take 7 to 15 kB more for each point."""
    told = subprocess.run([sys.executable, "-c", WORK, str(FEW)], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    grown = json.loads(told)
    assert max(grown) < 3 * FEW * KEPT + SLACK, grown


@pytest.mark.parametrize(
    ("network", "each"),
    [
        (KAN([2, Product(1, rank=8)], grid=16, degree=11), 6848),
        (KAN([2, Product(1, rank=64)], grid=16, degree=11), 26630),
        (KAN([2, 5, 1], grid=8, degree=11), 18550),
        (KAN([2, 25, 1], grid=8, degree=5), 28801),
        (KAN([2, 40, 40, 1], grid=8, degree=3), 171199),
    ],
    ids=repr,
)
def test_what_a_point_holds_is_told_within_a_factor(network, each):
    """Bytes that a residual was measured to take."""
    assert each / 2.5 < Field(poisson(), network).held < 2.5 * each


def test_chunks_have_some_points_whatever_they_take():
    assert chunks.points_at_a_time(2 * chunks.BYTES) == chunks.LEAST
    assert chunks.points_at_a_time(KAN([1, 1], grid=20, basis=Chebyshev()).held) > chunks.LEAST
