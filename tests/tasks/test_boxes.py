"""Overlaps of boxes against shapely on pairs of every kind, and suppression against one that compares all pairs."""

import numpy as np
import pytest
import shapely

from ncp.tasks.boxes import bev_iou, corners, iou_3d, overlap_areas, suppress
from tests.tasks.random_boxes import polygons, random_boxes, related_pairs

CAR = np.array([3.0, -2.0, 0.5, 3.9, 1.6, 1.5, 0.3])


def test_overlaps_equal_shapely_on_ten_thousand_pairs(rng: np.random.Generator) -> None:
    first, second = related_pairs(10_000, rng)
    a, b = polygons(first), polygons(second)
    shared = shapely.area(shapely.intersection(a, b))
    union = first[:, 3] * first[:, 4] + second[:, 3] * second[:, 4] - shared
    np.testing.assert_allclose(overlap_areas(first, second), shared, atol=1e-9)
    np.testing.assert_allclose(bev_iou(first, second), shared / union, atol=1e-9)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_corners_are_those_of_the_box_and_counter_clockwise(rng: np.random.Generator) -> None:
    boxes = random_boxes(50, rng)
    found = corners(boxes)
    np.testing.assert_allclose(found.mean(axis=1), boxes[:, :3])
    np.testing.assert_allclose(np.ptp(found[..., 2], axis=1), boxes[:, 5])
    np.testing.assert_allclose(found[:, :4, 2], (boxes[:, 2] - boxes[:, 5] / 2)[:, None].repeat(4, axis=1))
    np.testing.assert_allclose(shapely.area(polygons(boxes)), boxes[:, 3] * boxes[:, 4])
    assert shapely.is_ccw(shapely.get_exterior_ring(polygons(boxes))).all()
    front = (found[:, 0] + found[:, 3] + found[:, 4] + found[:, 7]) / 4 - boxes[:, :3]
    np.testing.assert_allclose(np.hypot(*front[:, :2].T), boxes[:, 3] / 2)
    np.testing.assert_allclose(np.exp(1j * np.arctan2(front[:, 1], front[:, 0])), np.exp(1j * boxes[:, 6]))


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ([0, 0, 0], 1.0),
        ([0, 0, 0.75], 1 / 3),  # half the height
        ([0, 0, 1.5], 0.0),  # touching from above
        ([100, 0, 0], 0.0),
    ],
)
def test_volumes_of_moved_boxes(moved: list[float], expected: float) -> None:
    other = CAR.copy()
    other[:3] += moved
    assert iou_3d(CAR, other) == pytest.approx(expected, abs=1e-12)


def test_volumes_equal_those_of_shapely_times_the_shared_height(rng: np.random.Generator) -> None:
    first, second = related_pairs(1000, rng)
    shared = shapely.area(shapely.intersection(polygons(first), polygons(second)))
    spans = [np.stack([each[:, 2] - each[:, 5] / 2, each[:, 2] + each[:, 5] / 2]) for each in (first, second)]
    height = np.clip(np.minimum(spans[0][1], spans[1][1]) - np.maximum(spans[0][0], spans[1][0]), 0, None)
    volumes = [each[:, 3:6].prod(axis=1) for each in (first, second)]
    expected = shared * height / (volumes[0] + volumes[1] - shared * height)
    np.testing.assert_allclose(iou_3d(first, second), expected, atol=1e-9)


def test_a_box_without_area_overlaps_nothing() -> None:
    flat = CAR * np.array([1, 1, 1, 0, 1, 1, 1])
    assert bev_iou(flat, flat) == iou_3d(flat, flat) == bev_iou(flat, CAR) == 0


def test_all_pairs_broadcast(rng: np.random.Generator) -> None:
    a, b = random_boxes(4, rng), random_boxes(3, rng)
    found = bev_iou(a[:, None], b)
    assert found.shape == (4, 3)
    assert found[2, 1] == bev_iou(a[2], b[1])


@pytest.mark.parametrize("iou", [0.01, 0.3])
def test_suppression_equals_the_comparison_of_all_pairs(iou: float, rng: np.random.Generator) -> None:
    boxes = random_boxes(300, rng, reach=20.0)
    scores = rng.integers(0, 50, 300) / 50  # with ties
    shapes = polygons(boxes)
    expected: list[int] = []
    for i in sorted(range(300), key=lambda i: -scores[i]):
        shared = shapely.area(shapely.intersection(shapes[i], shapes[expected]))
        if not (shared > iou * (shapely.area(shapes[i]) + shapely.area(shapes[expected]) - shared)).any():
            expected.append(i)
    assert 20 < len(expected) < 280
    assert suppress(boxes, scores, iou).tolist() == expected
    assert suppress(boxes, scores, iou, most=7).tolist() == expected[:7]


def test_nothing_is_kept_of_nothing() -> None:
    assert suppress(np.zeros((0, 7)), np.zeros(0)).tolist() == []
