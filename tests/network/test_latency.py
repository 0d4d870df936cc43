"""The latency model: what it predicts, how well, and how found codes are measured."""

import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

import ncp
from ncp import MULTIRES, Code, ConfigError, DataError, LatencyModel
from ncp.network.latency import LEAST, random_codes
from ncp.network.profile import Conditions, Latency, processor
from tests.latencies import CONDITIONS, computed, latency_model, milliseconds

MACHINE = processor("cpu")
SOME = MULTIRES.sample(200, np.random.default_rng(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 0.0])
def test_latencies_that_are_not_positive_are_refused(bad: float) -> None:
    codes = random_codes(LEAST, np.random.default_rng(0))
    with pytest.raises(DataError, match=r"^Some latencies are not positive numbers\. Measure again\.$"):
        LatencyModel(CONDITIONS, MACHINE, codes, np.where(np.arange(LEAST) == 7, bad, milliseconds(codes)))


def test_errors_are_small_where_codes_explain_latencies() -> None:
    error = latency_model(150).error
    assert error.codes == 30
    assert 0 < error.mape < 0.15
    assert error.tau > 0.9
    model, fresh = latency_model(150), random_codes(400, np.random.default_rng(9))
    assert np.abs(model(fresh) / milliseconds(fresh) - 1).mean() < 2 * error.mape + 0.05
    np.testing.assert_allclose(model(model.codes), model.milliseconds, rtol=0.3)


def test_errors_are_those_of_held_out_codes() -> None:
    codes = random_codes(60, np.random.default_rng(0))
    error = LatencyModel(CONDITIONS, MACHINE, codes, milliseconds(codes)).error
    order = np.random.default_rng(0).permutation(60)
    held_out, rest = codes[order[:12]], codes[order[12:]]
    predicted, truth = LatencyModel(CONDITIONS, MACHINE, rest, milliseconds(rest))(held_out), milliseconds(held_out)
    assert error.codes == 12
    assert error.mape == pytest.approx(np.abs(predicted / truth - 1).mean())
    assert error.rms == pytest.approx(np.sqrt(((predicted / truth - 1) ** 2).mean()))
    assert error.rms > error.mape
    assert error.tau == pytest.approx(kendalltau(predicted, truth).statistic)


def test_latency_rises_with_every_dimension() -> None:
    model = latency_model()
    for code in SOME[:20]:
        above = np.repeat(code[None], len(MULTIRES), axis=0)
        for position, dim in enumerate(MULTIRES.dimensions):
            above[position, position] = dim.values[min(list(dim.values).index(code[position]) + 1, len(dim.values) - 1)]
        assert (model(above) >= model([code])[0] - 1e-9).all()


def test_arrays_codes_and_tensors_get_the_same_predictions() -> None:
    model = latency_model()
    expected = model(SOME)
    assert (expected.shape, expected.dtype) == ((200,), np.float64)
    assert (expected > 0).all()
    for given_as in (SOME.tolist(), [Code(code.tolist()) for code in SOME], torch.as_tensor(SOME)):
        np.testing.assert_allclose(np.asarray(model(given_as)), expected, rtol=1e-10)
    np.testing.assert_allclose(model(torch.as_tensor(SOME).double()).numpy(), expected, rtol=1e-10)
    single = model(torch.as_tensor(SOME).float())
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), expected, rtol=1e-5)
    assert model(Code(SOME[0].tolist())).shape == (1,)
    assert model(SOME[:0]).shape == (0,)
    with pytest.raises(ncp.CodeError, match="Expected 27 integers per code"):
        model([[1, 2]])


def test_a_prediction_does_not_depend_on_the_rest_of_the_batch() -> None:
    model = latency_model()
    together = model(SOME)
    for some in (SOME[:1], SOME[50:57], SOME[::-1], np.repeat(SOME, 30, axis=0)):
        where = [int(np.flatnonzero((code == SOME).all(axis=1))[0]) for code in some]
        np.testing.assert_allclose(model(some), together[where], rtol=1e-11)


def test_gradients_are_those_of_the_predictions() -> None:
    low, high = MULTIRES.bounds
    points = low + (high - low) * np.random.default_rng(0).uniform(0.1, 0.9, size=(4, 27))
    x = torch.tensor(points, requires_grad=True)
    model = latency_model()
    (slope,) = torch.autograd.grad(model(x).sum(), x)
    assert torch.isfinite(slope).all()
    assert (slope >= 0).all()
    assert (slope > 0).any(dim=0).sum() > 20  # what was found to cost nothing has no slope
    for column in range(27):
        step = torch.zeros(27, dtype=torch.float64)
        step[column] = 1e-4
        rise = (model(x.detach() + step) - model(x.detach() - step)) / 2e-4
        torch.testing.assert_close(slope[:, column], rise, rtol=1e-4, atol=1e-6)
    (single,) = torch.autograd.grad(model(x.float()).sum(), x)
    torch.testing.assert_close(single, slope, rtol=1e-3, atol=1e-4)


def test_found_codes_are_measured_as_the_codes_of_the_calibration_were(
    monkeypatch: pytest.MonkeyPatch, measured: list[str]
) -> None:
    found = latency_model().measure(SOME[:3])
    assert measured == 2 * [str(Code(code.tolist())) for code in SOME[:3]]
    np.testing.assert_allclose([each.median for each in found], milliseconds(SOME[:3]))
    monkeypatch.setattr("ncp.network.latency.processor", lambda device: f"another {device}")
    with pytest.raises(
        ConfigError, match=re.escape(f"The latency model is for {MACHINE}, but this machine has another cpu. Calibrate")
    ):
        latency_model().measure(SOME[:3])
    assert len(measured) == 6


def test_found_codes_are_measured_in_the_runtime_of_the_calibration_only(
    monkeypatch: pytest.MonkeyPatch, measured: list[str]
) -> None:
    codes = random_codes(LEAST, np.random.default_rng(0))
    monkeypatch.setitem(sys.modules, "openvino", None)
    model = LatencyModel(replace(CONDITIONS, runtime="openvino"), MACHINE, codes, milliseconds(codes))
    assert model(SOME).shape == (200,)  # to predict is allowed
    for refused in (model.require_here, lambda: model.measure(SOME[:1])):
        with pytest.raises(ncp.MissingExtraError, match=r"^The runtime openvino needs openvino\. Install the extra"):
            refused()
    budget = ncp.Budget(max_latency_ms=5, latency=model)
    with pytest.raises(ncp.MissingExtraError, match=r"^The runtime openvino needs openvino\."):
        ncp.search("seg", budget=budget, starts=2, steps=1, top=1)
    assert not measured


def test_the_lower_of_two_measurements_of_a_found_code_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = iter((3, 1, 1, 1, 3, 1))

    def measure(code: Code, conditions: Conditions, seconds: float = 0.2) -> Latency:
        found = computed(code, conditions, seconds)
        return replace(found, median=found.median * next(factors))

    monkeypatch.setattr("ncp.network.latency.measure", measure)
    found = latency_model().measure(SOME[:3])
    np.testing.assert_allclose([each.median for each in found], milliseconds(SOME[:3]))
