"""A latency model for searches: measured for some codes in one runtime on this machine, predicted for all others."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import kendalltau
from torch import Tensor

from ncp.cost import macs_by_part
from ncp.errors import ConfigError, DataError, quoted
from ncp.io.files import as_path, write_json
from ncp.network.profile import Conditions, Latency, measure, processor
from ncp.numbers import as_count, as_seed
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.multires import LAYOUT, MULTIRES, Code

FORMAT = 3
"""The version of the files."""

LEAST = 40
"""The fewest measured codes that a model is fitted to."""

HELD_OUT = 0.2
"""The share of the measured codes on which the error of the model is estimated."""

ROUNDS = 2
"""The number of measurements per code, minutes apart; the minimum counts, to ride out slow spells of the machine."""

NOISE = 0.1
"""Relative errors below this count as measurement noise."""


@dataclass(frozen=True)
class Accuracy:
    """The error of predicted latencies on held-out codes.

    Attributes:
        mape: mean absolute error, relative to the measured latency.
        rms: root mean square error, relative to the measured latency; used as the standard deviation of a prediction.
        tau: Kendall's tau between predicted and measured latencies.
        codes: the number of held-out codes.
    """

    mape: float
    rms: float
    tau: float
    codes: int


class LatencyModel:
    """Predicts latencies [ms] under fixed conditions, for `Budget(max_latency_ms=.., latency=..)`.

    A latency is a weighted sum of quantities that take time (`_quantities`), with nonnegative weights fitted to the
    measured codes. It therefore rises with every dimension, also far from the measured codes.

    Args:
        conditions: the conditions of the measurements.
        machine: the name of the CPU or GPU.
        codes: the measured codes, `(n, 27)`.
        milliseconds: their latencies, `(n,)` [ms].

    Raises:
        DataError: fewer than `LEAST` codes, or a latency that is not a positive number.
    """

    def __init__(self, conditions: Conditions, machine: str, codes: Codes, milliseconds: Reals) -> None:
        if len(codes) < LEAST:
            raise DataError(
                f"A latency model needs at least {LEAST} measured codes. There are {len(codes)}. "
                "Measure more with ncp profile --calibrate."
            )
        if not (np.isfinite(milliseconds).all() and (milliseconds > 0).all()):
            raise DataError("Some latencies are not positive numbers. Measure again.")
        self.conditions, self.machine = conditions, machine
        self.codes, self.milliseconds = codes, milliseconds
        quantities = np.stack(_quantities(codes.astype(np.float64), conditions.image_size), axis=1)
        fitted, held_out = _split(len(codes))
        predicted = quantities[held_out] @ _fit(quantities[fitted], milliseconds[fitted])
        truth = milliseconds[held_out]
        off = predicted / truth - 1
        self.error = Accuracy(
            mape=float(np.abs(off).mean()),
            rms=float(np.sqrt(np.square(off).mean())),
            tau=float(kendalltau(predicted, truth).statistic),
            codes=len(truth),
        )
        self.costs = _fit(quantities, milliseconds)

    @overload
    def __call__(self, codes: Tensor) -> Tensor: ...
    @overload
    def __call__(self, codes: Any) -> Reals: ...
    def __call__(self, codes: Any) -> Any:
        """Predict latencies `(n,)` [ms] of codes, or of a tensor of relaxed codes `(n, 27)` with gradients."""
        tensor = isinstance(codes, Tensor)
        precise = codes.double() if tensor else MULTIRES.codes(codes).astype(np.float64)
        quantities = _quantities(precise, self.conditions.image_size)
        milliseconds = sum(c * q for c, q in zip(self.costs.tolist(), quantities, strict=True) if c)
        return milliseconds.to(codes.dtype) if tensor and codes.is_floating_point() else milliseconds

    def measure(self, codes: Codes, seconds: float = 0.5) -> list[Latency]:
        """Measure the latencies of codes under the model's conditions, for about `seconds` each.

        As in the calibration, each code is measured in several rounds, and the minimum counts.

        Raises:
            ConfigError: this is not the machine of the model, or it lacks the precision of the model.
            MissingExtraError: the runtime of the model is not installed.
        """
        self.require_here()
        rounds = [
            [measure(Code(code.tolist()), self.conditions, seconds / ROUNDS) for code in codes] for _ in range(ROUNDS)
        ]
        return [min(found, key=lambda each: each.median) for found in zip(*rounds, strict=True)]

    def require_here(self) -> None:
        """Refuse to measure on another machine than the model's, or without the runtime of the model.

        Raises:
            ConfigError: this is not the machine of the model, or it lacks the precision of the model.
            MissingExtraError: the runtime of the model is not installed.
        """
        here = processor(self.conditions.device)
        if here != self.machine:
            raise ConfigError(
                f"The latency model is for {self.machine}, but this machine has {here}. "
                "Calibrate here with ncp profile --calibrate."
            )
        self.conditions.require_runtime()


def calibrate(
    path: str | Path,
    conditions: Conditions,
    count: int = 300,
    seed: int = 0,
    seconds: float = 0.1,
    progress: Progress = quiet,
) -> LatencyModel:
    """Measure random codes on this machine and fit a model; the file keeps the measurements, and a later call resumes.

    Half of the codes are uniform samples of the space; the others are scaled down, so that small networks are covered.

    Args:
        path: the json file; codes that it already contains are not measured again.
        conditions: the conditions of the measurements.
        count: the total number of codes, at least `LEAST`.
        seed: seed of the random codes.
        seconds: time per code and round.
        progress: called with the finished share.

    Raises:
        ConfigError: fewer codes than `LEAST`, an invalid seed, or a precision that the runtime or this machine lacks.
        MissingExtraError: the runtime is not installed.
        DataError: a file of other conditions, such as another runtime, or of another machine, or one that cannot be
            read or written.
    """
    count = as_count(count, "count", least=LEAST)
    conditions.require_runtime()
    target, machine = as_path(path), processor(conditions.device)
    known: dict[str, list[float]] = {}
    if target.exists():
        there, their_machine, known = _read_file(target)
        if (there, their_machine) != (conditions, machine):
            raise DataError(
                f"{target} holds latencies for {there.text} on {their_machine}, not for {conditions.text} on "
                f"{machine}. Choose another file."
            )
    codes = random_codes(count, np.random.default_rng(as_seed(seed)))
    drawn = [str(Code(code.tolist())) for code in codes]
    texts = [*known, *(text for text in drawn if text not in known)][: max(count, len(known))]
    waiting = [text for past in range(ROUNDS) for text in texts if len(known.get(text, ())) <= past]
    keep = partial(_write_file, target, conditions, machine, known)
    if waiting:
        conditions.require_memory(Code(codes[codes.sum(axis=1).argmax()].tolist()))
        keep()  # fails before the measurements if the file cannot be written
        try:
            for number, text in enumerate(waiting, start=1):
                latency = measure(Code.parse(text), conditions, seconds).median
                known.setdefault(text, []).append(latency)
                if number % 10 == 0:
                    keep()
                progress(1 - (len(waiting) - number) / (ROUNDS * len(texts)))
        finally:
            keep()
    progress(1.0)
    return _model(conditions, machine, known)


def load_latency(path: str | Path) -> LatencyModel:
    """Load a file of `calibrate`, and fit its model.

    Raises:
        DataError: the file cannot be read, or it does not hold latencies.
    """
    return _model(*_read_file(as_path(path)))


def random_codes(count: int, rng: np.random.Generator) -> Codes:
    """Distinct random codes; every second one is scaled towards the smallest code by a random share."""
    found: dict[bytes, NDArray[np.int64]] = {}
    low = np.array([dim.values[0] for dim in MULTIRES.dimensions])
    while len(found) < count:
        codes = MULTIRES.sample(count, rng)
        shares = np.where(np.arange(count) % 2, 1.0, rng.random(count))[:, None]
        for code in MULTIRES.snap(low + shares * (codes - low)):
            if len(found) < count:
                found.setdefault(code.tobytes(), code)
    return np.array(list(found.values()))


def _split(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.random.default_rng(0).permutation(count)
    return order[round(HELD_OUT * count) :], order[: round(HELD_OUT * count)]


def _fit(quantities: Reals, milliseconds: Reals) -> Reals:
    """The nonnegative cost of each quantity [ms], by robust regression of relative errors.

    Iteratively reweighted least squares: errors above `NOISE` count by their absolute value, so that single slow codes
    have little influence.
    """
    size = quantities.max(axis=0)
    shares, weights = quantities / size / milliseconds[:, None], np.ones(len(milliseconds))
    for _ in range(10):
        costs, _ = nnls(shares * weights[:, None], weights)
        weights = np.maximum(np.abs(shares @ costs - 1), NOISE) ** -0.5
    found: Reals = costs / size
    return found


def _quantities(codes: Any, image_size: tuple[int, int]) -> list[Any]:
    """Quantities that take time in the networks of codes `(..., 27)`, each `(...,)` and rising with every dimension.

    These are the multiply-adds of every part, the sizes of the maps of stem and blocks, the numbers of blocks and
    modules, and the constant 1.
    """
    height, width = (32 * math.ceil(side / 32) for side in image_size)  # costs are counted at multiples of 32
    area = height * width / 16
    found = [
        *macs_by_part(codes, (height, width)),
        codes[..., 0] * area * 4,
        codes[..., 1] * area,
        codes[..., -1],
        codes[..., 0] * 0 + 1,
    ]
    for stage in LAYOUT:
        modules, blocks, channels = codes[..., stage.modules], codes[..., stage.blocks], codes[..., stage.channels]
        found.append(modules)
        for k in range(blocks.shape[-1]):
            found += [modules * blocks[..., k], modules * blocks[..., k] * channels[..., k] * (area / 4**k)]
    return found


def _model(conditions: Conditions, machine: str, known: dict[str, list[float]]) -> LatencyModel:
    codes = np.array([Code.parse(text).vector for text in known], dtype=np.int64).reshape(-1, len(MULTIRES))
    return LatencyModel(conditions, machine, codes, np.array([min(times) for times in known.values()]))


def _write_file(path: Path, conditions: Conditions, machine: str, known: dict[str, list[float]]) -> None:
    document = {"format": FORMAT, "machine": machine, "conditions": asdict(conditions), "milliseconds": known}
    write_json(path, document, indent=1)


def _read_file(path: Path) -> tuple[Conditions, str, dict[str, list[float]]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        _require_format(path, document["format"])
        given = document["conditions"]
        conditions = Conditions(**{**given, "image_size": tuple(given["image_size"])})
        measured = document["milliseconds"].items()
        known = {str(Code.parse(text)): [float(value) for value in times] for text, times in measured}
        if not all(times and all(0 < value < math.inf for value in times) for times in known.values()):
            raise ValueError("a latency is not a positive number")
        return conditions, str(document["machine"]), known
    except OSError as error:
        raise DataError(
            f"Cannot read latencies from {path}: {error.strerror or error}. Measure them with ncp profile --calibrate."
        ) from error
    except DataError:
        raise
    except ConfigError as error:
        raise DataError(f"The latencies in {path} are for conditions that this machine lacks. {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(
            f"{path} does not hold latencies, or it is damaged: {quoted(str(error))}. Measure again."
        ) from error


def _require_format(path: Path, number: object) -> None:
    """Refuse the files of other versions.

    Raises:
        DataError: a file of an earlier version, which measured another inference form.
        ValueError: a file of no version.
    """
    if number in (1, 2):
        raise DataError(
            f"{path} has latencies of an earlier version of ncp, which did not note the runtime and the precision. "
            "Delete it and measure again with ncp profile --calibrate."
        )
    if number != FORMAT:
        raise ValueError(f"format {quoted(number)}")
