"""Propagation: the original run step by step, and the time of 256 starts of 70 steps.

python -m benchmarks.propagation      needs the reference run in ../shared/parity (or NCP_SHARED) for the first claim
"""

import os
from pathlib import Path

import numpy as np
import torch

import ncp
from benchmarks.measure import median_seconds, record, use_threads
from ncp.predictors.mlp import Mlp
from ncp.predictors.scale import Scale

SHARED = Path(os.environ.get("NCP_SHARED") or Path(__file__).parents[2] / "shared")
TASKS = {"seg/mIoU": 1.0, "cls-50-1000/top1": 1.0, "video/top1": 1.0}
LIMITS = {"default": 6.0, "ensemble": 2.0, "gp": 6.0}


def published(path: Path) -> tuple[Mlp, dict[str, np.ndarray]]:
    """The predictor of the reference run, and the run."""
    with np.load(path, allow_pickle=False) as file:
        run = dict(file)
    mean, std = run["output_mean"][:3], run["output_std"][:3]
    scale = Scale(torch.as_tensor(np.stack([mean - std, mean + std], axis=1)), 1.0)
    predictor = Mlp(ncp.MULTIRES, ["seg/mIoU", "seg/mAcc", "seg/aAcc"], scale, groups=run["groups"].tolist())
    weights = {key.removeprefix("weight/"): torch.as_tensor(value) for key, value in run.items() if "weight/" in key}
    state = {"centre": torch.as_tensor(run["input_mean"]), "deviation": torch.as_tensor(run["input_std"])}
    for ours, theirs in (("shared.0", "fc.0"), ("shared.1", "fc.1"), ("shared.2", "fc.2")):
        state |= {key.replace(theirs, ours): value for key, value in weights.items() if key.startswith(f"{theirs}.")}
    for ours, layer in (("heads.0", 0), ("heads.1", 1), ("out", 4)):
        for name in ("weight", "bias", "running_mean", "running_var"):
            if f"nets.0.{layer}.{name}" in weights:
                state[f"{ours}.{name}"] = torch.cat([weights[f"nets.{g}.{layer}.{name}"] for g in range(3)])
    predictor.load_state_dict(state, strict=False)
    return predictor.eval(), run


def main() -> None:
    """Compare with the original, then time every kind."""
    use_threads(2)
    reference = SHARED / "parity" / "edit-seg.npz"
    if reference.exists():
        predictor, run = published(reference)
        ours = ncp.propagate(predictor, ncp.Objective({"seg/mIoU": 1.0}), run["start"], strategy="paper")
        same = int((ours.codes[:, 0] == run["rounded"]).all(axis=1).sum())
        apart = float(np.abs(ours.x[:, 0] - run["continuous"]).max())
        record(
            "propagation/parity",
            claim="The original's run: steps whose rounded code is identical, and largest difference of relaxed codes",
            target="70 of 70, <= 1e-3",
            value={"identical steps": same, "largest difference": apart},
            met=same == 70 and apart <= 1e-3,
        )
        seconds = median_seconds(
            lambda: ncp.propagate(predictor, ncp.Objective({"seg/mIoU": 1.0}), run["start"], strategy="paper")
        )
        record(
            "propagation/paper/seconds",
            claim="One code edited for 70 steps by the paper's recipe",
            target="none (the original: about 20 s)",
            value=round(seconds, 3),
            met=True,
            unit="s",
            runs=5,
        )
    table = ncp.load_table("nas-bench-mr")
    rows = np.flatnonzero(table.sampled)
    starts = ncp.MULTIRES.sample(256, np.random.default_rng(0))
    for kind, limit in LIMITS.items():
        predictor = ncp.fit_predictor(table.codes[rows], table.values[rows], table.columns, kind=kind)
        for name, budget in (("free", None), ("4 GMACs", ncp.Budget(max_macs=4e9))):
            objective = ncp.Objective(TASKS)
            seconds = median_seconds(
                lambda p=predictor, b=budget, o=objective: ncp.propagate(p, o, starts, budget=b), repeats=3
            )
            record(
                f"propagation/{kind}/{name}",
                claim=f"256 starts x 70 steps with `{kind}`, three tasks, budget: {name}",
                target=f"<= {limit:g} s",
                value=round(seconds, 2),
                met=seconds <= limit,
                unit="s",
                runs=3,
            )


if __name__ == "__main__":
    main()
