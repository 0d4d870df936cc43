"""The kinds of tasks whose networks are trained here, by their names in task files."""

from __future__ import annotations

from ncp.tasks.classification import Classification
from ncp.tasks.detection3d import Detection3d
from ncp.tasks.kind import Kind
from ncp.tasks.segmentation import Segmentation
from ncp.tasks.video import Video

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Classification(), Segmentation(), Video(), Detection3d())}
