"""Average precision against loops over random scenes, and on curves that are computed by hand."""

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from ncp.tasks.average_precision import average_precisions, recall_thresholds
from ncp.tasks.objects import Objects
from tests.tasks.brute_force_ap import average_precisions_by_loops
from tests.tasks.random_boxes import NAMES, imperfect, random_labels


@pytest.mark.parametrize("difficulty", ["kitti", "range"])
@pytest.mark.slow
def test_it_equals_loops_on_random_scenes(difficulty: str) -> None:
    rng = np.random.default_rng(7)
    frames, spread = (200, 12.0) if difficulty == "kitti" else (100, 50.0)
    truth = random_labels(rng, frames, most=8, spread=spread)
    found = imperfect(truth, rng)
    values = average_precisions(truth, found, difficulty)  # type: ignore[arg-type]
    assert values == pytest.approx(average_precisions_by_loops(truth, found, difficulty), abs=1e-9)
    assert sum(5 < value < 95 for value in values.values()) > len(values) / 2


@pytest.mark.parametrize("seed", range(20))
def test_it_equals_loops_on_a_few_scenes(seed: int) -> None:
    """With so few labels a slot of recall shares its threshold with others."""
    rng = np.random.default_rng(seed)
    truth = random_labels(rng, frames=6, most=6, spread=5.0)
    found = imperfect(truth, rng, name_errors=0.3)
    assert average_precisions(truth, found) == pytest.approx(
        average_precisions_by_loops(truth, found, "kitti"), abs=1e-9
    )


def cars(frames: list[int], scores: list[float] | None = None, moved: list[float] | None = None) -> Objects:
    """Cars of 4 x 2 x 1.5 m, 10 m ahead, each 100 pixels high."""
    boxes = [[10.0 + each, 0, 0, 4, 2, 1.5, 0] for each in moved or [0.0] * len(frames)]
    return Objects.of(frames, "Car", boxes, [[0, 0, 100, 100]] * len(frames), scores=scores)


def test_every_second_detection_is_wrong() -> None:
    """200 labels; detections right, wrong, right, ..: precision n / (2 n - 1) after n right ones, to recall 1 / 2."""
    scores = np.linspace(1, 0.005, 200)
    values = average_precisions(cars(list(range(200))), cars(list(range(200)), list(scores), [0.0, 9.0] * 100))
    right = np.array([1, *range(5, 101, 5)])  # recall advances by 5 / 200
    assert recall_thresholds(scores[::2], 200) == pytest.approx(scores[::2][right - 1])
    precision = right / (2 * right - 1)
    assert values["car_3d_moderate_r40"] == pytest.approx(100 * precision[1:].sum() / 40)
    assert values["car_bev_easy_r11"] == pytest.approx(100 * precision[::4].sum() / 11)


def test_half_of_the_labels_found_without_a_mistake() -> None:
    values = average_precisions(cars(list(range(400))), cars(list(range(200))))
    assert values["car_3d_easy_r40"] == pytest.approx(50)
    assert values["car_3d_easy_r11"] == pytest.approx(100 * 6 / 11)


def test_precision_falls_to_a_half() -> None:
    """One frame of 100 wrong detections below 50 right and above 50 right ones: 1 to recall 1 / 2, then 1 / 2."""
    truth = cars(list(range(100)))
    right, wrong = cars(list(range(100)), [0.9] * 50 + [0.1] * 50), cars([100] * 100, [0.5] * 100)
    values = average_precisions(truth, Objects.joined([right, wrong]))
    assert values["car_3d_easy_r40"] == pytest.approx(100 * (20 * 1 + 20 * 0.5) / 40)


@pytest.mark.parametrize("frames", [1, 3, 39, 40, 41, 47, 60, 61, 100, 1000])
def test_perfect_detections_have_100_percent(frames: int) -> None:
    truth = cars(list(range(frames)))
    values = average_precisions(truth, replace(truth, scores=np.linspace(0.2, 0.9, frames)))
    assert len(values) == 18
    assert set(values.values()) == {100.0}


def test_perfect_detections_of_random_scenes_have_100_percent_where_a_label_counts() -> None:
    truth = random_labels(np.random.default_rng(3), frames=50, most=10, spread=1000.0)
    truth = replace(truth, rectangles=truth.rectangles + 500 * np.arange(len(truth))[:, None])  # none overlap
    for difficulty in ("kitti", "range"):
        values = average_precisions(truth, truth.where(np.isin(truth.names, NAMES[:6])), difficulty)
        assert set(values.values()) == {100.0}


def test_nothing_found_and_nothing_labelled() -> None:
    none = Objects.joined([])
    assert set(average_precisions(cars([0, 1]), none).values()) == {0.0}
    assert average_precisions(none, cars([0, 1])) == {}
    assert average_precisions(none, none, "range") == {}


def test_a_detection_in_a_region_without_labels_counts_in_space_only() -> None:
    """The second detection is in the middle of the region, and has no label."""
    truth = Objects.joined(
        [cars([0]), Objects.of(0, "DontCare", [[-1000.0, 0, 0, -1, -1, -1, 0]], [[150, 0, 300, 200]])]
    )
    other = Objects.of(0, "Car", [[30.0, 0, 0, 4, 2, 1.5, 0]], [[200, 50, 260, 110]], scores=[0.9])
    values = average_precisions(truth, Objects.joined([cars([0], [0.5]), other]))
    assert values["car_bbox_easy_r40"] == 100
    assert values["car_3d_easy_r40"] == values["car_bev_easy_r40"] == 50


@pytest.mark.parametrize("name", ["Van", "Truck"])
def test_a_car_in_place_of_a_van_is_forgiven_and_of_a_truck_is_not(name: str) -> None:
    vans = Objects.of([1], name, [[10.0, 0, 0, 4, 2, 1.5, 0]], [[0, 0, 100, 100]])
    values = average_precisions(Objects.joined([cars([0]), vans]), cars([0, 1], [0.5, 0.9]))
    assert values["car_3d_moderate_r40"] == (100 if name == "Van" else 50)


def test_overlap_of_exactly_the_limit_is_no_match() -> None:
    """Boxes of length 17, moved by 3: 14 / 20 of the union is shared."""
    box = [20.0, 0, 0, 17, 2, 2, 0]
    truth = Objects.of(0, "Car", [box], [[0, 0, 100, 100]])
    values = average_precisions(truth, Objects.of(0, "Car", [[23.0, *box[1:]]], [[0, 0, 100, 100]]))
    assert values["car_bev_easy_r40"] == 0
    values = average_precisions(truth, Objects.of(0, "Car", [[22.99, *box[1:]]], [[0, 0, 100, 100]]))
    assert values["car_bev_easy_r40"] == 100


@pytest.mark.slow
@pytest.mark.alone
def test_the_validation_split_takes_less_than_a_minute() -> None:
    rng = np.random.default_rng(0)
    truth = random_labels(rng, frames=3769, most=20, spread=60.0)
    extra = random_labels(rng, frames=3769, most=60, spread=60.0)
    found = Objects.joined([imperfect(truth, rng), replace(extra, scores=rng.random(len(extra)))])
    start = perf_counter()
    average_precisions(truth, found)
    assert perf_counter() - start < 60
