"""Latency as something to search by: measured for some codes on this machine, predicted for all."""

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
from ncp.numbers import as_seed
from ncp.progress import Progress, quiet
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.multires import LAYOUT, MULTIRES, Code

FORMAT = 2
LEAST = 40
"""Fewer measured codes make no predictor."""
HELD_OUT = 0.2
ROUNDS = 2
"""How often each code is measured, minutes apart; the lowest latency counts, since slow spells come and go."""
NOISE = 0.1
"""Relative errors of a latency below this are noise of measuring."""


@dataclass(frozen=True)
class Error:
    """How far predicted latencies are from measured ones, on codes held out.

    Attributes:
        mape: mean absolute error, as a share of what was measured.
        rms: root of the mean square error, as a share of what was measured: the standard deviation of a prediction.
        tau: Kendall's tau of their ranks.
        codes: how many were held out.
    """

    mape: float
    rms: float
    tau: float
    codes: int


class LatencyModel:
    """Latencies [ms] under fixed conditions: what `Budget(max_latency_ms=.., latency=..)` counts by.

    A latency is a sum of what takes time (`_quantities`), each with a cost that is not negative and is fitted to the
    measured codes. So it rises with every dimension, and a search gains nothing where nothing was measured.

    Args:
        conditions: what was measured for.
        machine: the processor's name.
        codes: measured codes, `(n, 27)`.
        milliseconds: their latencies `(n,)` [ms].

    Raises:
        DataError: fewer than `LEAST` codes, or a latency that is no positive number.
    """

    space = MULTIRES

    def __init__(self, conditions: Conditions, machine: str, codes: Codes, milliseconds: Reals) -> None:
        if len(codes) < LEAST:
            raise DataError(
                f"Expected at least {LEAST} measured codes. Got {len(codes)}. Measure more: ncp profile --calibrate."
            )
        if not (np.isfinite(milliseconds).all() and (milliseconds > 0).all()):
            raise DataError("Expected latencies that are positive numbers. Got others. Measure again.")
        self.conditions, self.machine = conditions, machine
        self.codes, self.milliseconds = codes, milliseconds
        quantities = np.stack(_quantities(codes.astype(np.float64), conditions.image_size), axis=1)
        rest, held_out = _parted(len(codes))
        predicted = quantities[held_out] @ _fitted(quantities[rest], milliseconds[rest])
        truth = milliseconds[held_out]
        off = predicted / truth - 1
        self.error = Error(
            mape=float(np.abs(off).mean()),
            rms=float(np.sqrt(np.square(off).mean())),
            tau=float(kendalltau(predicted, truth).statistic),
            codes=len(truth),
        )
        self.costs = _fitted(quantities, milliseconds)

    @overload
    def __call__(self, codes: Tensor) -> Tensor: ...
    @overload
    def __call__(self, codes: Any) -> Reals: ...
    def __call__(self, codes: Any) -> Any:
        """Predicted latencies `(n,)` [ms] of codes, or of a tensor of relaxed codes `(n, 27)`, with gradients."""
        tensor = isinstance(codes, Tensor)
        precise = codes.double() if tensor else self.space.codes(codes).astype(np.float64)
        quantities = _quantities(precise, self.conditions.image_size)
        milliseconds = sum(c * q for c, q in zip(self.costs.tolist(), quantities, strict=True) if c)
        return milliseconds.to(codes.dtype) if tensor and codes.is_floating_point() else milliseconds

    def measure(self, codes: Codes, seconds: float = 0.5) -> list[Latency]:
        """Measured latencies of codes, under the model's conditions; about `seconds` for each, in rounds as calibrated.

        Raises:
            ConfigError: on another machine than the model's.
        """
        self.require_here()
        rounds = [
            [measure(Code(code.tolist()), self.conditions, seconds / ROUNDS) for code in codes] for _ in range(ROUNDS)
        ]
        return [min(found, key=lambda each: each.median) for found in zip(*rounds, strict=True)]

    def require_here(self) -> None:
        """Refuse another machine than the model's.

        Raises:
            ConfigError: with both names.
        """
        here = processor(self.conditions.device)
        if here != self.machine:
            raise ConfigError(f"Expected to measure on {self.machine}. Got {here}. Calibrate here.")


def calibrate(
    path: str | Path,
    conditions: Conditions,
    count: int = 300,
    seed: int = 0,
    seconds: float = 0.1,
    progress: Progress = quiet,
) -> LatencyModel:
    """Measure codes on this machine and keep them in a file, which a later call resumes.

    Half of the codes are drawn from the whole space, half from smaller parts of it, so that small networks are known.

    Args:
        path: the json file; codes that it holds are not measured again, and count.
        conditions: what to measure for.
        count: codes in all, `LEAST` or more.
        seed: of their choice.
        seconds: spent on each, in each of two rounds.
        progress: called with the share that is done.

    Raises:
        ConfigError: fewer codes than make a predictor, or a seed that is none.
        DataError: a file of other conditions or another machine, or one that cannot be read or written.
    """
    if count < LEAST:
        raise ConfigError(f"{{field}} must be at least {LEAST}, got {{given}}.", field="count", given=count)
    target, machine = Path(path), processor(conditions.device)
    known: dict[str, list[float]] = {}
    if target.exists():
        there, their_machine, known = _read(target)
        if (there, their_machine) != (conditions, machine):
            raise DataError(
                f"Expected {target} to hold latencies for {_told(conditions)} on {machine}. "
                f"Got {_told(there)} on {their_machine}. Choose another file."
            )
    codes = drawn(count, np.random.default_rng(as_seed(seed)))
    drawn_texts = [str(Code(code.tolist())) for code in codes]
    texts = [*known, *(text for text in drawn_texts if text not in known)][: max(count, len(known))]
    waiting = [text for past in range(ROUNDS) for text in texts if len(known.get(text, ())) <= past]
    keep = partial(_write, target, conditions, machine, known)
    if waiting:
        conditions.require_memory(Code(codes[codes.sum(axis=1).argmax()].tolist()))
        keep()  # what cannot be written is refused before anything is measured
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
    """Read what `calibrate` measured, and fit its predictor.

    Raises:
        DataError: no such file, or one that does not hold latencies.
    """
    return _model(*_read(as_path(path)))


def drawn(count: int, rng: np.random.Generator) -> Codes:
    """Different codes of all sizes: in every second one each dimension is shrunk by one random share."""
    found: dict[bytes, NDArray[np.int64]] = {}
    low = np.array([dim.values[0] for dim in MULTIRES.dimensions])
    while len(found) < count:
        codes = MULTIRES.sample(count, rng)
        shares = np.where(np.arange(count) % 2, 1.0, rng.random(count))[:, None]
        for code in MULTIRES.snap(low + shares * (codes - low)):
            if len(found) < count:
                found.setdefault(code.tobytes(), code)
    return np.array(list(found.values()))


def _parted(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.random.default_rng(0).permutation(count)
    return order[round(HELD_OUT * count) :], order[: round(HELD_OUT * count)]


def _fitted(quantities: Reals, milliseconds: Reals) -> Reals:
    """What each quantity costs [ms]: nonnegative, by least relative errors, so that single slow codes count little.

    Least squares are reweighted; errors below `NOISE` count as squares.
    """
    size = quantities.max(axis=0)
    shares, weights = quantities / size / milliseconds[:, None], np.ones(len(milliseconds))
    for _ in range(10):
        costs, _ = nnls(shares * weights[:, None], weights)
        weights = np.maximum(np.abs(shares @ costs - 1), NOISE) ** -0.5
    found: Reals = costs / size
    return found


def _quantities(codes: Any, image_size: tuple[int, int]) -> list[Any]:
    """What takes time in a network, of codes `(..., 27)` or a tensor: each `(...,)`, rising with every dimension.

    Multiply-adds of every part; numbers that the stem's and the blocks' maps hold; counts of blocks and of modules.
    """
    height, width = (32 * math.ceil(side / 32) for side in image_size)  # costs are counted at multiples of 32
    area = height * width / 16
    found = [
        *macs_by_part(codes, (height, width)),
        codes[..., 0] * area * 4,
        codes[..., 1] * area,
        codes[..., -1],
        codes[..., 0] ** 0,
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


def _told(conditions: Conditions) -> str:
    height, width = conditions.image_size
    where = f"{conditions.threads} threads" if conditions.device == "cpu" else "cuda"
    return f"{conditions.task}, {conditions.classes} classes, {conditions.batch} x {height} x {width} pixels, {where}"


def _write(path: Path, conditions: Conditions, machine: str, known: dict[str, list[float]]) -> None:
    document = {"format": FORMAT, "machine": machine, "conditions": asdict(conditions), "milliseconds": known}
    write_json(path, document, indent=1)


def _read(path: Path) -> tuple[Conditions, str, dict[str, list[float]]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"format {quoted(document['format'])}")
        given = document["conditions"]
        conditions = Conditions(**{**given, "image_size": tuple(given["image_size"])})
        measured = document["milliseconds"].items()
        known = {str(Code.parse(text)): [float(value) for value in times] for text, times in measured}
        if not all(times and all(0 < value < math.inf for value in times) for times in known.values()):
            raise ValueError("a latency that is no positive number")
        return conditions, str(document["machine"]), known
    except OSError as error:
        raise DataError(
            f"Expected latencies in {path}. Got: {error.strerror or error}. Measure them: ncp profile --calibrate."
        ) from error
    except ConfigError as error:
        raise DataError(f"Expected latencies in {path} for conditions of this machine. {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(
            f"Expected latencies in {path}. Got a damaged file ({quoted(str(error))}). Measure again."
        ) from error
