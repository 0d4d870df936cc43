"""Objects in many frames of a lidar, labelled or detected, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Objects:
    """Objects with their frames; missing columns are filled with what counts as fully visible and certain.

    Attributes:
        frames: numbers of the frames `(n,)`.
        names: classes `(n,)`, such as `Car`.
        boxes: boxes `(n, 7)` as in `ncp.tasks.boxes`.
        rectangles: left, top, right and bottom in the image `(n, 4)` [px]; zeros without an image.
        truncated: share outside of the image `(n,)`.
        occluded: 0 visible, 1 partly, 2 largely occluded, 3 unknown `(n,)`.
        scores: confidence of detections `(n,)`; 1 for labels.
    """

    frames: NDArray[np.int64]
    names: NDArray[np.str_]
    boxes: Reals
    rectangles: Reals
    truncated: Reals
    occluded: Reals
    scores: Reals

    @classmethod
    def of(
        cls,
        frames: Any,
        names: Any,
        boxes: Any,
        rectangles: Any = None,
        truncated: Any = None,
        occluded: Any = None,
        scores: Any = None,
    ) -> Objects:
        """Objects from arrays or lists; `frames` and `names` may be one value for all."""
        boxes = np.asarray(boxes, dtype=float).reshape(-1, 7)
        n = len(boxes)

        def column(values: Any, default: float) -> Reals:
            return np.full(n, default) if values is None else np.asarray(values, dtype=float).reshape(n)

        return cls(
            np.array(np.broadcast_to(np.asarray(frames, dtype=np.int64), n)),
            np.array(np.broadcast_to(np.asarray(names, dtype=str), n)),
            boxes,
            np.zeros((n, 4)) if rectangles is None else np.asarray(rectangles, dtype=float).reshape(n, 4),
            column(truncated, 0.0),
            column(occluded, 0.0),
            column(scores, 1.0),
        )

    @classmethod
    def joined(cls, parts: Sequence[Objects]) -> Objects:
        """The objects of several parts, one after the other."""
        if not parts:
            return cls.of(0, "", np.zeros((0, 7)))
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))

    def where(self, chosen: Any) -> Objects:
        """The objects that a mask `(n,)` or indices choose."""
        return Objects(*(getattr(self, each.name)[chosen] for each in fields(self)))

    def __len__(self) -> int:
        return len(self.frames)
