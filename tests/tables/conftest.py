"""The published files, which lie beside the repository and not in it."""

from pathlib import Path

import pytest

from ncp.tables.published import Imported, convert


@pytest.fixture(scope="session")
def published(shared: Path) -> Path:
    """The folder of the published NAS-Bench-MR files."""
    return shared / "data" / "nas-bench-mr"


@pytest.fixture(scope="session")
def everything(published: Path) -> Imported:
    """All published files, converted once."""
    return convert(published)
