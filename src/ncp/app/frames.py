"""The frames of the animation of a propagation: the open code at every step."""

from __future__ import annotations

from typing import Any

from ncp.app.layout import value_indices
from ncp.cost import has_cost, macs, params
from ncp.optim.results import Result
from ncp.report.network import network_element
from ncp.spaces.multires import Code

SHOWN = 4
"""Most columns that are shown above the animation."""


def frames_of(result: Result) -> list[dict[str, Any]]:
    """Every step of the first start: its drawing, values, score, cost and the columns of the objective."""
    run, provenance = result.trajectory, result.provenance
    codes, scores = run.codes[:, 0], run.scores[:, 0]
    low, high = float(scores.min()), float(scores.max())
    span = (high - low) or 1.0
    price, size = None, None
    if has_cost(run.space):
        price = macs(codes, provenance["image_size"], provenance["classes"], provenance["task"]) / 1e9
        size = params(codes, provenance["classes"], provenance["task"]) / 1e6
    wanted = [(column, run.columns.index(column)) for column in provenance["columns"][:SHOWN]]
    frames = []
    for step, code in enumerate(codes.tolist()):
        facts = [] if price is None else [["GMACs", f"{price[step]:.3f}"]]
        facts += [] if size is None else [["M parameters", f"{size[step]:.2f}"]]
        facts += [[column, f"{run.values[step, 0, j]:.2f}"] for column, j in wanted]
        frames.append(
            {
                "svg": network_element(Code.from_vector(code)) if run.space.has_network else "",
                "codes": value_indices(run.space, code),
                "score": f"{scores[step]:.2f}",
                "height": round((float(scores[step]) - low) / span, 3),
                "facts": facts,
            }
        )
    return frames
