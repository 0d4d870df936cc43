"""Configuration files: defaults, overrides and errors."""

from dataclasses import fields
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml

from ncp.cli.train_predictor_config import read_config
from ncp.errors import ConfigError
from ncp.predictors.ensemble import EnsembleSettings
from ncp.predictors.fitting import KINDS, Kind, fit_predictor
from ncp.spaces.multires import MULTIRES

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
TASKS = {"seg", "seg-4x", "cls-50-1000", "cls-50-100", "cls-10-1000", "cls-10c", "video", "video-p", "3ddet"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "config.yaml"
    made.write_text("predictor:\n  kind: ensemble\noptimization:\n  epochs: 7\n")
    return made


def test_there_is_an_example_per_task() -> None:
    assert {path.stem for path in CONFIGS} == TASKS | {"all", "paper"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_examples_are_valid_and_spell_out_defaults(path: Path) -> None:
    config = read_config(path)
    assert config.predictor.kind == ("mlp" if path.stem == "paper" else "default")
    assert config.optimization == KINDS[config.predictor.kind].settings()
    assert config.folder == Path("out") / f"predictor-{path.stem}"
    if path.stem in TASKS:
        assert [column.partition("/")[0] for column in config.data.columns] == [path.stem]
    else:
        assert config.data.columns is None


@pytest.mark.parametrize("text", ["", "# nothing\n", "optimization:\n", "data:\npredictor:\n  seed: 0\n"])
def test_missing_keys_have_their_defaults(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    config = read_config(tmp_path / "config.yaml")
    assert config.optimization == KINDS["default"].settings()
    assert (config.data.table, config.data.columns, config.data.only_sampled) == ("nas-bench-mr", None, True)
    assert (config.split.seed, config.split.test_size, config.predictor.seed) == (0, 0.2, 0)
    assert config.folder == Path("out/predictor-default")


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_a_kind_is_a_key_with_the_same_default(file: Path, kind: str) -> None:
    file.write_text(f"predictor: {{kind: {kind}}}")
    config = read_config(file)
    assert get_args(Kind) == tuple(KINDS)
    written = yaml.safe_load(config.to_yaml())["optimization"]
    assert list(written) == [field.name for field in fields(KINDS[kind].settings)]
    assert config.optimization == KINDS[kind].settings()


def test_overrides(file: Path) -> None:
    assert read_config(file).optimization.epochs == 7
    config = read_config(
        file,
        [
            "optimization.epochs=50",
            "optimization.hidden=[16, 8]",
            "optimization.learning_rate=1e-3",
            "data.columns=[seg, video/top1]",
            "data.only_sampled=false",
            "split.test_size=0.5",
            "output.folder=somewhere/else",
            "optimization.members=3",
            "optimization.members=4",
        ],
    )
    assert config.optimization == EnsembleSettings(epochs=50, hidden=(16, 8), learning_rate=1e-3, members=4)
    assert config.data.columns == ("seg", "video/top1")
    assert not config.data.only_sampled
    assert config.split.test_size == 0.5
    assert config.folder == Path("somewhere/else")


def test_an_override_of_a_deeper_section(file: Path) -> None:
    config = read_config(file, ["predictor.kind=default", "optimization.gp.steps=9"])
    settings = config.optimization
    assert (settings.gp.steps, settings.epochs) == (9, 7)
    with pytest.raises(ConfigError, match=r"^optimization\.gp\.subset must be an integer, 2 or more\. Got 1\.$"):
        read_config(file, ["predictor.kind=default", "optimization.gp.subset=1"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_configuration_reads_the_same(file: Path, tmp_path: Path, kind: str) -> None:
    config = read_config(file, [f"predictor.kind={kind}", "optimization={}", "data.columns=[seg]"])
    (tmp_path / "again.yaml").write_text(config.to_yaml())
    again = read_config(tmp_path / "again.yaml")
    assert again.to_yaml() == config.to_yaml()
    assert again.optimization == config.optimization
    assert yaml.safe_load(config.to_yaml())["output"]["folder"] == f"out/predictor-{kind}"


def test_a_configuration_does_not_change(file: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_config(file).split.seed = 3


REFUSED = [
    ("optimization.epoch=3", "Expected a known key. Got 'optimization.epoch'. Did you mean optimization.epochs?"),
    ("epochs=3", "Expected a known key. Got 'epochs'. Did you mean optimization.epochs?"),
    ("optimisation.epochs=3", "Expected a known key. Got 'optimisation'. Did you mean optimization?"),
    ("split.sede=3", "Expected a known key. Got 'split.sede'. Did you mean split.seed?"),
    ("predictor.sed=3", "Expected a known key. Got 'predictor.sed'. Did you mean predictor.seed?"),
    ("epoch=3", "Expected a known key. Got 'epoch'. Did you mean optimization.epochs?"),
    ("predictor={kind: ensemble, a.b: 3}", "Expected a known key. Got 'predictor.a.b'. Did you mean predictor.seed?"),
    ("optimization.lr=3", "Expected a known key. Got 'optimization.lr'. Did you mean optimization.learning_rate?"),
    ("foo.bar=1", "There is no section 'foo'. The sections are data, split, predictor, optimization, output."),
    ("optimization.epochs=0", "optimization.epochs must be an integer, 1 or more. Got 0."),
    ("optimization.epochs=many", "optimization.epochs must be an integer, 1 or more. Got 'many'."),
    ("optimization.epochs=2.5", "optimization.epochs must be an integer, 1 or more. Got 2.5."),
    ("optimization.epochs=true", "optimization.epochs must be an integer, 1 or more. Got True."),
    ("optimization.epochs=", "optimization.epochs must be an integer, 1 or more. Got None."),
    ("optimization.members=1", "optimization.members must be an integer, 2 or more. Got 1."),
    ("optimization.hidden=[8, x]", "optimization.hidden must be an integer, 1 or more. Got 'x'."),
    ("optimization.hidden=8", "optimization.hidden must be a list of integers. Got 8."),
    ("optimization.dropout=1", "optimization.dropout must be a finite number at least 0 and below 1. Got 1."),
    (
        "optimization.learning_rate=.nan",
        "optimization.learning_rate must be a finite number above 0 and at most 1. Got nan.",
    ),
    ("optimization.weight_decay=.inf", "optimization.weight_decay must be a finite number at least 0. Got inf."),
    ("optimization.held_out='1'", "optimization.held_out must be a finite number above 0 and at most 0.5. Got '1'."),
    ("optimization.hidden=[]", "optimization.hidden must be a list of at least one integer. Got []."),
    ("optimization=3", "Expected optimization to be a section of keys. Got 3."),
    ("data=[]", "Expected data to be a section of keys. Got []."),
    ("data.table=''", "Expected data.table to be a text that is not empty. Got ''."),
    ("data.columns=seg", "Expected data.columns to be a list. Got 'seg'."),
    ("data.columns=[]", "Expected data.columns to be a list that is not empty. Got []."),
    ("data.only_sampled=1", "Expected data.only_sampled to be a valid boolean. Got 1."),
    ("split.seed=-1", "Expected split.seed to be greater than or equal to 0. Got -1."),
    ("split.test_size=1", "Expected split.test_size to be less than 1. Got 1."),
    (
        "predictor.kind=tree",
        "Expected predictor.kind to be 'default', 'mlp', 'ensemble', 'gp', 'exact' or 'transfer'. Got 'tree'.",
    ),
    (
        "predictor.kind=[gp]",
        "Expected predictor.kind to be 'default', 'mlp', 'ensemble', 'gp', 'exact' or 'transfer'. Got ['gp'].",
    ),
    ("predictor.kind=gp", "Expected a known key. Got 'optimization.epochs'. Did you mean optimization.steps?"),
    ("output.folder=3", "Expected output.folder to be a path. Got 3."),
    (
        "predictor.seed={a: 1, a: 2}",
        "Cannot read the value of predictor.seed: the section at line 1 has the key 'a' twice. Keep one of them.",
    ),
    (
        "predictor.seed=[1",
        "Cannot read the value of predictor.seed as YAML: expected ',' or ']', but got '<stream end>' at line 1.",
    ),
    *(
        (
            f"predictor.seed={tag} {value}",
            f"Cannot read the value of predictor.seed: line 1 has the tag {tag!r}. Write the value without it.",
        )
        for tag, value in (("!!int", "''"), ("!!float", "''"), ("!!bool", "foo"), ("!!timestamp", "x"), ("!!int", "3"))
    ),
    ("epochs", "Expected --set KEY=VALUE, such as --set optimization.epochs=50. Got 'epochs'."),
    ("=3", "Expected --set KEY=VALUE, such as --set optimization.epochs=50. Got '=3'."),
    ("split.=3", "Expected --set KEY=VALUE, such as --set optimization.epochs=50. Got 'split.=3'."),
    ("split.seed.x=3", "Expected split.seed to be a valid integer. Got {'x': 3}."),
    ("optimization.epochs.x=3", "Expected optimization.epochs to be a section of keys. Got 7."),
]


@pytest.mark.parametrize(("override", "message"), REFUSED, ids=[override for override, _ in REFUSED])
def test_refused_overrides(file: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_config(file, [override])
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "split: {seed: 1}\nsplit: {seed: 2}\n",
            "Cannot read {file}: the section at line 1 has the key 'split' twice. Keep one of them.",
        ),
        (
            "predictor:\n  kind: gp\nsplit:\n  seed: 1\n  seed: 2\n",
            "Cannot read {file}: the section at line 4 has the key 'seed' twice. Keep one of them.",
        ),
        ("hello", "Expected sections such as data, predictor and optimization. Got 'hello'."),
        ("- 1\n", "Expected sections such as data, predictor and optimization. Got [1]."),
        ("1: 2\n", "There is no section '1'."),
        ("[1, 2]: 2\n", "Cannot read {file} as YAML: found unhashable key at line 1."),
        (
            "split:\n  seed: !!python/object:os.system {}\n",
            "Cannot read {file}: line 2 has the tag '!!python/object:os.system'. Write the value without it.",
        ),
        ("split: {seed: 2020-99-99}\n", "Cannot read {file} as YAML: month must be in 1..12."),
        ("data: &a {}\nsplit: *a", "Cannot read {file}: line 2 has the alias '*a'. Write the value itself."),
        ("[" * 5000, "Cannot read {file} as YAML: maximum recursion depth exceeded."),
        (
            "split:\n  sed: 1\n  test_size: 2\n",
            "Expected split.test_size to be less than 1. Got 2.\n"
            "Expected a known key. Got 'split.sed'. Did you mean split.seed?",
        ),
    ],
)
def test_refused_files(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_config(file)
    assert str(refused.value).startswith(message.replace("{file}", str(file)).removesuffix("."))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"file .*none\.yaml: No such file or directory\. Leave out --config"):
        read_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        read_config(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\x00")
    with pytest.raises(ConfigError, match="Cannot read the configuration file"):
        read_config(tmp_path / "binary.yaml")


def test_settings_of_another_kind_are_refused() -> None:
    rows = [[8] * 27]
    with pytest.raises(ConfigError, match=r"settings must be GpSettings for the kind gp\. Got an object of type Ens"):
        fit_predictor(rows, [[1.0]], ["a/b"], kind="gp", settings=EnsembleSettings())


def test_few_steps_are_enough() -> None:
    codes = MULTIRES.sample(20, np.random.default_rng(0))
    for epochs in range(1, 8):  # one step each
        settings = EnsembleSettings(hidden=(4,), members=2, epochs=epochs)
        predictor = fit_predictor(codes, codes[:, :1] * 1.0, ["a/b"], kind="ensemble", settings=settings)
        assert np.isfinite(predictor.predict(codes).mean).all()
