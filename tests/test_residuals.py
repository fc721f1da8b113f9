"""The residual vector: Jᵀr is the gradient of the loss, J agrees with finite differences, pieces add up."""

import pytest
import torch
from torch import nn

import kanpde.chunks
from kanpde import KAN, MLP, Condition, GaussLegendre, Graded, Neumann, Product, ResidualAdaptive, Uniform, diff, laplacian
from kanpde.field import Field
from kanpde.problem import Problem
from kanpde.residuals import Objective
from problems.advection import advection
from problems.biharmonic import biharmonic
from problems.heat import heat
from problems.nonlinear_poisson import nonlinear_poisson
from problems.poisson import poisson
from problems.reaction_diffusion import reaction_diffusion
from problems.wave import wave

CASES = [
    (nonlinear_poisson, KAN([2, 3, 1], grid=3, degree=5), True),
    (biharmonic, KAN([2, Product(1, rank=2)], grid=2, degree=7), False),
    (reaction_diffusion, KAN([2, Product(3), 2], grid=2, degree=5), True),
    (advection, KAN([2, Product(1, rank=2)], grid=3, degree=5), True),  # periodic as weighted rows
    (wave, MLP([2, 7, 1]), False),
]


@pytest.fixture(params=CASES, ids=lambda case: case[0].__name__, name="objective")
def _objective(request) -> Objective:
    factory, network, hard = request.param
    return Objective(Field(factory(), network, hard), Graded(), {}, count=80, seed=0)


def linearized(objective):
    rows = torch.cat([piece.dense() for piece in objective.linearized()])
    return rows[:, -1], rows[:, :-1]


def test_gradient_of_the_loss(objective):
    r, jacobian = linearized(objective)
    loss, gradient = objective.loss_and_gradient()
    assert loss == pytest.approx(0.5 * r.square().sum().item(), rel=1e-12)
    assert torch.allclose(jacobian.T @ r, gradient, rtol=1e-10, atol=1e-10 * gradient.abs().max().item())


def test_jacobian_agrees_with_finite_differences(objective):
    r, jacobian = linearized(objective)
    assert torch.allclose(objective.residual(), r, rtol=1e-12, atol=1e-14 * r.abs().max().item())
    start, direction = objective.coefficients, torch.randn(objective.size, dtype=torch.float64)
    after = []
    for sign in (1, -1):
        objective.coefficients = start + sign * 1e-6 * direction
        after.append(objective.residual())
    change = jacobian @ direction
    assert ((after[0] - after[1]) / 2e-6 - change).abs().max() < 1e-6 * change.abs().max()


def test_pieces_add_up(objective, monkeypatch):
    r, jacobian = linearized(objective)
    gram = jacobian.T @ jacobian
    monkeypatch.setattr(kanpde.chunks, "BYTES", 1)  # the smallest pieces
    monkeypatch.setattr(kanpde.chunks, "LEAST", 16)
    pieces = [piece.dense() for piece in objective.linearized()]
    assert len(pieces) > 4
    assert sum(map(len, pieces)) == len(r)
    total = sum(rows[:, :-1].T @ rows[:, :-1] for rows in pieces)
    assert torch.allclose(total, gram, rtol=1e-10, atol=1e-10 * gram.abs().max().item())


def test_batches_are_fresh_and_reproducible():
    field = Field(wave(), KAN([2, Product(1, rank=2)]))
    one, other = (Objective(field, Uniform(), {}, 50, seed=7) for _ in range(2))
    assert torch.equal(one.batch.interior, other.batch.interior)
    second = one.fresh()
    assert torch.equal(second.interior, other.fresh().interior)
    assert not torch.equal(second.interior, one.batch.interior)


def test_weights_scale_their_rows():
    field = Field(wave(), KAN([2, Product(1, rank=2)]), hard=False)
    plain, heavy = (Objective(field, Uniform(), w, 50, seed=7).residual() for w in ({}, {"equation": 3.0}))
    assert torch.allclose(heavy[:50], 3 * plain[:50])
    assert torch.equal(heavy[50:], plain[50:])


def test_adaptive_points_follow_the_residual():
    def layer(u, x, t):
        return diff(u, t) + 100 * torch.exp(-200 * (x - 0.7) ** 2)

    base = wave()
    problem = Problem(base.domain, layer, base.conditions)
    field = Field(problem, KAN([2, Product(1, rank=2)]))
    field.network.layers[0].table.data *= 0.1  # so that the layer is what is wrong
    sampler = ResidualAdaptive(base=Uniform(), floor=0.0)
    x = Objective(field, sampler, {}, 400, seed=0).batch.interior[:, 0]
    near = ((x - 0.7).abs() < 0.15).double().mean()
    assert near > 0.6  # 0.3 of uniform points


def test_rows_that_mix_points_are_recognized():
    base = wave()
    mixed = Problem(base.domain, lambda u, x, t: diff(u, t) - u.mean() * x, base.conditions)
    for problem, obstacle in ((base, None), (mixed, "the residual mixes points (a mean or an integral?)")):
        assert Objective(Field(problem, KAN([2, 3, 1])), Uniform(), {}, 100, 0).obstacle() == obstacle


@pytest.mark.parametrize("chosen", [lambda u, x: torch.where(x > 0.5, u, 0 * u).mean(), lambda u, x: u[x > 0.5].mean()])
def test_rows_that_mix_points_of_a_part_are_recognized(chosen):
    base = poisson()
    mixed = Problem(base.domain, lambda u, x, y: laplacian(u, x, y) - chosen(u, x), base.conditions)
    assert not Objective(Field(mixed, KAN([2, 3, 1])), Uniform(), {}, 200, 0).is_pointwise()


def test_conditions_that_mix_points_are_recognized():
    base = heat()
    conditions = base.conditions | {"mean": Condition(lambda u, x, t: u.mean() - 1 + 0 * x, on=base.domain.at(t=1))}  # noqa: ARG005
    field = Field(Problem(base.domain, base.residual, conditions), KAN([2, 3, 1]))
    assert "mixes points" in Objective(field, Uniform(), {}, 100, 0).obstacle()


def test_modules_that_go_through_all_points_at_once_are_recognized():
    class Sorted(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 1, dtype=torch.float64))

        def forward(self, x):
            return torch.tanh(x @ self.weight) if x.sum() > 0 else torch.sin(x @ self.weight)

    assert "point by point" in Objective(Field(heat(), Sorted()), Uniform(), {}, 100, 0).obstacle()


def test_validation_points_are_never_those_of_a_step():
    objective = Objective(Field(heat(), KAN([2, 3, 1])), GaussLegendre(), {}, 100, 0)
    assert torch.equal(objective.fresh().interior, objective.fresh().interior)
    assert not torch.equal(objective.validation().interior, objective.validation().interior)
    assert len(objective.validation().interior) == 100


def test_adaptive_weights_measure_the_whole_domain():
    """The weighted mean of squares estimates that of uniform points, though points crowd where the residual is large."""
    field = Field(wave(), KAN([2, Product(1, rank=2)]))
    uniform, adaptive = (Objective(field, s, {}, 4000, seed=0) for s in (Uniform(), ResidualAdaptive(Uniform())))
    assert adaptive.residual().norm().item() == pytest.approx(uniform.residual().norm().item(), rel=0.15)


def test_small_parts_get_their_points():
    base = poisson()
    conditions = base.conditions | {"spot": Neumann(0.0, on=base.domain.at(x=1).where(lambda x, y: y.abs() < 0.01))}  # noqa: ARG005
    batch = Objective(Field(Problem(base.domain, base.residual, conditions), KAN([2, 3, 1])), Uniform(), {}, 400, 0).batch
    assert len(batch.parts["spot"][0]) >= 16
