"""Propagation: the original run step by step, and the time of 70 steps from 256 starts.

python -m benchmarks.propagation      needs nas-bench-mr; the comparison with the original needs the reference run
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch

import ncp
from benchmarks.measure import SHARED, available, median_seconds, record, use_threads
from ncp.predictors.features import Inputs
from ncp.predictors.mlp import Mlp
from ncp.predictors.scale import Scale

TASKS = {"seg/mIoU": 1.0, "cls-50-1000/top1": 1.0, "video/top1": 1.0}
LIMITS = {"default": 6.0, "ensemble": 2.0, "gp": 6.0}
"""Seconds that 70 steps may take, by kind of predictor."""


def published(path: Path) -> tuple[ncp.Predictor, dict[str, np.ndarray]]:
    """The predictor of the reference run, and the run."""
    with np.load(path, allow_pickle=False) as file:
        run = dict(file)
    mean, std = run["output_mean"][:3], run["output_std"][:3]
    scale = Scale(torch.as_tensor(np.stack([mean - std, mean + std], axis=1)), 1.0)
    columns, inputs = ["seg/mIoU", "seg/mAcc", "seg/aAcc"], Inputs(ncp.MULTIRES)
    inputs.code_mean.copy_(torch.as_tensor(run["input_mean"]))
    inputs.code_std.copy_(torch.as_tensor(run["input_std"]))
    core = Mlp(ncp.MULTIRES.width, len(columns), groups=run["groups"].tolist())
    weights = {key.removeprefix("weight/"): torch.as_tensor(value) for key, value in run.items() if "weight/" in key}
    state: dict[str, torch.Tensor] = {}
    for ours, theirs in (("shared.0", "fc.0"), ("shared.1", "fc.1"), ("shared.2", "fc.2")):
        state |= {key.replace(theirs, ours): value for key, value in weights.items() if key.startswith(f"{theirs}.")}
    for ours, layer in (("heads.0", 0), ("heads.1", 1), ("out", 4)):
        for name in ("weight", "bias", "running_mean", "running_var"):
            if f"nets.0.{layer}.{name}" in weights:
                state[f"{ours}.{name}"] = torch.cat([weights[f"nets.{g}.{layer}.{name}"] for g in range(3)])
    core.load_state_dict(state, strict=False)
    return ncp.Predictor(ncp.MULTIRES, columns, inputs, core, scale).eval(), run


def compare_with_original(path: Path) -> None:
    """Follow the original run, and time the paper's recipe."""
    predictor, run = published(path)
    objective = ncp.Objective({"seg/mIoU": 1.0})
    ours = ncp.propagate(predictor, objective, run["start"], strategy="paper")
    same = int((ours.codes[:, 0] == run["rounded"]).all(axis=1).sum())
    apart = float(np.abs(ours.x[:, 0] - run["continuous"]).max())
    record(
        "propagation/parity",
        claim="A run of the original: steps whose rounded code is identical, largest difference of relaxed codes",
        target="70 of 70, difference <= 1e-3",
        value={"identical_steps": same, "largest_difference": apart},
        met=same == 70 and apart <= 1e-3,
    )
    seconds = median_seconds(lambda: ncp.propagate(predictor, objective, run["start"], strategy="paper"))
    record(
        "propagation/paper",
        claim="70 steps from one start with the strategy `paper` (the original needs about 20 s)",
        target="none",
        value=round(seconds, 3),
        met=True,
        unit="s",
        runs=5,
    )


def main() -> None:
    """Compare with the original if its run is there, then time every kind of predictor."""
    use_threads(2)
    reference = SHARED / "parity" / "edit-seg.npz"
    if available(reference, "propagation/parity and propagation/paper"):
        compare_with_original(reference)
    table = ncp.load_table("nas-bench-mr")
    rows = np.flatnonzero(table.sampled)
    starts = ncp.MULTIRES.sample(256, np.random.default_rng(0))
    objective = ncp.Objective(TASKS)
    for kind, limit in LIMITS.items():
        predictor = ncp.fit_predictor(table.codes[rows], table.values[rows], table.columns, kind=kind)
        for name, budget in (("free", None), ("4-gmacs", ncp.Budget(max_macs=4e9))):
            propagate = partial(ncp.propagate, predictor, objective, starts, budget=budget)
            seconds = median_seconds(propagate, repeats=3)
            record(
                f"propagation/{kind}/{name}",
                claim="70 steps from 256 starts, three tasks, by kind of predictor, free and within 4 GMACs",
                target=f"<= {limit:g} s",
                value=round(seconds, 2),
                met=seconds <= limit,
                unit="s",
                runs=3,
            )


if __name__ == "__main__":
    main()
