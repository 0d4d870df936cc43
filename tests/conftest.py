"""What the whole suite shares: the published data, and how many examples a law is tried on."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ncp", deadline=None, max_examples=30)
settings.load_profile("ncp")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published tables and reference runs, beside the repository or where NCP_SHARED says."""
    root = Path(os.environ.get("NCP_SHARED") or Path(__file__).parents[2] / "shared")
    if not (root / "data" / "nas-bench-mr").is_dir():
        pytest.skip(f"needs data/nas-bench-mr in {root}; NCP_SHARED names another folder")
    return root
