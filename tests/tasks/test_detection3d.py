"""The kind detection3d: what it lists and reads, what its network is given, and how perfect maps score."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from benchmarks.lidar_scenes import IMAGE, make_scenes
from ncp.errors import ConfigError, DataError
from ncp.network.pillar_net import Maps
from ncp.tasks.anchor_head import detections
from ncp.tasks.anchors import PER_PLACE, anchor_boxes
from ncp.tasks.detection3d import CLASSES, NAMES, Detection3d, DetectionData
from ncp.tasks.kitti import read_camera, read_labels, read_points
from ncp.tasks.task import Task, task_from_dict
from ncp.training.batches import moved
from tests.tasks.perfect_maps import perfect_maps

SMALL_GRID: dict[str, Any] = {"low": [0.0, -16.0, -3.0], "high": [38.4, 16.0, 1.0], "voxel": [0.4, 0.4], "batch": 2}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    make_scenes(folder, train=3, val=3, seed=1)
    return folder


def task(folder: Path, recipe: dict[str, Any] | None = None, **data: Any) -> Task:
    keys = {"path": str(folder)} | (data or {"image_size": list(IMAGE)})
    return task_from_dict(
        {"name": "lidar", "kind": "detection3d", "data": keys, "recipe": SMALL_GRID | (recipe or {})}, folder
    )


def everything(chosen: Task, split: str = "val") -> dict[str, Any]:
    prepared = chosen.prepare()
    data = prepared.val if split == "val" else prepared.train
    return data.batch(range(len(data)))


def test_real_frames_are_read_as_they_are(shared: Path) -> None:
    folder = shared / "data" / "tasks" / "kitti"
    kind, data = Detection3d(), DetectionData(path=folder)
    listing = kind.listing(folder, data)
    assert listing.classes == ("Car", "Pedestrian", "Cyclist")
    assert len(listing.splits["train"][0].files) == 4
    sample = next(each for each in listing.splits["train"] if "000001" in each.files[0])
    arrays = kind.read(folder, sample, CLASSES, data, None)
    labels = read_labels(folder / "training" / "label_2" / "000001.txt")
    camera = read_camera(folder / "training" / "calib" / "000001.txt", (1242, 375))
    assert [NAMES[int(number)] for number in arrays["labels"][:, 0]] == ["Other", "Car", "Cyclist", *["DontCare"] * 4]
    np.testing.assert_array_equal(arrays["labels"][:, 2], labels.occluded)
    np.testing.assert_allclose(camera.from_lidar(arrays["labels"][:, 7:]), labels.boxes, atol=1e-9)
    points = read_points(folder / "training" / "velodyne" / "000001.bin")
    assert arrays["points"].tolist() == points[camera.sees(points)].tolist()
    assert arrays["size"].tolist() == [1242, 375]


def test_without_images_and_calibration_all_points_are_used(scenes: Path, tmp_path: Path) -> None:
    make_scenes(tmp_path / "plain", 1, 1, seed=1, camera=False)
    kind, data = Detection3d(), DetectionData(path=tmp_path / "plain", difficulty="range")
    [sample] = kind.listing(tmp_path / "plain", data).splits["train"]
    arrays = kind.read(tmp_path / "plain", sample, CLASSES, data, None)
    assert len(arrays["points"]) == len(read_points(tmp_path / "plain" / sample.files[0]))
    with_camera = everything(task(scenes), "train")  # the first scene is the same
    np.testing.assert_allclose(arrays["labels"][:, 7:], with_camera["labels"][0][:, 7:], atol=2e-4)
    assert arrays["size"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("removed", "data", "message"),
    [
        ("training/velodyne", {}, "There is no folder .*velodyne"),
        ("ImageSets/val.txt", {}, "Cannot read .*val.txt"),
        ("training/calib", {}, "There is no folder .*calib"),
        ("training/image_2", {"difficulty": "kitti"}, "Set data.image_size to their width and height"),
    ],
)
def test_missing_files_are_named(
    scenes: Path, tmp_path: Path, removed: str, data: dict[str, Any], message: str
) -> None:
    folder = shutil.copytree(scenes, tmp_path / "scenes")
    if (folder / removed).is_dir():
        shutil.rmtree(folder / removed)
    (folder / removed).unlink(missing_ok=True)
    with pytest.raises(DataError, match=message):
        task(folder, **data).prepare()


def test_a_bad_cloud_stops_the_task_or_is_left_out(scenes: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(scenes, tmp_path / "scenes")
    bad = folder / "training" / "velodyne" / "000001.bin"
    points = np.fromfile(bad, dtype="<f4")
    points[5] = np.nan
    points.tofile(bad)
    with pytest.raises(DataError, match=r"000001.bin has values that are not finite in 1 of"):
        task(folder).prepare()
    prepared = task(folder, image_size=list(IMAGE), skip_bad=True).prepare()
    assert len(prepared.train) == 2


@pytest.mark.parametrize("high", [[38.5, 16.0, 1.0], [0.0, 16.0, 1.0], [38.4, 16.0, -3.0]])
def test_a_range_without_whole_pillars_is_refused(scenes: Path, high: list[float]) -> None:
    with pytest.raises(ConfigError, match=r"recipe.high must be greater than low, by a multiple of voxel"):
        task(scenes, {"high": high})


def test_the_network_is_given_the_points_and_the_objects_in_range(scenes: Path) -> None:
    chosen = task(scenes)
    batch = everything(chosen)
    ready = chosen.kind.prepared(batch, chosen.recipe)
    assert ready["input"].scenes == 3
    for i in range(3):
        points, labels = batch["points"][i].double().numpy(), batch["labels"][i].numpy()
        cells = {
            (int((y + 16) / 0.4), int(x / 0.4)) for x, y, z, _ in points if x < 38.4 and abs(y) < 16 and -3 <= z < 1
        }
        places = ready["input"].places
        assert {tuple(place) for place in places[places[:, 0] == i, 1:].tolist()} == cells
        near = (labels[:, 0] < 3) & (labels[:, 7] < 38.4) & (np.abs(labels[:, 8]) < 16)
        assert ready["classes"][i].tolist() == labels[near, 0].tolist()
        np.testing.assert_allclose(ready["boxes"][i].numpy(), labels[near, 7:], rtol=1e-5, atol=1e-5)


def test_augmentation_follows_its_generator_and_adds_objects(scenes: Path) -> None:
    chosen = task(scenes, {"added": 5})
    data = chosen.prepare().train
    batch = data.batch([0, 1])

    def augmented(seed: int, **changes: Any) -> dict[str, Any]:
        recipe = chosen.recipe.model_copy(update=changes)
        return chosen.kind.augmented(data.batch([0, 1]), data, recipe, Generator().manual_seed(seed))

    one, same, other = augmented(1), augmented(1), augmented(2)
    assert (one["input"].features == same["input"].features).all()
    assert one["boxes"][0].shape != other["boxes"][0].shape or (one["boxes"][0] != other["boxes"][0]).any()
    plain = augmented(1, added=0, flip=0.0, turn=0.0, scale=0.0)
    expected = chosen.kind.prepared(batch, chosen.recipe)
    assert sorted(plain["input"].places.tolist()) == sorted(expected["input"].places.tolist())
    assert torch.equal(plain["boxes"][0], expected["boxes"][0])
    assert sum(map(len, augmented(1, turn=0.0)["boxes"])) > sum(map(len, plain["boxes"]))


@pytest.mark.parametrize("difficulty", ["kitti", "range"])
def test_perfect_maps_score_100_and_empty_ones_0(scenes: Path, difficulty: str) -> None:
    """The grid is larger than the scenes, since a label outside of it cannot be found."""
    data = {"image_size": list(IMAGE)} if difficulty == "kitti" else {"difficulty": "range"}
    chosen = task(scenes, {"low": [0.0, -32.0, -3.0], "high": [64.0, 32.0, 1.0]}, **data)
    batch = chosen.kind.prepared(everything(chosen), chosen.recipe)
    metric = chosen.kind.metric(chosen.prepare().val, chosen.recipe)
    metric.update(perfect_maps(batch, chosen.recipe.grid), batch)
    values = metric.values()
    assert list(values)[:3] == ["moderate", "easy", "hard"]
    scored = [value for value in values.values() if not np.isnan(value)]
    assert len(scored) >= 12
    assert min(scored) > 99.9
    empty = chosen.kind.metric(chosen.prepare().val, chosen.recipe)
    empty.update(Maps(*(torch.full((3, PER_PLACE * size, 80, 80), -9.0) for size in (3, 7, 2))), batch)
    assert {value for value in empty.values().values() if not np.isnan(value)} == {0.0}
    assert values["easy"] == values["car_3d_easy_r40" if difficulty == "kitti" else "car_3d_near_r40"]
    if difficulty == "range":
        assert np.isnan(values["hard"])  # no car is 50 metres away


def test_cost_and_metadata(scenes: Path) -> None:
    chosen = task(scenes)
    assert chosen.counting is not None
    assert chosen.counting.image_size == (80, 96)
    assert chosen.counting.classes == 6 * 12
    assert task(scenes, {"voxel": [0.8, 0.8]}).counting is None  # 40 rows are no multiple of 16
    about = chosen.kind.metadata(chosen.recipe)
    assert about["voxel"] == (0.4, 0.4)
    assert [each["name"] for each in about["anchors"]] == ["Car", "Pedestrian", "Cyclist"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same(scenes: Path) -> None:
    chosen = task(scenes)
    data = chosen.prepare().train
    found = []
    for device in ("cpu", "cuda"):
        batch = moved(data.batch([0, 1, 2]), torch.device(device))
        ready = chosen.kind.augmented(batch, data, chosen.recipe, Generator().manual_seed(0))
        maps = Maps(*(each.to(device) for each in perfect_maps(on_the_processor(ready), chosen.recipe.grid)))
        places, order = ready["input"].places.cpu(), ready["input"].features.cpu()
        first = detections(maps, anchor_boxes(chosen.recipe.grid, 40, 48).to(device))[0]
        found.append((chosen.kind.loss(maps, ready, chosen.recipe).item(), places, order, first.boxes))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-4)
    for one, other in zip(found[0][1:], found[1][1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def on_the_processor(ready: dict[str, Any]) -> dict[str, Any]:
    return {name: [each.cpu() for each in ready[name]] for name in ("boxes", "classes")}
