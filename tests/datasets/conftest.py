"""The published files, which lie beside the repository and not in it."""

import os
from pathlib import Path

import pytest

from ncp.datasets.convert import Imported, convert


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of the published NAS-Bench-MR files."""
    shared = Path(os.environ.get("NCP_SHARED") or Path(__file__).parents[3] / "shared")
    folder = shared / "data" / "nas-bench-mr"
    if not folder.is_dir():
        pytest.skip(f"the published files are not in {folder}: set NCP_SHARED")
    return folder


@pytest.fixture(scope="session")
def imported(published: Path) -> Imported:
    """All published files, converted once."""
    return convert(published)
