"""Maps of a detector that is always right."""

from typing import Any

import torch

from ncp.network.pillar_net import Maps
from ncp.tasks.anchor_head import directions_of
from ncp.tasks.anchors import anchor_boxes, encoded, label_anchors
from ncp.tasks.pillars import Grid


def perfect_maps(batch: dict[str, Any], grid: Grid) -> Maps:
    """Maps that say exactly where the objects of a batch are: its `boxes` with their `classes`."""
    n, rows, columns = len(batch["boxes"]), grid.rows // 2, grid.columns // 2
    anchors = anchor_boxes(grid, rows, columns)
    labels = label_anchors(anchors, batch["boxes"], batch["classes"])
    logits = torch.full((n, len(anchors), 3), -20.0)
    offsets, directions = torch.zeros(n, len(anchors), 7), torch.zeros(n, len(anchors), 2)
    where = (labels.scenes, labels.anchors)
    logits[(*where, labels.classes[where] - 1)] = 20.0
    offsets[where] = encoded(labels.boxes, anchors[labels.anchors])
    directions[(*where, directions_of(labels.boxes[:, 6]))] = 20.0
    maps = (each.reshape(n, rows, columns, -1).permute(0, 3, 1, 2) for each in (logits, offsets, directions))
    return Maps(*maps)
