"""Projection and scatter canvas: what a point on screen may and may not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui.drawing.projection import CORE, View, cross, plane, scale_of
from cubesat_tui.drawing.scatter_canvas import ANOMALY, AXES, NEWEST, SELECTED, TRAIL, Cloud, Signs, draw

angles = st.floats(-720, 720, allow_nan=False)


@given(angles, angles, angles, angles)
def test_any_turn_keeps_lengths_and_angles(azimuth: float, elevation: float, d_azimuth: float, d_elevation: float):
    matrix = View(azimuth, max(-90, min(90, elevation))).turned(d_azimuth, d_elevation).matrix
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)


def test_four_quarter_turns_come_back_and_the_poles_hold():
    view = View(30, 20)
    turned = view
    for _ in range(36):
        turned = turned.turned(azimuth=10)
    assert turned == view
    assert view.turned(elevation=500).elevation == 90
    assert view.turned(elevation=-500).elevation == -90


def test_turning_never_zooms():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(500, 3))
    scale = scale_of(points)
    one = points[[7]]
    away = scale.apply(one)[0]
    for azimuth in range(0, 360, 30):
        drawn = plane(one, View(azimuth, 20), scale)
        if not drawn.beyond[0]:
            assert np.hypot(*drawn.xy[0] / CORE) ** 2 + drawn.depth[0] ** 2 == pytest.approx(float(away @ away))


def test_one_wild_point_does_not_squash_the_others():
    rng = np.random.default_rng(2)
    usual = rng.normal(size=(2000, 3))
    wild = np.vstack([usual, [[1e6, 0, 0]]])
    drawn = plane(wild, View(90, 0), scale_of(wild))
    assert drawn.beyond[-1]
    assert np.abs(drawn.xy[-1]).max() == pytest.approx(1.0)
    assert drawn.xy[:-1].std(axis=0).min() > 0.15


def test_points_beyond_the_scale_keep_their_direction_and_their_order():
    rng = np.random.default_rng(5)
    scale = scale_of(rng.normal(size=(1000, 3)))
    direction = np.array([[0.3, 0.9, 0.2]])
    ray = np.vstack([direction * size for size in (0.5, 3.0, 8.0, 40.0, 4000.0)]) * scale.half + scale.centre
    drawn = plane(ray, View(10, 15), scale)
    assert drawn.beyond.tolist() == [False, True, True, True, True]
    length = np.hypot(*drawn.xy.T)
    assert (np.diff(length) > 0.01).all()
    np.testing.assert_allclose(drawn.xy / length[:, None], np.tile(drawn.xy[0] / length[0], (5, 1)), atol=1e-9)
    assert np.abs(drawn.xy[1:]).max(axis=1).min() > CORE


def test_a_flat_axis_and_no_points_at_all_are_drawn_not_divided():
    flat = np.zeros((10, 3))
    assert np.isfinite(plane(flat, View(), scale_of(flat)).xy).all()
    empty = np.zeros((0, 3))
    assert plane(empty, View(), scale_of(empty)).xy.shape == (0, 2)


def _cloud(xy: list[tuple[float, float]], anomalous: list[int] | None = None, **more) -> Cloud:
    n = len(xy)
    flags = np.zeros(n, dtype=bool)
    flags[anomalous or []] = True
    return Cloud(
        np.array(xy, dtype=float).reshape(n, 2),
        more.pop("classes", np.zeros(n, dtype=np.int64)),
        flags,
        more.pop("names", ["eclipse"]),
        **more,
    )


def test_corners_land_in_the_corner_dots():
    cells = draw(_cloud([(-1, 1), (1, 1), (-1, -1), (1, -1)], names=[""]), 10, 4)
    assert (cells.text[0, 0], cells.text[0, 9], cells.text[3, 0], cells.text[3, 9]) == ("⠁", "⠈", "⡀", "⢀")
    assert (cells.text != " ").sum() == 4


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), max_size=60), st.integers(1, 60), st.integers(1, 30))
def test_every_picture_has_exactly_its_size(xy: list[tuple[float, float]], columns: int, rows: int):
    cells = draw(_cloud(xy, axes=(("1", 1, 0), ("2", 0, 1), ("3", 0.5, 0.5))), columns, rows)
    assert len(cells.runs) == rows
    assert all(sum(len(text) for text, _ in run) == columns for run in cells.runs)


def test_an_anomaly_is_told_by_its_sign_and_never_hidden_by_usual_points():
    xy = [(0.0, 0.5)] * 50 + [(0.0, 0.5)]
    cells = draw(_cloud(xy, anomalous=[50], names=[""]), 21, 9)
    where = np.argwhere(cells.owner == ANOMALY)
    assert len(where) == 1
    assert cells.text[tuple(where[0])] == "◈"


def test_newest_frame_trail_and_selection_are_visible():
    xy = [(-0.5, 0.0), (0.0, 0.0), (0.5, 0.0), (0.0, 0.8)]
    cells = draw(_cloud(xy, anomalous=[3], names=[""], trail=(0, 1, 2), selected=3), 40, 11)
    assert (cells.text[cells.owner == NEWEST] == "@").all()
    assert (cells.owner == TRAIL).sum() == 2
    assert "".join(cells.text[cells.owner == SELECTED]) == ">◈<"


def test_the_name_of_a_mode_stands_at_its_centroid_and_two_names_never_overlap():
    rng = np.random.default_rng(3)
    xy = np.vstack([rng.normal(0, 0.05, (200, 2)), rng.normal(0.02, 0.05, (200, 2))])
    cloud = Cloud(xy, np.repeat([0, 1], 200), np.zeros(400, dtype=bool), ["eclipse", "sunlit"])
    rows = ["".join(row) for row in draw(cloud, 52, 17).text]
    assert any("eclipse" in row for row in rows)
    assert any("sunlit" in row for row in rows)
    assert rows[8].strip()


def test_few_colours_get_a_letter_per_mode():
    cells = draw(
        _cloud([(-0.5, 0.5), (0.5, 0.5)], classes=np.array([0, 1]), names=["a", "b"]), 20, 9, Signs(dots="ab")
    )
    assert {"a", "b"} <= set(cells.text.ravel())
    assert not any("⠀" <= sign <= "⣿" for sign in cells.text.ravel())


def test_the_axis_cross_shows_three_letters_where_the_axes_point():
    ends = cross(View(0, 0))
    axes = [(letter, float(x), float(y)) for letter, (x, y) in zip("123", ends, strict=True)]
    cells = draw(_cloud([(0.9, 0.9)], axes=axes), 52, 17)
    places = {str(cells.text[r, c]): (r, c) for r, c in np.argwhere(cells.owner == AXES)}
    assert places["2"][1] > places["3"][1]
    assert places["3"][0] < places["2"][0]
