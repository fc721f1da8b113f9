"""Pictures of networks: curves are the edges' functions, opacities their strengths, and nothing hides anything else."""

from itertools import combinations
from math import sqrt, tanh
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kanpde import KAN, MLP, Product, Solution
from kanpde.field import Field, outputs
from kanpde.layers import Layer
from kanpde.networks import dense_points
from kanpde.slabs import Slabs
from kanpde.splines import uniform_knots
from problems.heat import heat
from problems.l_shape import l_shape
from problems.poisson import poisson
from problems.reaction_diffusion import reaction_diffusion
from problems.two_materials import two_materials

NAMES = ("x", "y", "t")
SPREAD = sqrt(65 / 189)  # standard deviation of 64 points that divide [-1, 1] evenly: √((n + 1) / 3 (n − 1))
SHAPES = [
    [2, 5, 1],
    [2, 5, 5, 1],
    [3, 4, 1],
    [1, 5, 1],
    [1, 1],
    [2, Product(1, rank=8)],
    [3, Product(2, rank=4)],
    [2, Product(1, rank=48)],
    [2, Product(1, rank=150)],
    [2, 3, Product(2, rank=3), 1],
    [2, 20, 20, 1],
]


def lines(figure, name):
    """Points and opacities of all lines of a kind, in the order in which they are drawn."""
    found = [c for c in figure.axes[0].collections if c.get_gid() == name]
    return [np.asarray(s) for c in found for s in c.get_segments()], [a for c in found for a in c.get_edgecolor()[:, 3]]


def filled(values):
    return (values - values.min(0)) / np.ptp(values, 0)


def layer_of(tables, nodes, degree=3, grid=2):
    """Edges of [-1, 1] from their spline coefficients: (inputs, count, edges)."""
    tables = torch.as_tensor(tables, dtype=torch.float64)
    low = -torch.ones(len(tables), dtype=torch.float64)
    table = torch.cat([tables, torch.zeros(len(tables), 1, tables.shape[2], dtype=torch.float64)], 1).flatten(0, 1)
    return Layer(uniform_knots(low, -low, grid, degree), degree, nodes, torch.zeros(len(tables), dtype=torch.bool), table)


def straight(constants, slopes, nodes):
    """A layer whose edges are c + s x: both (inputs, edges). The coefficients of x are the means of its knots."""
    knots = uniform_knots(-torch.ones(1).double(), torch.ones(1).double(), 2, 3)[0]
    means = torch.stack([knots[1 + i : 4 + i].mean() for i in range(5)])
    constants, slopes = (torch.as_tensor(part, dtype=torch.float64)[:, None, :] for part in (constants, slopes))
    return layer_of(constants + slopes * means[:, None], nodes)


def alone(layer, number, edge):
    """The function of one edge, as a network in which all others are zero, or one where they are factors of it."""
    table = torch.zeros_like(layer.table.detach())
    for i, (first, count) in enumerate(zip(layer.first_row.tolist(), layer.counts.tolist(), strict=True)):
        rows = slice(first, first + count + (not layer.periodic[i]))
        if i == number:
            table[rows, edge] = layer.table.detach()[rows, edge]
        elif isinstance(layer.nodes, Product):
            table[first : first + count, edge] = 1.0  # splines sum to one
    node = edge * layer.count // table.shape[1]
    network = KAN.from_layers([Layer(layer.knots, layer.degree, layer.nodes, layer.periodic, table)])

    def function(x):
        points = torch.zeros(len(x), len(layer.knots), dtype=torch.float64)
        points[:, number] = torch.as_tensor(x)
        with torch.no_grad():
            return network(points)[:, node].numpy()

    return function


# --- what is drawn ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "network",
    [KAN([2, 3, 2], seed=1), KAN([2, Product(2, rank=2), 1], seed=2), KAN([3, 2, 1], seed=3, periodic=(0, 2))],
    ids=repr,
)
def test_curves_are_the_functions_of_their_edges_over_what_inputs_reach(network, tmp_path, figures):
    network.plot(tmp_path / "kan.png")
    curves, _ = lines(figures[0], "curves")
    x = dense_points(network.shape[0])
    drawn = iter(curves)
    with torch.no_grad():
        for layer in network.layers:
            for edge in range(layer.table.shape[1]):
                for number in range(len(layer.knots)):
                    curve = next(drawn)
                    at = np.linspace(x[:, number].min().item(), x[:, number].max().item(), len(curve))
                    np.testing.assert_allclose(filled(curve[:, 0]), filled(at), atol=1e-9)
                    np.testing.assert_allclose(filled(curve[:, 1]), filled(alone(layer, number, edge)(at)), atol=1e-9)
            x = layer(x)
    assert next(drawn, None) is None


def test_an_edge_is_drawn_with_its_derivative_and_knots(tmp_path, figures):
    network = KAN([2, 3, 1], grid=4, seed=4)
    network.plot_edge(tmp_path / "edge.png", layer=1, input=2, output=0)
    layer, hidden = network.layers[1], network.layers[0](dense_points(2))[:, 2].detach().numpy()
    function = alone(layer, 2, 0)
    above, below = figures[0].axes
    x, values = above.lines[0].get_data()
    np.testing.assert_allclose(values, function(x), atol=1e-12)
    slopes = (function(x + 1e-5) - function(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(below.lines[0].get_data()[1], slopes, atol=1e-7 * np.abs(slopes).max())
    knots = [segment[0, 0] for segment in above.collections[0].get_segments()]
    np.testing.assert_allclose(knots, layer.knots[2].unique())
    reached = above.patches[0].get_window_extent().transformed(above.transData.inverted())
    np.testing.assert_allclose((reached.x0, reached.x1), (hidden.min(), hidden.max()))
    inside, _ = above.lines[1].get_data()
    assert x[0] < hidden.min() <= inside[0]
    assert inside[-1] <= hidden.max() < x[-1]
    assert figures[0].get_suptitle() == "layer 1: input 2 → node 0"


def test_a_periodic_edge_is_drawn_over_one_period(tmp_path, figures):
    network = KAN([2, Product(1, rank=3)], grid=6, periodic=(1,))
    network.plot_edge(tmp_path / "edge.png", layer=0, input=1, output=2)
    x, values = figures[0].axes[0].lines[0].get_data()
    assert (x[0], x[-1]) == (-1, 1)
    assert values[0] == pytest.approx(values[-1])
    np.testing.assert_allclose(values, alone(network.layers[0], 1, 2)(x), atol=1e-12)
    assert len(figures[0].axes[0].collections[0].get_segments()) == 7
    assert figures[0].get_suptitle() == "layer 0: input 1 → product 2"


# --- strengths ----------------------------------------------------------------------------------------------------------


def test_strengths_of_a_sum_are_shares_of_deviations():
    (found,) = KAN.from_layers([straight([[5], [-7]], [[3], [-1]], 1)]).strengths()
    assert found.flatten().tolist() == pytest.approx([0.75, 0.25])


def test_strengths_of_products_are_shares_of_what_changes():
    # (1 + x) y + 2 x: without x the first loses x y, without y it loses y + x y; the second is a factor 2 and one of x
    (found,) = KAN.from_layers([straight([[1, 0], [0, 2]], [[1, 1], [1, 0]], Product(1, rank=2))]).strengths()
    effects = np.array([[SPREAD**2, 2 * SPREAD], [SPREAD * sqrt(1 + SPREAD**2), 0]])
    np.testing.assert_allclose(found, effects / effects.sum(), atol=1e-15)


def test_strengths_do_not_change_with_the_size_of_a_factor():
    network = KAN([2, Product(1, rank=3)], seed=5)
    before = network.strengths()[0]
    layer = network.layers[0]
    with torch.no_grad():
        layer.table[: layer.first_row[1], 1] *= 64
        layer.table[layer.first_row[1] :, 1] /= 64
    np.testing.assert_allclose(network.strengths()[0], before, rtol=1e-12)


def test_strengths_pass_through_hidden_nodes():
    # z = (x + y, x); u = (z₀ + 3 z₁) / 4, the deviation of x + y being √2 times that of x
    first = straight([[0, 0], [0, 0]], [[0.5, 0.5], [0.5, 0]], 2)
    second = straight([[0], [0]], [[1], [3]], 1)
    found = KAN.from_layers([first, second]).strengths()
    weights = np.array([sqrt(2), 3]) / (sqrt(2) + 3)
    np.testing.assert_allclose(found[1][:, 0], weights)
    np.testing.assert_allclose(found[0], [[weights[0] / 2, weights[1]], [weights[0] / 2, 0]], atol=1e-15)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_strengths_of_each_layer_sum_to_the_number_of_outputs(shape):
    network = KAN(shape, seed=6)
    for layer, found in zip(network.layers, network.strengths(), strict=True):
        assert found.shape == (len(layer.knots), layer.table.shape[1])
        assert found.min() > 0
        assert found.sum().item() == pytest.approx(network.layers[-1].count)


def test_edges_that_cancel_each_other_share_what_there_is():
    cancelling, plain = straight([[0], [0]], [[1], [1]], 1), straight([[0, 0]], [[1, -1]], 2)
    first, second = KAN.from_layers([plain, cancelling]).strengths()
    assert first.flatten().tolist() == pytest.approx([0.5, 0.5])
    assert second.flatten().tolist() == pytest.approx([0.5, 0.5])


def test_opacities_follow_strengths_and_what_is_zero_is_not_seen(tmp_path, figures):
    KAN.from_layers([straight([[0, 1], [0, 0]], [[3, 1], [1, 0]], 2)]).plot(tmp_path / "kan.png")
    expected = [tanh(3 * s) for s in (0.75, 0.25, 1, 0)]  # by node, then by input
    for name in ("curves", "frames"):
        found = [c for c in figures[0].axes[0].collections if c.get_gid() == name]
        assert found[0].get_edgecolor()[:, 3].tolist() == pytest.approx(expected)
    assert lines(figures[0], "wires")[1] == pytest.approx(2 * expected)


@pytest.mark.parametrize("nodes", [2, Product(1, rank=2)])
def test_a_network_of_zeros_is_drawn_without_edges(nodes, tmp_path, figures):
    network = KAN.from_layers([straight([[0, 0], [0, 0]], [[0, 0], [0, 0]], nodes)])
    assert not network.strengths()[0].any()
    network.plot(tmp_path / "kan.png")
    assert not any(lines(figures[0], "wires")[1])
    assert not any(lines(figures[0], "curves")[1])


# --- files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_every_format_is_written_whole(suffix, tmp_path):
    network, edge, whole = KAN([2, 2, 1]), tmp_path / f"edge{suffix}", tmp_path / f"kan{suffix}"
    network.plot(whole, inputs=("x", "velocity"), outputs=("u",))
    network.plot_edge(edge, 0, 0, 0)
    assert set(tmp_path.iterdir()) == {edge, whole}
    for path in (edge, whole):
        assert path.read_bytes().startswith({".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".svg": b"<?xml"}[suffix])
        assert 2000 < path.stat().st_size < 150_000
    if suffix == ".svg":
        reader = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
        root = ElementTree.parse(whole, reader).getroot()
        texts = [element.text.strip() for element in root.iter() if element.tag is ElementTree.Comment]
        assert {"x", "velocity", "u", "layer 0", "layer 1"} <= set(texts)
        assert {"frames", "curves", "wires", "nodes"} <= {element.get("id") for element in root.iter()}


# --- places -------------------------------------------------------------------------------------------------------------


def boxes(figure):
    """Of texts and of frames, in inches."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    (axes,) = figure.axes
    texts = [t for t in axes.texts if t.get_text()]
    inches = figure.dpi_scale_trans.inverted()
    words = [(t.get_text(), t.get_window_extent(renderer).transformed(inches).extents) for t in texts]
    squares = []
    for collection in axes.collections:
        if collection.get_gid() == "frames":
            for path in collection.get_paths():
                squares.append(("frame", path.get_extents(axes.transData + inches).extents))
    return texts, words, squares


def apart(one, other):
    (_, (left, low, right, high)), (_, (left_, low_, right_, high_)) = one, other
    return right < left_ or right_ < left or high < low_ or high_ < low


@pytest.mark.parametrize("periodic", [(), (0,)], ids=["", "periodic"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nothing_lies_on_anything_else(shape, periodic, tmp_path, figures):
    network = KAN(shape, grid=3, degree=3, periodic=periodic)
    network.plot(tmp_path / "kan.svg", NAMES[: shape[0]], [f"velocity {i}" for i in range(network.layers[-1].count)])
    (figure,) = figures
    texts, words, squares = boxes(figure)
    for one, other in combinations([*words, *squares], 2):
        assert apart(one, other), (one, other)
    width, height = figure.get_size_inches()
    for name, (left, low, right, high) in [*words, *squares]:
        assert 0 < left < right < width, name
        assert 0 < low < high < height, name
    assert all(text.get_size() >= 7 for text in texts)
    # lines end at nodes, which are drawn above them, and cross neither frames nor what is written elsewhere
    inches = figure.axes[0].transData + figure.dpi_scale_trans.inverted()
    nodes = [c.get_paths() for c in figure.axes[0].collections if c.get_gid() == "nodes"]
    circles = [path.get_extents(inches) for paths in nodes for path in paths]
    assert all(apart(("node", one.extents), ("node", other.extents)) for one, other in combinations(circles, 2))
    within = [any(c.x0 <= b[0] and b[2] <= c.x1 and c.y0 <= b[1] and b[3] <= c.y1 for c in circles) for _, b in words]
    free = [word for word, inside in zip(words, within, strict=True) if not inside]
    assert all(word.isdigit() or word == "×" for (word, _), inside in zip(words, within, strict=True) if inside)
    share = np.linspace(0.001, 0.999, 400)[:, None]
    for start, end in lines(figure, "wires")[0]:
        points = inches.transform((1 - share) * start + share * end)
        for name, (left, low, right, high) in [*free, *squares]:
            hit = (left < points[:, 0]) & (points[:, 0] < right) & (low < points[:, 1]) & (points[:, 1] < high)
            assert not hit.any(), name


def test_long_names_get_room(tmp_path, figures):
    names = [f"concentration {i}" for i in range(12)]
    KAN([1, 12], grid=2, degree=3).plot(tmp_path / "kan.svg", ("temperature",), names)
    _, words, _ = boxes(figures[0])
    assert {name for name, _ in words} >= {*names, "temperature"}
    assert all(apart(one, other) for one, other in combinations(words, 2))


def test_layers_of_many_edges_are_lines_alone(tmp_path, figures):
    network = KAN([2, 20, 20, 1], seed=7)
    network.plot(tmp_path / "kan.png")
    assert len(lines(figures[0], "curves")[0]) == 2 * 20 + 20
    segments, opacities = lines(figures[0], "wires")
    assert len(segments) == 2 * 40 + 400 + 2 * 20
    middle = network.strengths()[1].T.flatten()
    assert opacities[80:480] == pytest.approx((middle / middle.max()).tolist())


# --- solutions ----------------------------------------------------------------------------------------------------------


def drawn_names(problem, network, path, figures):
    Solution(Field(problem, network), (), "untrained").plot_network(path)
    return [t.get_text() for t in figures[-1].axes[0].texts if not t.get_text().startswith("layer")]


def test_solutions_name_axes_and_unknowns(tmp_path, figures):
    path = tmp_path / "kan.png"
    names = drawn_names(reaction_diffusion(), KAN([2, Product(2, rank=2)], grid=2), path, figures)
    assert {"x", "t", "u", "v"} <= set(names)
    assert "periodic" in drawn_names(poisson(), KAN([2, 3, 1], periodic=(0,)), path, figures)


def test_solutions_name_singular_functions_and_materials(tmp_path, figures):
    path = tmp_path / "kan.png"
    corners = drawn_names(l_shape(), KAN([2, outputs(l_shape())[1]], grid=2), path, figures)
    assert {"u", "u, singular 1", "u, singular 2"} <= set(corners)
    assert {"u, material 0", "u, material 1"} <= set(drawn_names(two_materials(), KAN([2, 2], grid=2), path, figures))


def test_solutions_of_other_networks_say_what_can_be_done(tmp_path):
    path = tmp_path / "kan.png"
    with pytest.raises(TypeError, match=r"edges of one KAN, but the network is MLP; solve with a KAN"):
        Solution(Field(poisson(), MLP([2, 4, 1])), (), "untrained").plot_network(path)
    times = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    slabs = Slabs(times, [KAN([2, Product(1, rank=4)], grid=1, degree=3) for _ in range(2)], 1, 1e-6)
    solution = Solution(Field(heat(), slabs), (), "untrained")
    with pytest.raises(TypeError, match=r"is Slabs of 2 KAN.*; each .* alone: solution\.model\.parts\[0\]\.plot\(path\)"):
        solution.plot_network(path)
    solution.model.parts[0].plot(path)
    assert path.exists()


# --- messages -----------------------------------------------------------------------------------------------------------


def test_messages_name_what_is_possible(tmp_path):
    network, path = KAN([2, Product(1, rank=3), 1]), tmp_path / "kan.png"
    with pytest.raises(ValueError, match=r"inputs=\('x',\) names 1.* 2 inputs"):
        network.plot(path, ("x",))
    with pytest.raises(ValueError, match=r"outputs=.* 1 output"):
        network.plot(path, outputs=("u", "v"))
    with pytest.raises(ValueError, match=r"layer=2 .* 0 to 1"):
        network.plot_edge(path, 2, 0, 0)
    with pytest.raises(ValueError, match=r"input=-1 .* 0 to 1"):
        network.plot_edge(path, 0, -1, 0)
    with pytest.raises(ValueError, match=r"output=3 .* 0 to 2"):
        network.plot_edge(path, 0, 1, 3)
    with pytest.raises(ValueError, match=r"output='u' .* number"):
        network.plot_edge(path, 0, 1, "u")
    with pytest.raises(ValueError, match=r"'\.gif'; choose from \.png, \.pdf, \.svg"):
        network.plot(tmp_path / "kan.gif")
    with torch.no_grad():
        network.layers[0].table[0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        network.plot(path)
    assert not list(tmp_path.iterdir())
