"""References for problems without an exact solution, each with its own measured error, kept in `.references`.

Equations on a ring: Fourier series and ETDRK4 (S. Cox and P. Matthews, J. Comput. Phys. 176, 2002; its coefficients by
means over circles: A. Kassam and L. Trefethen, SIAM J. Sci. Comput. 26, 2005). The cavity: finite elements of degree four
for the velocity and three for the pressure (C. Taylor and P. Hood, 1973), by Newton's method. Each is made twice, and its
error is the difference between the two.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import pi, tau
from pathlib import Path

import numpy as np
import skfem
from numpy.typing import NDArray
from scipy.sparse import bmat
from skfem.helpers import ddot, div, dot, grad, mul

from kanpde.export import whole_file

Array = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

KEPT = Path(__file__).parent / ".references"
FRAMES = 101


@dataclass(frozen=True)
class Reference:
    """Values of the unknowns at points, coordinates by name, and the relative L2 error that they have themselves."""

    points: dict[str, Array]
    values: dict[str, Array]
    error: float


@dataclass(frozen=True)
class Ring:
    """v_t = L v + N(v) for the Fourier coefficients v of u on a ring from `low`, for 0 < t < 1."""

    low: float
    length: float
    start: Callable[[Array], Array]
    linear: Callable[[Array], NDArray]  # of the wave numbers
    nonlinear: Callable[[Array, Array], Spectrum]  # of the wave numbers and u

    def solved(self, modes: int, steps: int) -> Array:
        """u at `modes` places, at the frames' times."""
        k = tau / self.length * np.arange(modes // 2 + 1)
        step = 1 / steps
        kept = np.arange(len(k)) < modes / 3  # products of two fold back above: S. Orszag's rule

        def rate(v: Spectrum) -> Spectrum:
            return self.nonlinear(k, np.fft.irfft(v, modes)) * kept

        exponent = step * self.linear(k).astype(complex)
        z = exponent[:, None] + np.exp(1j * tau * (np.arange(64) + 0.5) / 64)
        whole, half = np.exp(exponent), np.exp(exponent / 2)
        to_half = step * np.mean((np.exp(z / 2) - 1) / z, 1)
        first = step * np.mean((-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3, 1)
        middle = step * np.mean((2 + z + np.exp(z) * (z - 2)) / z**3, 1)
        last = step * np.mean((-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3, 1)

        v: Spectrum = np.fft.rfft(self.start(self.places(modes)))
        frames = [v]
        for number in range(1, steps + 1):
            a0 = rate(v)
            a = half * v + to_half * a0
            a1 = rate(a)
            a2 = rate(half * v + to_half * a1)
            a3 = rate(half * a + to_half * (2 * a2 - a0))
            v = whole * v + first * a0 + 2 * middle * (a1 + a2) + last * a3
            if number % (steps // (FRAMES - 1)) == 0:
                frames.append(v)
        return np.fft.irfft(np.stack(frames), modes, axis=1)

    def places(self, modes: int) -> Array:
        return self.low + self.length * np.arange(modes) / modes


RINGS = {
    "allen_cahn": Ring(
        -1.0,
        2.0,
        lambda x: x**2 * np.cos(pi * x),
        lambda k: 5 - 1e-4 * k**2,
        lambda k, u: -5 * np.fft.rfft(u**3),  # noqa: ARG005
    ),
    "kdv": Ring(
        -1.0,
        2.0,
        lambda x: np.cos(pi * x),
        lambda k: 0.022**2 * 1j * k**3,
        lambda k, u: -0.5j * k * np.fft.rfft(u**2),
    ),
    "kuramoto_sivashinsky": Ring(
        0.0,
        tau,
        lambda x: np.cos(x) * (1 + np.sin(x)),
        lambda k: 100 / 16**2 * k**2 - 100 / 16**4 * k**4,
        lambda k, u: -0.5j * 100 / 16 * k * np.fft.rfft(u**2),
    ),
}


def on_a_ring(ring: Ring, modes: int, steps: int, within: float = 1.0) -> Reference:
    """From `modes` places and `steps`, where |x| is below `within` if that is less than one."""
    coarse, fine = ring.solved(modes // 2, steps // 2), ring.solved(modes, steps)
    x = ring.places(modes)
    scored = np.abs(x) < within if within < 1 else np.full(len(x), True)
    error = np.linalg.norm((fine[:, ::2] - coarse)[:, scored[::2]]) / np.linalg.norm(fine[:, ::2][:, scored[::2]])
    chosen = np.flatnonzero(scored)[:: max(1, modes // 512)]
    places, times = np.meshgrid(x[chosen], np.linspace(0, 1, FRAMES))
    return Reference({"x": places.ravel(), "t": times.ravel()}, {"u": fine[:, chosen].ravel()}, float(error))


def cavity(cells: int, reynolds: float = 100.0, count: int = 101) -> Reference:
    """The flow in the cavity on a uniform grid of count² points, from `cells` squares along a side, halved to triangles."""
    sites = np.linspace(0, 1, count)
    x, y = (c.ravel() for c in np.meshgrid(sites, sites))
    coarse, fine = (_cavity(n, reynolds, np.stack([x, y])) for n in (3 * cells // 4, cells))
    speed, missed = (
        np.sqrt(sum(np.sum(v**2) for v in fields)) for fields in (fine, [f - c for f, c in zip(fine, coarse, strict=True)])
    )
    return Reference({"x": x, "y": y}, dict(zip("uv", fine, strict=True)), float(missed / speed))


def _cavity(cells: int, reynolds: float, places: Array) -> tuple[Array, Array]:
    """u and v at places. Cells are graded twice towards the walls, as the pressure is singular at the lid's corners."""
    once = (1 - np.cos(pi * np.linspace(0, 1, cells + 1))) / 2
    axis = (once + (1 - np.cos(pi * once)) / 2) / 2
    velocity = skfem.Basis(skfem.MeshTri.init_tensor(axis, axis), skfem.ElementVector(skfem.ElementTriP4()), intorder=11)
    pressure = velocity.with_element(skfem.ElementTriP3())

    @skfem.BilinearForm
    def momentum(u, v, w):
        return ddot(grad(u), grad(v)) / reynolds + dot(mul(grad(u), w.flow) + mul(grad(w.flow), u), v)

    @skfem.BilinearForm
    def divergence(u, q, w):  # noqa: ARG001
        return -div(u) * q

    @skfem.LinearForm
    def carried(v, w):
        return dot(mul(grad(w.flow), w.flow), v)

    walls = velocity.get_dofs().all()
    lid = velocity.get_dofs(lambda x: np.isclose(x[1], 1)).all("u^1")
    known = np.zeros(velocity.N + pressure.N)
    known[lid] = 4 * velocity.doflocs[0, lid] * (1 - velocity.doflocs[0, lid])
    held = np.append(walls, velocity.N)  # and one value of the pressure
    coupling = divergence.assemble(velocity, pressure)
    found = np.zeros_like(known)
    for _ in range(20):
        flow = velocity.interpolate(found[: velocity.N])
        matrix = bmat([[momentum.assemble(velocity, flow=flow), coupling.T], [coupling, None]], "csr")
        right = np.concatenate([carried.assemble(velocity, flow=flow), np.zeros(pressure.N)])
        before, found = found, skfem.solve(*skfem.condense(matrix, right, x=known, D=held))
        if np.abs(found - before)[: velocity.N].max() < 1e-12:
            break
    u, v = velocity.interpolator(found[: velocity.N])(places)
    return u, v


REFERENCES: dict[str, Callable[[], Reference]] = {
    # the start has a jump of slope at the seam, where published series of 512 modes are off by 1e-5
    "allen_cahn": partial(on_a_ring, RINGS["allen_cahn"], 4096, 4000, within=0.97),
    "kdv": partial(on_a_ring, RINGS["kdv"], 1024, 16000),
    "kuramoto_sivashinsky": partial(on_a_ring, RINGS["kuramoto_sivashinsky"], 1024, 32000),
    "cavity": partial(cavity, 40),
}


def reference(name: str) -> Reference:
    """The reference for a problem of this name, made at the first call on a machine."""
    path = KEPT / f"{name}.npz"
    if not path.is_file():
        made = REFERENCES[name]()
        arrays = {f"at {n}": a for n, a in made.points.items()} | {f"of {n}": a for n, a in made.values.items()}
        KEPT.mkdir(exist_ok=True)
        with whole_file(path, (".npz",)) as temporary, open(temporary, "wb") as file:
            np.savez(file, error=made.error, **arrays)
    with np.load(path, allow_pickle=False) as kept:
        points = {n.removeprefix("at "): kept[n] for n in kept.files if n.startswith("at ")}
        values = {n.removeprefix("of "): kept[n] for n in kept.files if n.startswith("of ")}
        return Reference(points, values, float(kept["error"]))


if __name__ == "__main__":
    for name in REFERENCES:
        found = reference(name)
        print(f"{name}: {len(next(iter(found.points.values())))} points, its own relative L2 error {found.error:.1e}")
