"""A small table, and fixtures of the published files, which are not part of the repository."""

from pathlib import Path

import pytest

from ncp.tables.published import PublishedTables, read_published
from ncp.tables.table import Table
from tests.tables.small import CODES, COLUMNS, FLAGS, ORIGIN, SPACE, VALUES


@pytest.fixture
def table() -> Table:
    return Table(SPACE, CODES, VALUES, COLUMNS, ORIGIN, FLAGS)


@pytest.fixture(scope="session")
def published(shared: Path) -> Path:
    """The folder of the published NAS-Bench-MR files."""
    return shared / "data" / "nas-bench-mr"


@pytest.fixture(scope="session")
def everything(published: Path) -> PublishedTables:
    """All published files, converted once."""
    return read_published(published)
