"""Pictures: whole files of the kind asked for, whose axes and colours show the values given."""

import numpy as np
import pytest

from kanpde.plot import plot_convergence, plot_fields, plot_frames

SIGNATURES = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".svg": b"<?xml"}
X, Y, T = np.linspace(-1, 1, 61), np.linspace(0, 1, 31) ** 2, np.linspace(0, 2, 41)


def plane(first, second):
    return np.sin(np.pi * first)[:, None] * np.cos(second)


def check_file(path, folder):
    assert list(folder.iterdir()) == [path]
    assert path.read_bytes().startswith(SIGNATURES[path.suffix])
    assert path.stat().st_size < 150_000


@pytest.mark.parametrize("suffix", SIGNATURES)
def test_fields_of_the_plane(tmp_path, figures, suffix):
    u = plane(X, Y)
    path = tmp_path / f"u{suffix}"
    plot_fields(path, ("x", "y"), (X, Y), {"u": u, "exact u": u, "error of u": 1e-9 * u, "u²": u**2}, title="Poisson")
    check_file(path, tmp_path)
    panels = figures[0].axes
    assert [panel.get_title() for panel in panels] == ["u", "exact u", "error of u", "u²"]
    images = [panel.collections[0] for panel in panels]
    np.testing.assert_array_equal(images[0].get_array(), u.T)
    assert images[0].get_clim() == (-np.abs(u).max(), np.abs(u).max())  # both signs: zero in the middle
    assert images[3].get_clim() == (0, (u**2).max())
    low, high = images[2].get_clim()
    assert low > 0
    assert high == 1e-9 * np.abs(u).max()
    assert images[2].get_array().min() == low  # zeros are drawn as the lowest colour
    assert all(panel.get_aspect() == 1 for panel in panels)
    assert panels[0].get_xlim() == (-1, 1)
    assert panels[0].get_ylim() == (0, 1)


@pytest.mark.parametrize("names", [("x", "t"), ("t", "x")])
def test_time_runs_to_the_right(tmp_path, figures, names):
    coordinates = tuple({"x": X, "t": T}[name] for name in names)
    u = plane(*coordinates)
    plot_fields(tmp_path / "u.png", names, coordinates, {"u": u})
    check_file(tmp_path / "u.png", tmp_path)
    (panel,) = figures[0].axes
    assert (panel.get_xlabel(), panel.get_ylabel(), panel.get_aspect()) == ("t", "x", "auto")
    np.testing.assert_array_equal(panel.collections[0].get_array(), u if names == ("x", "t") else u.T)


def test_fields_of_a_line(tmp_path, figures):
    u = np.sin(3 * X)
    plot_fields(tmp_path / "u.png", ("x",), (X,), {"u": u, "u exact": u, "u error": 1e-8 * u * (1 - X**2)})
    check_file(tmp_path / "u.png", tmp_path)
    fields, errors = figures[0].axes
    assert [line.get_linestyle() for line in fields.lines] == ["-", "--"]
    assert errors.get_yscale() == "log"
    assert (errors.lines[0].get_ydata() > 0).all()  # though the error is 0 at the ends


@pytest.mark.parametrize("values", [np.zeros((61, 31)), np.full((61, 31), np.nan)])
def test_constant_and_missing_values_are_drawn(tmp_path, values):
    plot_fields(tmp_path / "u.png", ("x", "y"), (X, Y), {"u": values, "error": values})
    plot_fields(tmp_path / "u.png", ("x",), (X,), {"u": values[:, 0], "error": values[:, 0]})
    check_file(tmp_path / "u.png", tmp_path)


def test_frames_of_the_plane_share_one_scale(tmp_path, figures):
    times = np.linspace(0, 1, 7)
    plot_frames(tmp_path / "u.png", ("x", "y"), (X, Y), times, np.exp(-times)[:, None, None] * plane(X, Y), "decay")
    check_file(tmp_path / "u.png", tmp_path)
    panels = figures[0].axes
    assert [panel.get_title() for panel in panels] == [f"t = {time:.4g}" for time in times]
    assert len({panel.collections[0].get_clim() for panel in panels}) == 1


def test_frames_of_several_fields_are_rows(tmp_path, figures):
    times = np.linspace(0, 1, 3)
    u = np.exp(-times)[:, None, None] * plane(X, Y)
    fields = {"u": u, "u error": 1e-9 * u, "v": 2 + u}
    plot_frames(tmp_path / "u.png", ("x", "y"), (X, Y), times, fields)
    check_file(tmp_path / "u.png", tmp_path)
    panels = figures[0].axes
    assert [panel.get_title() for panel in panels] == ["t = 0", "t = 0.5", "t = 1", *[""] * 6]
    assert [panel.get_ylabel() for panel in panels] == ["y", "", ""] * 3
    assert [panel.get_xlabel() for panel in panels] == [""] * 6 + ["x"] * 3
    images = [panel.collections[0] for panel in panels]
    np.testing.assert_array_equal(images[7].get_array(), 2 + u[1].T)
    for row in range(3):
        assert len({image.get_clim() for image in images[3 * row : 3 * row + 3]}) == 1
    low, high = images[3].get_clim()  # of the errors: positive, for a logarithmic scale
    assert 0 < low < high == 1e-9 * np.abs(u).max()
    bars = [panel.child_axes[0] for panel in panels[2::3]]
    assert [bar.get_ylabel() for bar in bars] == list(fields)


def test_frames_of_several_fields_of_a_line_are_panels(tmp_path, figures):
    times = [0.0, 0.5, 1.0]
    u = np.stack([np.sin(X - time) for time in times])
    plot_frames(tmp_path / "u.png", ("x",), (X,), times, {"u": u, "error": 1e-9 * u})
    check_file(tmp_path / "u.png", tmp_path)
    *panels, _ = figures[0].axes
    assert [(panel.get_title(), panel.get_yscale()) for panel in panels] == [("u", "linear"), ("error", "log")]
    assert all(len(panel.lines) == 3 for panel in panels)


def test_frames_of_a_line_share_one_panel(tmp_path, figures):
    times = [0.0, 0.5, 1.0]
    plot_frames(tmp_path / "u.png", ("x",), (X,), times, np.stack([np.sin(X - time) for time in times]))
    check_file(tmp_path / "u.png", tmp_path)
    panel, bar = figures[0].axes
    assert len({tuple(line.get_color()) for line in panel.lines}) == 3
    assert bar.get_ylim() == (0, 1)


def test_convergence_labels_only_sizes_that_have_room(tmp_path, figures):
    sizes = [10, 100, 1000, 1001]
    plot_convergence(tmp_path / "u.png", sizes, {"error": [1e-1, 1e-3, 1e-5, 1e-6], "residual": [1, 0.1, 0.01, 1e-3]})
    check_file(tmp_path / "u.png", tmp_path)
    (panel,) = figures[0].axes
    assert (panel.get_xscale(), panel.get_yscale(), len(panel.lines)) == ("log", "log", 2)
    assert sorted(label.get_text() for label in panel.get_xticklabels()) == ["10", "100", "1001"]


def test_messages_name_what_is_possible(tmp_path):
    path = tmp_path / "u.png"
    u = plane(X, Y)
    with pytest.raises(ValueError, match=r"'\.jpg'; choose from \.png, \.pdf, \.svg"):
        plot_fields(tmp_path / "u.jpg", ("x", "y"), (X, Y), {"u": u})
    with pytest.raises(FileNotFoundError, match="no folder"):
        plot_convergence(tmp_path / "absent" / "u.png", [1], {"error": [1]})
    with pytest.raises(ValueError, match=r"'u' has shape \(31, 61\); .* \(61, 31\)"):
        plot_fields(path, ("x", "y"), (X, Y), {"u": u.T})
    with pytest.raises(ValueError, match="3 axis names and 3 coordinates"):
        plot_fields(path, ("x", "y", "t"), (X, Y, T), {"u": u})
    with pytest.raises(ValueError, match="no fields"):
        plot_fields(path, ("x",), (X,), {})
    with pytest.raises(ValueError, match="2 times but 1 frames"):
        plot_frames(path, ("x", "y"), (X, Y), [0, 1], u[None])
    with pytest.raises(ValueError, match="'error' has 2 values for 1 sizes"):
        plot_convergence(path, [10], {"error": [1, 2]})
    with pytest.raises(ValueError, match="no sizes"):
        plot_convergence(path, [], {"error": []})
    assert not list(tmp_path.iterdir())
