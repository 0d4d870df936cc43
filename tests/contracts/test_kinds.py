"""One suite over all kinds of tasks, on tiny data sets that it makes."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from ncp.errors import DataError
from ncp.network.pillar_net import Maps
from ncp.tasks.decoded import Prepared
from ncp.tasks.kind import Batch
from ncp.tasks.kinds import KINDS
from ncp.tasks.pillars import Grid
from ncp.tasks.task import Task, task_from_dict
from tests.tasks.perfect_maps import perfect_maps
from tests.tasks.tiny import MAKERS

CODE = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"


def perfect_classes(batch: Batch, classes: int) -> Tensor:
    return one_hot(batch["label"], classes).float()


def perfect_pixels(batch: Batch, classes: int) -> Tensor:
    """Scores at the size of the masks, which are all of one size here."""
    height, width = batch["size"][0].tolist()
    truth = torch.stack(batch["truth"]).view(-1, height, width).long()
    return one_hot(truth.where(truth < classes, 0), classes).movedim(-1, 1).float()


def perfect_boxes(batch: Batch, _: int) -> Maps:
    return perfect_maps(batch, Grid((0.0, -19.2, -3.0), (38.4, 19.2, 1.0), (0.8, 0.8)))


PERFECT: dict[str, Callable[[Batch, int], Any]] = {
    "classification": perfect_classes,
    "segmentation": perfect_pixels,
    "video": perfect_classes,
    "detection3d": perfect_boxes,
}
"""Outputs of a network that is always right."""


@pytest.fixture(scope="module", params=MAKERS)
def task(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp(request.param)
    return made(request.param, folder)


@pytest.fixture(scope="module")
def prepared(task: Task) -> Prepared:
    return task.prepare()


@pytest.fixture(scope="module")
def network(task: Task) -> torch.nn.Module:
    torch.manual_seed(0)
    return task.kind.network(CODE, task.listing.classes, task.recipe)


def made(kind: str, folder: Path, **data: object) -> Task:
    """The task of a kind, whose data is made in a folder."""
    recipe = MAKERS[kind](folder)
    return task_from_dict({"name": kind, "kind": kind, "data": {"path": str(folder)} | data, "recipe": recipe})


def augmented(task: Task, prepared: Prepared, seed: int) -> Batch:
    batch = prepared.train.batch(range(task.recipe.batch))
    return task.kind.augmented(batch, prepared.train, task.recipe, Generator().manual_seed(seed))


def leaves(value: Any) -> Iterator[Tensor]:
    """The tensors of a batch or of outputs."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for name in sorted(value):
            yield from leaves(value[name])
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from leaves(each)


def same(one: Any, other: Any) -> bool:
    pairs = list(zip(leaves(one), leaves(other), strict=True))
    return bool(pairs) and all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


def test_every_kind_is_tested() -> None:
    assert set(MAKERS) == set(PERFECT) == set(KINDS)


def test_the_listing_depends_on_names_only(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = task.kind.listing(task.folder, task.data)
    shuffler = np.random.default_rng(0)
    for method in ("rglob", "glob", "iterdir"):
        original = getattr(Path, method)

        def shuffled(*arguments: Any, original: Any = original) -> Any:
            found = list(original(*arguments))
            return iter([found[place] for place in shuffler.permutation(len(found))])

        monkeypatch.setattr(Path, method, shuffled)
    for _ in range(3):
        assert task.kind.listing(task.folder, task.data) == expected


def test_the_generator_alone_decides_what_is_augmented(task: Task, prepared: Prepared) -> None:
    torch.manual_seed(1)
    first = augmented(task, prepared, 5)
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002 (a kind must not use it)
    assert same(first, augmented(task, prepared, 5))
    assert not same(first, augmented(task, prepared, 6))


def test_samples_are_not_changed_by_augmentation(task: Task, prepared: Prepared) -> None:
    batch = prepared.train.batch([0, 1, 2])
    copied = pickle.loads(pickle.dumps(batch))  # noqa: S301 (its own)
    task.kind.augmented(batch, prepared.train, task.recipe, Generator().manual_seed(0))
    assert same(batch, copied)


def test_the_network_takes_what_it_is_given(task: Task, prepared: Prepared, network: torch.nn.Module) -> None:
    evaluated = task.kind.prepared(prepared.val.batch([0, 1, 2]), task.recipe)
    for batch, mode in ((augmented(task, prepared, 0), True), (evaluated, False)):
        for each in leaves(batch["input"]):
            assert not each.is_floating_point() or each.isfinite().all()
        with torch.no_grad():
            assert all(each.isfinite().all() for each in leaves(network.train(mode)(batch["input"])))


def test_the_loss_falls_on_one_batch(task: Task, prepared: Prepared) -> None:
    torch.manual_seed(3)
    net = task.kind.network(CODE, task.listing.classes, task.recipe)
    batch = augmented(task, prepared, 0)
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    losses = []
    for _ in range(12):
        loss = task.kind.loss(net(batch["input"]), batch, task.recipe)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
        assert loss.dtype == torch.float32
        assert loss.shape == ()
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.7 * losses[0]


def test_metrics_do_not_depend_on_the_batches(task: Task, prepared: Prepared, network: torch.nn.Module) -> None:
    count = len(prepared.val)
    orders = [np.arange(count), np.arange(count)[::-1], np.random.default_rng(0).permutation(count)]
    network.eval()
    found = []
    for rows, size in zip(orders, (1, 2, count), strict=True):
        metric = task.kind.metric(prepared.val, task.recipe)
        for start in range(0, count, size):
            batch = task.kind.prepared(prepared.val.batch(rows[start : start + size]), task.recipe)
            with torch.no_grad():
                metric.update(network(batch["input"]), batch)
        found.append(metric.values())
    assert list(found[0])[: len(task.kind.metrics)] == list(task.kind.metrics)
    assert all(np.isfinite(value) for value in found[0].values())
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=0.2)  # sums in another order can change a pixel of nearly a tie


def test_perfect_outputs_give_100(task: Task, prepared: Prepared) -> None:
    metric = task.kind.metric(prepared.val, task.recipe)
    for row in range(len(prepared.val)):
        batch = task.kind.prepared(prepared.val.batch([row]), task.recipe)
        metric.update(PERFECT[task.kind.name](batch, len(prepared.classes)), batch)
    values = metric.values()
    assert {name: values[name] for name in task.kind.metrics} == dict.fromkeys(task.kind.metrics, 100.0)


def test_decoded_once_or_in_every_epoch(task: Task, prepared: Prepared) -> None:
    """Without the cache batches are the same, and so they are in another process."""
    document = task.to_dict()
    other = task_from_dict(document | {"data": document["data"] | {"cache": False}}).prepare()
    assert other.data_hash == prepared.data_hash
    for one, two in ((prepared.train, other.train), (prepared.val, other.val)):
        rows = np.random.default_rng(0).permutation(len(one))
        assert len(one) == len(two)
        assert same(one.batch(rows), two.batch(rows))
        sent = pickle.loads(pickle.dumps(one))  # noqa: S301 (as a loader's process gets it)
        assert same(one.batch(rows), sent.batch(rows))


def test_a_bad_file_stops_the_task_unless_it_is_left_out(task: Task, prepared: Prepared, tmp_path: Path) -> None:
    broken = made(task.kind.name, tmp_path)
    sample = broken.listing.splits["train"][1]
    path = tmp_path / sample.files[0]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError) as refused:
        broken.prepare()
    assert str(refused.value).startswith(f"1 of {sum(map(len, broken.listing.splits.values()))} samples cannot be used")
    assert str(path) in str(refused.value)
    mended = task_from_dict(broken.to_dict() | {"data": {"path": str(tmp_path), "skip_bad": True}}).prepare()
    assert [name for name, _ in mended.skipped] == [sample.files[0]]
    assert len(mended.train) == len(prepared.train) - 1
    rows = [row for row in range(len(prepared.train)) if row != 1]
    assert same(mended.train.batch(range(len(rows))), prepared.train.batch(rows))
    if (tmp_path / "ImageSets").exists():
        return  # a list of samples names the file
    path.unlink()  # the hash says that a file was left out, not only which ones are there
    if all((tmp_path / name).unlink() is None for name in sample.files[1:]):
        shorter = task_from_dict(broken.to_dict()).prepare()
        assert len({mended.data_hash, shorter.data_hash, prepared.data_hash}) == 3


def test_the_data_hash_changes_with_any_byte_and_not_with_the_folder(
    task: Task, prepared: Prepared, tmp_path: Path
) -> None:
    folder = shutil.copytree(task.folder, tmp_path / "elsewhere")
    moved = task_from_dict(task.to_dict() | {"data": {"path": str(folder)}})
    assert moved.prepare().data_hash == prepared.data_hash
    with (folder / moved.listing.splits["val"][0].files[-1]).open("ab") as file:
        file.write(b"\0")
    assert moved.prepare().data_hash != prepared.data_hash


def test_the_counted_parameters_are_those_of_the_network(task: Task, network: torch.nn.Module) -> None:
    counting = task.counting
    assert counting is not None
    counted = getattr(network, "backbone", network)  # the cost of encoding pillars depends on the points
    assert counting.params(CODE).item() == sum(each.numel() for each in counted.parameters())


DEFAULTS = {
    "classification 1": "24c19ad3",
    "detection3d 1": "7f7825ec",
    "segmentation 1": "0ae48ab7",
    "video 1": "587fec07",
}
"""For the version of each kind, a hash of its default settings."""


def test_other_defaults_have_another_version() -> None:
    """Runs are identified by what differs from the defaults, so new defaults need a new version of the kind.

    If this fails, raise `version` of the kind whose defaults, augmentation or network have changed, and write the hash.
    """
    found = {}
    for name, kind in KINDS.items():
        data = kind.data.model_construct(path=Path())
        settings = [section.model_dump(mode="json") for section in (data, kind.recipe())]
        found[f"{name} {kind.version}"] = sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    assert found == DEFAULTS


def test_metadata_is_plain(task: Task) -> None:
    assert json.loads(json.dumps(task.kind.metadata(task.recipe)))
    assert json.loads(json.dumps(task.to_dict()))["recipe"]["batch"] == task.recipe.batch
