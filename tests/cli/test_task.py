"""`ncp task` as a user types it."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
import torch
import yaml

import ncp
from ncp import Code, macs
from tests.cli.conftest import Run
from tests.tasks.tiny import MAKERS

CODE = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"


def written(kind: str, **data: object) -> None:
    """A task file `mine.yaml` and its data, in the current folder."""
    recipe = MAKERS[kind](Path("mine"))
    Path("mine.yaml").write_text(yaml.safe_dump({"kind": kind, "data": {"path": "mine"} | data, "recipe": recipe}))


def test_show_prints_a_task_file_with_every_default(run: Run) -> None:
    written("segmentation")
    ran = run("task", "show", "mine.yaml", "--set", "recipe.optimiser.lr=0.3", "--set", "recipe.epochs=2")
    assert (ran.status, ran.err) == (0, "")
    document = yaml.safe_load(ran.out)
    assert document == ncp.load_task("mine.yaml", ["recipe.optimiser.lr=0.3", "recipe.epochs=2"]).to_dict()
    assert (document["recipe"]["optimiser"]["lr"], document["recipe"]["epochs"]) == (0.3, 2)
    assert (document["recipe"]["schedule"]["warmup"], "\n# The default warm-up of 2 " in ran.out) == (0.4, True)
    Path("shown.yaml").write_text(ran.out)
    assert ncp.load_task("shown.yaml").to_dict() == document
    assert json.loads(run("task", "show", "shown.yaml", "--json").out) == document


def test_show_needs_no_data_and_shows_the_keys_of_a_preset(run: Run) -> None:
    Path("a.yaml").write_text("kind: segmentation\ndata: {path: none}\nrecipe: {preset: nas-bench-mr/seg, batch: 8}\n")
    recipe = yaml.safe_load(run("task", "show", "a.yaml").out)["recipe"]
    assert (recipe["crop"], recipe["batch"], recipe["steps"]) == ([512, 1024], 8, 25_000)


@pytest.mark.parametrize(
    ("precision", "remark"),
    [
        ("auto", "# Precision auto: bfloat16 on GPUs that have it, float32 on processors.\n"),
        ("bfloat16", "# Precision bfloat16 on processors, too: those without AVX512-BF16 or AMX emulate it,\n"),
        ("float32", ""),
    ],
)
def test_show_says_what_processors_do_with_a_precision(run: Run, precision: str, remark: str) -> None:
    Path("a.yaml").write_text("kind: segmentation\ndata: {path: none}\n")
    ran = run("task", "show", "a.yaml", "--set", f"recipe.precision={precision}")
    assert (remark in ran.out, "# Precision" in ran.out) == (True, bool(remark))
    assert yaml.safe_load(ran.out)["recipe"]["precision"] == precision


@pytest.mark.parametrize("kind", MAKERS)
def test_check_fits_on_80_columns(run: Run, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    written(kind)
    ran = run("task", "check", "mine.yaml", "--code", CODE, "--set", "recipe.epochs=3")
    assert (ran.status, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) <= 80


def test_check_says_what_the_data_is_and_what_an_epoch_costs(run: Run) -> None:
    """5 crops of 32 x 32 in batches of 2: 2 steps, whose backward pass costs as much as two forward passes."""
    written("segmentation")
    arguments = ("task", "check", "mine.yaml", "--code", CODE, "--set", "recipe.batch=2", "--set", "recipe.epochs=3")
    ran = run(*arguments)
    training = 3 * 2 * 2 * macs(CODE, 32, 2, "segmentation").item()
    evaluation = 3 * macs(CODE, (32, 64), 2, "segmentation").item()
    lines = [line.rstrip() for line in ran.out.splitlines()]
    assert lines[:2] == ["mine: segmentation, 2 classes, in mine", "  land, sea"]
    assert "train        5  image: 32 x 64 x 3 (uint8)" in lines
    assert "  crop: [32, 32]" in lines
    assert lines[-8:] == [
        "Steps: 2 per epoch, 6 in all.",
        "The default warm-up of 2 epochs is shortened to 0.6, 20% of this training.",
        "Set recipe.schedule.warmup to choose another.",
        "These are few steps to learn from. Raise recipe.epochs, or lower recipe.batch.",
        "Metrics will be coarse, because only 3 samples will be evaluated.",
        f"Network: {CODE}",
        f"Cost of training: {training / 1e12:.4g} TMACs per epoch.",
        f"Cost of evaluation: {evaluation / 1e12:.4g} TMACs per epoch.",
    ]
    document = json.loads(run(*arguments, "--json").out)
    assert document["training_macs_per_epoch"] == training
    assert document["evaluation_macs"] == evaluation
    assert (document["steps_per_epoch"], document["steps"]) == (2, 6)
    assert document["classes"] == ["land", "sea"]
    assert document["code"] == str(Code.parse(CODE))
    assert document["splits"]["train"] == {
        "samples": 5,
        "arrays": {
            "image": {"shape": [32, 64, 3], "type": "uint8"},
            "mask": {"shape": [32, 64], "type": "uint8"},
        },
    }
    assert document["task"] == ncp.load_task("mine.yaml", ["recipe.batch=2", "recipe.epochs=3"]).to_dict()


@pytest.mark.parametrize(
    ("overrides", "warmup"),
    [
        (("recipe.epochs=30", "recipe.schedule.warmup=6"), None),
        (("recipe.epochs=30", "recipe.schedule.warmup=7"), 14),
        (("recipe.epochs=null", "recipe.steps=8"), 4),
    ],
)
def test_check_warns_of_a_long_warm_up_and_keeps_it(run: Run, overrides: tuple[str, str], warmup: int | None) -> None:
    """2 steps per epoch."""
    written("segmentation")
    more = [word for override in overrides for word in ("--set", override)]
    ran = run("task", "check", "mine.yaml", "--set", "recipe.batch=2", *more)
    assert (f"The warm-up takes {warmup} of " in ran.out) == ("The warm-up takes" in ran.out) == (warmup is not None)
    assert "shortened" not in ran.out


def test_check_is_content_with_300_steps(run: Run) -> None:
    written("segmentation")
    for epochs, few in ((149, True), (150, False)):
        ran = run("task", "check", "mine.yaml", "--set", "recipe.batch=2", "--set", f"recipe.epochs={epochs}")
        assert ("few steps" in ran.out) == few


def test_check_says_which_cost_is_not_counted(run: Run) -> None:
    written("segmentation")
    ran = run("task", "check", "mine.yaml", "--set", "recipe.image_size=[40, 64]")
    assert "The cost of evaluation is not counted: both sides of its images must be multiples of 32." in ran.out
    assert "Cost of training: " in ran.out


def test_check_names_every_bad_file(run: Run) -> None:
    """More than the ten that the message of a training lists."""
    written("classification")
    bad = sorted(Path("mine/train").rglob("*.png")) + sorted(Path("mine/val").rglob("*.png"))[:1]
    for path in bad:
        path.write_bytes(b"no picture")
    ran = run("task", "check", "mine.yaml")
    assert (ran.status, ran.err) == (2, "")
    assert [line.partition(" is not a picture")[0] for line in ran.out.splitlines()[:-2]] == [str(path) for path in bad]
    assert ran.out.splitlines()[-2].startswith("Samples that cannot be used: 13. Mend")
    document = json.loads(run("task", "check", "mine.yaml", "--json").out)
    assert [each["file"] for each in document["bad"]] == [str(path.relative_to("mine")) for path in bad]


def test_check_lists_what_skip_bad_leaves_out(run: Run) -> None:
    written("classification", skip_bad=True)
    path = sorted(Path("mine/train").rglob("*.png"))[0]
    path.write_bytes(b"")
    ran = run("task", "check", "mine.yaml")
    assert ran.status == 0
    assert ran.out.splitlines()[0] == "Samples that are left out: 1"
    assert str(path) in ran.out.splitlines()[1]
    assert "train       11  " in ran.out


def test_check_says_which_classes_have_no_sample_in_a_split(run: Run) -> None:
    written("classification", skip_bad=True)
    shutil.rmtree("mine/val/2")
    for path in Path("mine/train/10").iterdir():
        path.write_bytes(b"no picture")
    lines = run("task", "check", "mine.yaml").out.splitlines()
    start = lines.index("Classes without a sample in train: 10 (2 in val).")
    assert lines[start + 1 : start + 4] == [
        "Add samples of them to train.",
        "Classes without a sample in val: 2 (4 in train).",
        "Add samples of them to val.",
    ]
    found = json.loads(run("task", "check", "mine.yaml", "--json").out)["samples_of_classes"]
    assert found == {
        "train": {"10": 0, "2": 4, "sea gull ü": 4},
        "val": {"10": 2, "2": 0, "sea gull ü": 2},
    }


def test_check_says_that_a_class_has_too_few_pictures_to_be_split(run: Run) -> None:
    written("classification")
    shutil.rmtree("mine/val")
    pictures = sorted(Path("mine/train/2").iterdir())
    for path in pictures[1:]:
        path.unlink()
    evaluated = "Classes without a sample in val: 2 (1 in train).\nMake the folders train and val, with samples of"
    trained = "ncp: The class 2 has 1 sample, and the split by names leaves none to train on. Make the folders train"
    seen = set()
    picture = pictures[0]
    for number in range(30):
        picture = picture.rename(f"mine/train/2/{number}.png")
        chosen = int.from_bytes(sha256(f"train/2/{number}.png".encode()).digest()[:4]) < 0.2 * 2**32
        if chosen not in seen:
            ran = run("task", "check", "mine.yaml")
            refused = trained in " ".join(ran.err.split())
            assert (ran.status, refused, evaluated in ran.out) == (2 * chosen, chosen, not chosen)
        seen.add(chosen)
    assert len(seen) == 2


def test_check_names_pictures_that_are_ignored(run: Run) -> None:
    written("classification")
    out = run("task", "check", "mine.yaml").out
    assert "ignored" not in out
    assert "without a sample" not in out
    folder = sorted(path for path in Path("mine/train").iterdir() if path.is_dir())[0]
    for name in ("b.HEIC", "a.heif", "notes.txt"):
        (folder / name).touch()
    ran = run("task", "check", "mine.yaml")
    assert ran.status == 0
    assert f"their format is not read: 2, such as train/{folder.name}/a.heif." in ran.out
    document = json.loads(run("task", "check", "mine.yaml", "--json").out)
    assert document["ignored"] == [f"train/{folder.name}/{name}" for name in ("a.heif", "b.HEIC")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: maps", "mine.yaml: kind must be one of"),
        ("kind: segmentation\ndata: {path: none}", "There is no folder none. Set data.path in the task file."),
        ("kind: segmentation\ndata: {path: none}\nrecipe: {epoch: 3}", "Did you mean recipe.epochs?"),
        ("kind: segmentation\ndata: {path: none}\nrecipe: {scale: [2, 1]}", "Got 2"),
    ],
)
def test_mistakes_in_a_task_file(run: Run, text: str, message: str) -> None:
    Path("mine.yaml").write_text(text)
    ran = run("task", "check", "mine.yaml")
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err


def test_check_reads_the_files_of_a_command(run: Run) -> None:
    Path("mine.yaml").write_text("kind: command\ncommand: python train.py {code}\ndata: {files: [train.py]}\n")
    ran = run("task", "check", "mine.yaml")
    assert (ran.status, ran.out) == (2, "")
    assert "train.py" in ran.err
    Path("train.py").write_text("print(1)\n")
    ran = run("task", "check", "mine.yaml")
    assert (ran.status, ran.err) == (0, "")
    assert "command: python train.py {code}" in ran.out.splitlines()
    before = json.loads(run("task", "check", "mine.yaml", "--json").out)["data_hash"]
    Path("train.py").write_text("print(2)\n")
    assert json.loads(run("task", "check", "mine.yaml", "--json").out)["data_hash"] != before


def test_check_reads_the_weights_that_trainings_start_from(run: Run) -> None:
    written("segmentation")
    start = ("task", "check", "mine.yaml", "--set", "recipe.pretrained=start.pth")
    ran = run(*start)
    missing = Path("start.pth").resolve()
    assert (ran.status, ran.out, ran.err) == (
        2,
        "",
        f"ncp: Cannot read the weights in {missing}: No such file or directory.\n",
    )
    Path("start.pth").write_text("no weights")
    assert (run(*start).status, "start.pth is not a file of torch" in run(*start).err) == (2, True)
    weights = ncp.MultiResolutionNet(CODE, task="classification", num_classes=7).state_dict()  # of another head
    torch.save(weights, "start.pth")
    numbers = sum(weight.numel() for weight in weights.values())
    lines = run(*start).out.splitlines()
    assert lines[-2:] == [
        f"Start: {missing}, {len(weights)} arrays, {numbers:,} numbers.",
        "Whether they fit a network depends on its code: add --code CODE.",
    ]
    assert run(*start, "--code", CODE).out.splitlines()[-1] == "They fit the network."
    document = json.loads(run(*start, "--code", CODE, "--json").out)
    assert document["pretrained"] == {"file": str(missing), "arrays": len(weights), "numbers": numbers, "fits": True}
    ran = run(*start, "--code", CODE.replace("8_8-1_1", "16_8-1_1"))
    assert (ran.status, ran.out) == (2, "")
    assert f"The weights in {missing} are of another network: " in ran.err
