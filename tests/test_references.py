"""The references of the benchmarks, and the line that a benchmark writes: checked by what is known of them."""

import json
from math import pi

import numpy as np
import pytest
import torch

from problems.burgers import burgers
from tests.benchmarks.records import run, table
from tests.benchmarks.references import RINGS, Ring, cavity, on_a_ring


def test_a_linear_equation_is_exact():
    ring = Ring(0.0, 2 * pi, np.sin, lambda k: -0.5 * k**2 - 3j * k, lambda k, u: np.zeros(len(k), complex))  # noqa: ARG005
    times = np.linspace(0, 1, 101)[:, None]
    expected = np.exp(-0.5 * times) * np.sin(ring.places(32) - 3 * times)
    assert np.abs(ring.solved(32, 100) - expected).max() < 1e-13


def test_fourth_order_in_time():
    kdv = RINGS["kdv"]
    finest = kdv.solved(128, 6400)[30]
    coarse, fine = (np.abs(kdv.solved(128, steps)[30] - finest).max() for steps in (400, 800))
    assert 3.7 < np.log2(coarse / fine) < 4.3


def test_mass_and_momentum_are_conserved():
    u = RINGS["kdv"].solved(256, 4000)
    assert np.abs(u.mean(1)).max() < 1e-12
    assert np.abs(np.mean(u**2, 1) - 0.5).max() < 1e-6


def test_an_even_start_stays_even():
    u = RINGS["allen_cahn"].solved(256, 400)
    assert np.abs(u[:, 1:] - u[:, :0:-1]).max() < 1e-12


def test_burgers_by_cole_and_hopf_and_by_fourier_series():
    viscosity = 0.05
    ring = Ring(-1.0, 2.0, lambda x: -np.sin(pi * x), lambda k: -viscosity * k**2, lambda k, u: -0.5j * k * np.fft.rfft(u**2))
    found = on_a_ring(ring, 512, 2000)
    exact = burgers(viscosity).exact
    assert exact is not None
    x, t = (torch.from_numpy(found.points[n])[:, None] for n in "xt")
    assert np.abs(exact(x, t).numpy()[:, 0] - found.values["u"]).max() < 1e-9
    assert found.error < 1e-8


def test_the_cavity_loses_no_water():
    flow = cavity(8, count=41)
    u = flow.values["u"].reshape(41, 41)
    x = np.linspace(0, 1, 41)
    assert np.abs(u[-1] - 4 * x * (1 - x)).max() < 1e-12
    assert np.abs(u[0]).max() < 1e-12
    # through every upright section as much goes to the right as to the left
    assert np.abs(np.trapezoid(u, x, axis=0)).max() < 2e-3


def test_burgers_needs_its_formula():
    with pytest.raises(ValueError, match=r"0\.01/π and more"):
        burgers(1e-3)


def test_a_run_is_a_line_of_the_table():
    line = run("wave", seed=3, seconds=1.0, threads=1)
    assert line["curve"][-1]["error"] == line["error"] > 0
    assert line["peak memory, MB"] > 50
    text = table([json.dumps({**line, "error": 1.0}), json.dumps(line), json.dumps({**line, "seed": 4, "error": 200.0})])
    assert f"| 2.0e+02 | 2 | {line['seconds']:.0f} |" in text
