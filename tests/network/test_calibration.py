"""A calibration: what is measured, and kept in a file."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ncp
from ncp import MULTIRES, Code, ConfigError, DataError, LatencyModel, macs
from ncp.network.latency import LEAST, calibrate, load_latency, random_codes
from ncp.network.profile import Conditions, Latency, processor
from tests.latencies import CONDITIONS, computed, milliseconds

MACHINE = processor("cpu")
SMALLEST = np.array([[dim.values[0] for dim in MULTIRES.dimensions]])
SOME = MULTIRES.sample(200, np.random.default_rng(3))


@cache
def texts(count: int) -> list[str]:
    """The codes that a calibration measures."""
    return [str(Code(code.tolist())) for code in random_codes(count, np.random.default_rng(0))]


def document(codes: int = 3, measurements: int | None = None, **changed: Any) -> dict[str, Any]:
    """What a file holds after so many measurements, of a calibration with `codes` codes."""
    done = 2 * codes if measurements is None else measurements
    known = {
        text: [float(milliseconds(Code.parse(text).vector)[0])] * (1 + (number < done - codes))
        for number, text in enumerate(texts(45)[: min(codes, done)])
    }
    conditions = json.loads(json.dumps(asdict(CONDITIONS)))
    return {"format": 3, "machine": MACHINE, "conditions": conditions, "milliseconds": known} | changed


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch, measured: list[str]) -> Callable[[int], Any]:
    """Lets so many codes be measured, until Ctrl-C."""

    def after(count: int) -> None:
        def measure(code: Code, conditions: Conditions, seconds: float = 0.2) -> Latency:
            if len(measured) == count:
                raise KeyboardInterrupt
            measured.append(str(code))
            return computed(code, conditions, seconds)

        monkeypatch.setattr("ncp.network.latency.measure", measure)

    return after


def test_random_codes_are_distinct_of_all_sizes_and_given_by_the_seed() -> None:
    codes = random_codes(300, np.random.default_rng(1))
    assert codes.shape == (300, 27)
    assert MULTIRES.contains(codes).all()
    assert len(np.unique(codes, axis=0)) == 300
    np.testing.assert_array_equal(codes, random_codes(300, np.random.default_rng(1)))
    assert (codes != random_codes(300, np.random.default_rng(2))).any()
    cost = np.log10(macs(codes))
    whole = np.log10(macs(MULTIRES.sample(3000, np.random.default_rng(0))))
    low, high = np.quantile(cost, [0.05, 0.95])
    assert high - low > 1
    assert np.ptp(cost) > 2
    assert 0.2 < (cost < np.quantile(whole, 0.05)).mean() < 0.6  # the half from smaller parts of the space


def test_a_calibration_is_kept_in_a_file(tmp_path: Path, measured: list[str]) -> None:
    path = tmp_path / "new" / "here.json"
    model = calibrate(path, CONDITIONS, 45, seconds=0.0)
    assert measured == 2 * texts(45)
    assert json.loads(path.read_text()) == document(45)
    assert list(path.parent.iterdir()) == [path]
    assert (model.conditions, model.machine) == (CONDITIONS, MACHINE)
    np.testing.assert_array_equal(model.codes, random_codes(45, np.random.default_rng(0)))
    np.testing.assert_array_equal(model.milliseconds, milliseconds(model.codes))
    loaded = load_latency(path)
    assert (loaded.conditions, loaded.machine, loaded.error) == (CONDITIONS, MACHINE, model.error)
    np.testing.assert_array_equal(loaded(SOME), model(SOME))
    assert isinstance(ncp.load_latency(path), ncp.LatencyModel)


def test_a_second_calibration_measures_nothing_and_gives_the_same_model(tmp_path: Path, measured: list[str]) -> None:
    path = tmp_path / "here.json"
    first = calibrate(path, CONDITIONS, LEAST)
    written, times = path.read_text(), path.stat().st_mtime_ns
    for asked in ({"count": LEAST}, {"count": LEAST, "seed": 7}):
        again = calibrate(path, CONDITIONS, **asked)
        assert len(measured) == 2 * LEAST
        assert (again.error, path.read_text(), path.stat().st_mtime_ns) == (first.error, written, times)
        np.testing.assert_array_equal(again(SOME), first(SOME))


@pytest.mark.parametrize("done", [17, *(pytest.param(done, marks=pytest.mark.slow) for done in (0, 45, 60))])
def test_an_interrupted_calibration_goes_on_where_it_stopped(
    done: int, tmp_path: Path, interrupted: Callable[[int], None], measured: list[str]
) -> None:
    path = tmp_path / "here.json"
    interrupted(done)
    with pytest.raises(KeyboardInterrupt):
        calibrate(path, CONDITIONS, 45)
    assert json.loads(path.read_text()) == document(45, done)
    assert list(tmp_path.iterdir()) == [path]
    interrupted(99)
    resumed = calibrate(path, CONDITIONS, 45)
    assert measured == 2 * texts(45)
    assert json.loads(path.read_text()) == document(45)
    np.testing.assert_array_equal(resumed.codes, random_codes(45, np.random.default_rng(0)))
    np.testing.assert_array_equal(resumed.milliseconds, milliseconds(resumed.codes))


def test_measurements_are_written_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, held = tmp_path / "here.json", []

    def measure(code: Code, conditions: Conditions, seconds: float = 0.2) -> Latency:
        held.append(sum(map(len, json.loads(path.read_text())["milliseconds"].values())))
        return computed(code, conditions, seconds)

    monkeypatch.setattr("ncp.network.latency.measure", measure)
    calibrate(path, CONDITIONS, 45)
    assert len(held) == 90
    assert all(number - 10 <= kept <= number for number, kept in enumerate(held))


def test_the_lower_latency_of_two_rounds_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []

    def measure(code: Code, conditions: Conditions, seconds: float = 0.2) -> Latency:
        measured.append(str(code))
        found = computed(code, conditions, seconds)
        return replace(found, median=found.median * (3 if len(measured) % 4 else 1))

    monkeypatch.setattr("ncp.network.latency.measure", measure)
    model = calibrate(tmp_path / "here.json", CONDITIONS, 45)
    fast = {measured[number] for number in range(3, 90, 4)}  # every fourth measurement is right
    expected = [1 if text in fast else 3 for text in texts(45)]
    assert {1, 3} == set(expected)
    np.testing.assert_allclose(model.milliseconds / milliseconds(model.codes), expected)


@pytest.mark.slow
def test_more_codes_can_be_measured_later(tmp_path: Path, measured: list[str]) -> None:
    path = tmp_path / "here.json"
    calibrate(path, CONDITIONS, LEAST)
    model = calibrate(path, CONDITIONS, LEAST + 15, seed=5)
    assert len(measured) / 2 == len(set(measured)) == len(model.codes) == LEAST + 15
    assert len(calibrate(path, CONDITIONS, LEAST).codes) == LEAST + 15
    assert len(measured) / 2 == LEAST + 15


def test_progress_rises_to_one(tmp_path: Path, interrupted: Callable[[int], None]) -> None:
    path = tmp_path / "here.json"
    shares: list[list[float]] = [[], [], []]
    interrupted(30)
    with pytest.raises(KeyboardInterrupt):
        calibrate(path, CONDITIONS, LEAST, progress=shares[0].append)
    interrupted(99)
    calibrate(path, CONDITIONS, LEAST, progress=shares[1].append)
    calibrate(path, CONDITIONS, LEAST, progress=shares[2].append)
    assert all(0 < share <= 1 for each in shares for share in each)
    assert [sorted(each) for each in shares] == shares
    assert shares[0][-1] == pytest.approx(30 / (2 * LEAST))
    assert shares[1][0] == pytest.approx(31 / (2 * LEAST))
    assert shares[1][-1] == 1
    assert shares[2] == [1]


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        ({"batch": 2}, "classification, 50 classes, 2 x 64 x 64 pixels, 1 thread, torch in float32"),
        ({"threads": 2}, "classification, 50 classes, 1 x 64 x 64 pixels, 2 threads, torch in float32"),
        ({"image_size": (64, 96)}, "classification, 50 classes, 1 x 64 x 96 pixels, 1 thread, torch in float32"),
        ({"task": "features"}, "features, 50 classes, 1 x 64 x 64 pixels, 1 thread, torch in float32"),
        ({"runtime": "openvino"}, "classification, 50 classes, 1 x 64 x 64 pixels, 1 thread, openvino in float32"),
        ({"precision": "bfloat16"}, "classification, 50 classes, 1 x 64 x 64 pixels, 1 thread, torch in bfloat16"),
        ({"classes": 19}, "classification, 19 classes, 1 x 64 x 64 pixels, 1 thread, torch in float32"),
    ],
)
def test_a_file_of_other_conditions_is_refused(
    other: dict[str, Any], shown: str, tmp_path: Path, measured: list[str]
) -> None:
    path = tmp_path / "here.json"
    path.write_text(json.dumps(document(3)))
    message = (
        f"{path} holds latencies for classification, 50 classes, 1 x 64 x 64 pixels, 1 thread, torch in float32 on "
        f"{MACHINE}, not for {shown} on {MACHINE}. Choose another file."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        calibrate(path, replace(CONDITIONS, **other), LEAST)
    assert not measured
    assert json.loads(path.read_text()) == document(3)


def test_a_file_of_another_machine_is_refused(tmp_path: Path, measured: list[str]) -> None:
    path = tmp_path / "there.json"
    path.write_text(json.dumps(document(LEAST, machine="Abacus 3000")))
    with pytest.raises(
        DataError, match=rf"on Abacus 3000, not for .* on {re.escape(MACHINE)}\. Choose another file\.$"
    ):
        calibrate(path, CONDITIONS, LEAST)
    model = load_latency(path)
    assert model(SOME).shape == (200,)  # to predict is allowed
    message = f"The latency model is for Abacus 3000, but this machine has {MACHINE}. Calibrate here with "
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}ncp profile --calibrate.$"):
        model.measure(SOME[:1])
    assert not measured


@pytest.mark.parametrize("where", ["file/here.json", "file/deeper/here.json", "folder", "/proc/here.json"])
def test_a_path_that_cannot_be_written_to_is_refused_before_anything_is_measured(
    where: str, tmp_path: Path, measured: list[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=rf"^(Cannot write .*{where}: |Cannot read latencies from .*{where}: )"):
        calibrate(tmp_path / where, CONDITIONS, LEAST)
    assert not measured
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("count", [LEAST - 1, 0, -3, 50.5, "a", None])
def test_too_few_codes_are_not_measured(count: Any, tmp_path: Path, measured: list[str]) -> None:
    with pytest.raises(ConfigError, match=rf"^count must be an integer, 40 or more\. Got {count!r}\.$"):
        calibrate(tmp_path / "here.json", CONDITIONS, count)
    assert not measured
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    message = f"Cannot read latencies from {tmp_path / 'none.json'}: No such file or directory. Measure them with "
    with pytest.raises(DataError, match=f"^{re.escape(message)}ncp profile --calibrate.$"):
        load_latency(tmp_path / "none.json")


FIRST = texts(1)[0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": 1}, " has latencies of an earlier version of ncp, which did not note the runtime and the precis"),
        ({"format": 2}, " Delete it and measure again with ncp profile --calibrate."),
        ({"format": 4}, "it is damaged: 'format 4'"),
        ({"milliseconds": {FIRST: [1.0, float("nan")]}}, "it is damaged: 'a latency is not a positive number'"),
        ({"milliseconds": {FIRST: [1.0, float("inf")]}}, "it is damaged: 'a latency is not a positive number'"),
        ({"milliseconds": {FIRST: [1.0, -1.0]}}, "it is damaged: 'a latency is not a positive number'"),
        ({"milliseconds": {FIRST: [1.0, 0]}}, "it is damaged: 'a latency is not a positive number'"),
        ({"milliseconds": {FIRST: [1.0, 10**400]}}, "it is damaged: 'int too large to convert to float'"),
        ({"milliseconds": {FIRST: ["fast"]}}, "it is damaged: "),
        ({"milliseconds": {FIRST: []}}, "it is damaged: 'a latency is not a positive number'"),
        ({"milliseconds": {FIRST: 1.0}}, "it is damaged: "),
        ({"milliseconds": {"8_8": [1.0]}}, "it is damaged: "),
        ({"milliseconds": [1.0]}, "it is damaged: "),
        ({"conditions": {"image_size": [64, 64], "cores": 3}}, "it is damaged: "),
        ({"conditions": {"image_size": 64}}, "it is damaged: "),
        (
            {"conditions": {"image_size": [64, 64], "runtime": "tvm"}},
            "runtime must be one of torch, onnxruntime, openvi",
        ),
        ({"conditions": {"image_size": [64, 64], "batch": -1}}, "batch must be a positive integer. Got -1."),
        (
            {"conditions": {"image_size": [64, 64], "task": "x"}},
            "task must be one of classification, segmentation, fea",
        ),
    ],
)
def test_a_damaged_file_is_refused(changed: dict[str, Any], message: str, tmp_path: Path, measured: list[str]) -> None:
    path = tmp_path / "here.json"
    path.write_text(json.dumps(document(**changed)))
    for read in (load_latency, lambda path: calibrate(path, CONDITIONS, LEAST)):
        with pytest.raises(DataError, match=rf"{re.escape(str(path))}.*{re.escape(message)}"):
            read(path)
    assert not measured


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_file_of_a_gpu_is_refused_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    path.write_text(json.dumps(document(conditions={"image_size": [64, 64], "device": "cuda"})))
    message = f"The latencies in {path} are for conditions that this machine lacks. device is cuda, but torch finds no"
    with pytest.raises(DataError, match=re.escape(message)):
        load_latency(path)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(FIRST),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
TOO_FEW = json.dumps(document(LEAST - 1))


@ONE_FOLDER
@given(field=st.sampled_from([*document(), *(f"conditions/{name}" for name in asdict(CONDITIONS))]), value=anything)
def test_any_value_of_a_field_is_read_or_a_data_error(field: str, value: Any, tmp_path: Path) -> None:
    held = document()
    place, _, name = field.rpartition("/")
    (held[place] if place else held)[name] = value
    (tmp_path / "here.json").write_text(json.dumps(held))
    with pytest.raises(DataError, match=r"latencies|latency model needs"):  # three codes are too few
        load_latency(tmp_path / "here.json")


@ONE_FOLDER
@given(content=st.binary(max_size=40) | anything.map(lambda value: json.dumps(value).encode()))
def test_a_file_of_anything_else_is_a_data_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "here.json").write_bytes(content)
    with pytest.raises(DataError, match="does not hold latencies, or it is damaged"):
        load_latency(tmp_path / "here.json")


@ONE_FOLDER
@given(end=st.integers(0, len(TOO_FEW) - 1))
def test_a_truncated_file_is_refused(end: int, tmp_path: Path) -> None:
    (tmp_path / "here.json").write_text(TOO_FEW[:end])
    with pytest.raises(DataError, match="does not hold latencies, or it is damaged"):
        load_latency(tmp_path / "here.json")


def test_too_few_codes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "here.json").write_text(TOO_FEW)
    with pytest.raises(
        DataError,
        match=r"^A latency model needs at least 40 measured codes\. There are 39\. Measure more with ncp profile",
    ):
        load_latency(tmp_path / "here.json")
    codes = random_codes(LEAST, np.random.default_rng(0))
    with pytest.raises(DataError, match="There are 39"):
        LatencyModel(CONDITIONS, MACHINE, codes[1:], milliseconds(codes[1:]))
    assert len(LatencyModel(CONDITIONS, MACHINE, codes, milliseconds(codes)).codes) == LEAST


@pytest.mark.slow
@pytest.mark.alone
def test_a_calibration_really_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = np.repeat(SMALLEST, LEAST, axis=0)
    small[:, 0] = 8 * (1 + np.arange(LEAST) % 16)
    small[:, -1] = 8 * (1 + np.arange(LEAST) // 16)
    monkeypatch.setattr("ncp.network.latency.random_codes", lambda *_: small)
    model = calibrate(tmp_path / "here.json", Conditions("features", 2, (8, 8)), LEAST, seconds=0.0)
    np.testing.assert_array_equal(model.codes, small)
    assert (model.milliseconds > 0).all()
    (found,) = model.measure(small[:1], seconds=0.0)
    assert (found.batch, found.runs) == (1, 5)
    assert found.median > 0
