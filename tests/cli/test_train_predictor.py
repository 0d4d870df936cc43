"""`ncp train-predictor` as a user types it."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import yaml

import ncp
import ncp.cli
from tests.cli.conftest import Run

FILES = {"predictor.safetensors", "metrics.json", "heldout.json", "scatter.svg", "config.yaml"}
SMALL = {
    "default": ["optimization.epochs=2", "optimization.members=2", "optimization.gp={steps: 2, inducing: 16}"],
    "mlp": ["optimization.epochs=2"],
    "ensemble": ["optimization.epochs=2", "optimization.members=2"],
    "gp": ["optimization.steps=2", "optimization.inducing=16"],
}


@pytest.fixture
def table(tmp_path: Path) -> ncp.Table:
    """120 codes with values that follow from them, one missing, and 20 rows added by hand; `table.parquet` here."""
    rng = np.random.default_rng(0)
    codes = ncp.MULTIRES.sample(120, rng)
    size = np.log(ncp.macs(codes))
    values = np.stack([70 + size + 0.1 * rng.normal(size=120), 20 - size + 0.1 * rng.normal(size=120)], axis=1)
    values[3, 1] = math.nan
    origin = np.where(np.arange(120) < 100, "wide-4", "searched")
    made = ncp.Table(ncp.MULTIRES, codes, values, ["seg/mIoU", "video/top1"], origin)
    made.to_parquet(tmp_path / "table.parquet")
    return made


@pytest.fixture
def config(table: ncp.Table, tmp_path: Path) -> str:  # noqa: ARG001
    (tmp_path / "config.yaml").write_text("data:\n  table: table.parquet\noptimization: {}\n")
    return "config.yaml"


def sets(*overrides: str) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


@pytest.mark.parametrize("kind", SMALL)
def test_every_kind(run: Run, config: str, table: ncp.Table, kind: str) -> None:
    status, out, _ = run("train-predictor", "--config", config, *sets(f"predictor.kind={kind}", *SMALL[kind]))
    assert status == 0
    folder = Path("out") / f"predictor-{kind}"
    assert {path.name for path in folder.iterdir()} == FILES
    assert "seg/mIoU" in out
    assert f"Written: {folder}/predictor.safetensors" in out
    predictor = ncp.load_predictor(folder / "predictor.safetensors")
    assert (predictor.kind, predictor.columns) == (kind, table.columns)
    assert predictor.has_seen(table.codes).sum() == json.loads((folder / "metrics.json").read_text())["split"]["train"]
    assert not predictor.has_seen(table.codes[~table.sampled]).any()
    assert (folder / "scatter.svg").read_text().startswith("<?xml")
    assert yaml.safe_load((folder / "config.yaml").read_text())["predictor"] == {"kind": kind, "seed": 0}


def test_an_earlier_predictor_is_not_replaced_without_a_word(run: Run, table: ncp.Table) -> None:  # noqa: ARG001
    chosen = sets("predictor.kind=gp", "data.table=table.parquet", *SMALL["gp"])
    status, out, _ = run("train-predictor", *chosen)  # without a file, other keys have their defaults
    assert (status, "replace" in out) == (0, False)
    assert yaml.safe_load(Path("out/predictor-gp/config.yaml").read_text())["split"] == {"seed": 0, "test_size": 0.2}
    *_, last = run("train-predictor", *chosen, "--set", "split.seed=1").out.splitlines()
    assert last == (
        "The results replace those of an earlier run in out/predictor-gp. To keep both, name another folder with --out."
    )


def test_frequent_keys_have_options(run: Run, table: ncp.Table) -> None:  # noqa: ARG001
    named = ("--table", "table.parquet", "--tasks", "seg, video/top1", "--kind", "gp", "-o", "here")
    status, out, _ = run("train-predictor", *named, *sets(*SMALL["gp"]))
    assert (status, "Written: here/predictor.safetensors" in out) == (0, True)
    written = yaml.safe_load(Path("here/config.yaml").read_text())
    assert (written["data"]["columns"], written["predictor"]["kind"]) == (["seg", "video/top1"], "gp")
    status, _, error = run("train-predictor", *named, *sets("predictor.kind=mlp"))
    assert (status, error) == (
        2,
        "ncp: predictor.kind is set by --set and by an option of its own. Leave out one of them.\n",
    )


def test_rows_with_flags_are_left_out(run: Run, table: ncp.Table) -> None:
    flags = np.where(np.arange(120) % 3 == 0, "bad,odd", np.where(np.arange(120) % 3 == 1, "odd", ""))
    ncp.Table(table.space, table.codes, table.values, table.columns, table.origin, flags).to_parquet("flagged.parquet")
    arguments = ("--table", "flagged.parquet", "--kind", "gp", "--json", *sets(*SMALL["gp"]))
    split = json.loads(run("train-predictor", *arguments, *sets("data.without_flags=[bad]")).out)["split"]
    _, held_out = table.split(0)
    kept = (np.arange(120) % 3 > 0) & (np.arange(120) < 100)  # the last 20 were added by hand
    assert split["test"] == kept[held_out].sum()
    assert split["train"] == kept.sum() - split["test"]
    status, _, error = run("train-predictor", *arguments, *sets("data.without_flags=[none]"))
    assert (status, error) == (
        2,
        "ncp: data.without_flags names 'none', which no row has. The flags are bad, odd.\n",
    )


def test_metrics_for_programs(run: Run, config: str, table: ncp.Table) -> None:
    chosen = sets("predictor.kind=ensemble", *SMALL["ensemble"], "output.folder=here", "split.seed=5")
    status, out, _ = run("train-predictor", "--config", config, "--json", *chosen)
    assert status == 0
    metrics = json.loads(out)
    assert metrics == json.loads(Path("here/metrics.json").read_text())
    assert json.loads(Path("here/heldout.json").read_text())["run"] == metrics["run"]
    assert metrics["run"] in Path("here/scatter.svg").read_text()
    assert Path("here/config.yaml").read_text().splitlines()[0] == f"# run: {metrics['run']}"
    assert sha256(Path("here/predictor.safetensors").read_bytes()).hexdigest() == metrics["predictor_sha256"]
    rows, held_out = table.split(5)
    complete = ~np.isnan(table.values).any(axis=1) & table.sampled
    split = {"seed": 5, "test_size": 0.2, "train": complete[rows].sum(), "test": complete[held_out].sum()}
    assert metrics["split"] == split
    assert (metrics["kind"], metrics["table"]) == ("ensemble", "table.parquet")
    assert set(metrics["files"].values()) == {f"here/{name}" for name in FILES}
    predictor, tested = ncp.load_predictor("here/predictor.safetensors"), held_out[complete[held_out]]
    predicted = predictor.predict(table.codes[tested])
    error = np.abs(predicted.mean - table.values[tested])
    for j, column in enumerate(table.columns):
        found = metrics["columns"][column]
        assert set(found) == {"tau", "mae", "within_one", "within_two", "n"}
        assert found["n"] == len(tested)
        assert found["mae"] == pytest.approx(error[:, j].mean())
        assert found["within_one"] == pytest.approx((error <= predicted.std)[:, j].mean())
        assert -1 <= found["tau"] <= 1


def test_more_training_ranks_better(run: Run, config: str) -> None:
    chosen = sets("predictor.kind=ensemble", "data.columns=[seg]", "optimization.members=3", "optimization.epochs=50")
    _, out, _ = run("train-predictor", "--config", config, "--json", *chosen)
    columns = json.loads(out)["columns"]
    assert list(columns) == ["seg/mIoU"]
    assert columns["seg/mIoU"]["tau"] > 0.5
    assert yaml.safe_load(Path("out/predictor-ensemble/config.yaml").read_text())["optimization"]["epochs"] == 50


def test_rows_added_by_hand_can_be_tested_on_only(run: Run, config: str, table: ncp.Table) -> None:
    small = sets("predictor.kind=gp", *SMALL["gp"], "data.columns=[seg]", "data.only_sampled=false")
    _, out, _ = run("train-predictor", "--config", config, "--json", *small)
    rows, held_out = table.split(0)
    split = json.loads(out)["split"]
    assert (split["train"], split["test"]) == (table.sampled[rows].sum(), len(held_out))
    predictor = ncp.load_predictor("out/predictor-gp/predictor.safetensors")
    assert not predictor.has_seen(table.codes[~table.sampled]).any()


def test_the_written_configuration_does_the_same_again(run: Run, config: str) -> None:
    run("train-predictor", "--config", config, *sets("predictor.kind=gp", *SMALL["gp"], "output.folder=first"))
    first = {name: Path("first", name).read_bytes() for name in FILES}
    run("train-predictor", "--config", "first/config.yaml", *sets("output.folder=second"))
    second = {name: Path("second", name).read_bytes() for name in FILES}
    assert first["predictor.safetensors"] == second["predictor.safetensors"]
    assert first["metrics.json"] == second["metrics.json"].replace(b"second/", b"first/")
    assert first["config.yaml"] == second["config.yaml"].replace(b"second", b"first")


def test_the_published_table(run: Run, shared: Path, tmp_path: Path) -> None:
    from ncp.tables.cache import import_folder

    (tmp_path / "video").mkdir()
    for file in ("search_list.txt", "video/trainval.pkl"):
        (tmp_path / file).symlink_to(shared / "data" / "nas-bench-mr" / file)
    import_folder(tmp_path, tmp_path / "root")
    example = Path(__file__).parents[2] / "configs" / "video.yaml"
    small = sets("predictor.kind=ensemble", "optimization={epochs: 2, members: 3}", "output.folder=out")
    status, out, _ = run("train-predictor", "--config", str(example), "--root", "root", "--json", *small)
    assert status == 0
    metrics = json.loads(out)
    assert list(metrics["columns"]) == ["video/top1", "video/top5"]
    assert metrics["split"]["train"] + metrics["split"]["test"] == 2507 - 11
    assert metrics["columns"]["video/top1"]["tau"] > 0.5


@pytest.mark.parametrize("as_json", [[], ["--json"]])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            sets("optimization.epoch=50"),
            "Expected a known key. Got 'optimization.epoch'. Did you mean optimization.epochs?\n",
        ),
        (sets("optimization.epochs=few"), "optimization.epochs must be an integer, 1 or more. Got 'few'.\n"),
        (sets("epochs"), "Expected --set KEY=VALUE, such as --set optimization.epochs=50. Got 'epochs'.\n"),
        (sets("data.table=nas-bench-mr"), "The table nas-bench-mr does not exist: there is no file "),
        (sets("data.table=none"), "There is no file 'none'. Give the path of a table"),
        (sets("data.columns=[sge]"), "The table has no task or column 'sge'. Did you mean 'seg'?"),
        (
            sets("split.test_size=0.05"),
            "Expected at least 10 complete rows to train on and 10 to test on. "
            "Got 93 and 6 of 120. Change split.test_size or data.columns.\n",
        ),
        (
            sets("output.folder=config.yaml"),
            "Cannot write config.yaml: ",
        ),
        (
            ["--config", "none.yaml"],
            "Cannot read the configuration file none.yaml: No such file or directory.",
        ),
        (
            ["--config", "twice.yaml"],
            "Cannot read twice.yaml: the section at line 2 has the key 'seed' twice. Keep one of them.\n",
        ),
    ],
)
def test_bad_input_is_one_message_and_exit_status_2(
    run: Run, config: str, tmp_path: Path, arguments: list[str], message: str, as_json: list[str]
) -> None:
    Path("twice.yaml").write_text("split:\n  seed: 1\n  seed: 2\n")
    before = sorted(tmp_path.rglob("*"))
    status, out, err = run("train-predictor", "--config", config, *arguments, *as_json)
    assert (status, out) == (2, "")
    assert err.startswith(f"ncp: {message}")
    assert "Traceback" not in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["--config", "x", "y"], ["--config", "x", "--nonsense"]])
def test_a_mistake_in_the_command_line_is_exit_status_2(run: Run, arguments: list[str]) -> None:
    status, out, err = run("train-predictor", *arguments)
    assert (status, out) == (2, "")
    assert "Usage: " in err


@pytest.mark.slow
@pytest.mark.alone
def test_stopping_leaves_nothing_half_written(config: str, tmp_path: Path) -> None:
    program = (
        "import ncp, ncp.cli; fit = ncp.fit_predictor; "
        "ncp.fit_predictor = lambda *args, **more: (print('begun', flush=True), fit(*args, **more)); ncp.cli.main()"
    )
    endless = sets("predictor.kind=ensemble", "optimization.epochs=1000000")
    command = [sys.executable, "-c", program, "train-predictor", "--config", config, *endless]
    before = sorted(tmp_path.rglob("*"))
    with subprocess.Popen(  # noqa: S603
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "begun\n"
            time.sleep(0.5)
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == 130
    assert err.splitlines()[-1] == "ncp: stopped"
    assert "Traceback" not in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_new_task_with_few_labels(run: Run, config: str, table: ncp.Table) -> None:
    values = np.column_stack([table.values[:, 0], table.values[:, 0] ** 2])
    values[30:, 1] = math.nan
    ncp.Table(table.space, table.codes, values, ["seg/mIoU", "new/score"]).to_parquet("table.parquet")
    overrides = sets("predictor.kind=transfer", "optimization.steps=2", "split.test_size=0.5")
    status, out, error = run("train-predictor", "--config", config, *overrides, "--json")
    assert status == 0, error
    metrics = json.loads(out)
    labelled = np.isfinite(values).all(axis=1)
    train, test = ncp.load_table("table.parquet").split(0, 0.5)
    assert (metrics["split"]["train"], metrics["split"]["test"]) == (len(train), labelled[test].sum())
    fitted = ncp.load_predictor("out/predictor-transfer/predictor.safetensors")
    assert fitted.has_seen(table.codes[train]).all()
    assert fitted.core.config["labels"] == [labelled[train].sum()]
