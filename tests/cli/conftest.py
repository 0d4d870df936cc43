"""Commands as a user types them, in an empty folder with an empty cache."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from ncp.cli import main
from ncp.searchers import comparison


class Ran(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command `ncp` on arguments, through its entry point, on a wide screen."""
    monkeypatch.setenv("NCP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["ncp", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ran(int(ended.value.code or 0), *capsys.readouterr())

    return ran


@pytest.fixture
def replays_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replays in this process: another one takes seconds to start, which tests/search/test_comparison.py does."""

    def pool(mp_context: Any, **options: Any) -> ThreadPoolExecutor:  # noqa: ARG001
        return ThreadPoolExecutor(**options)

    monkeypatch.setattr(comparison, "ProcessPoolExecutor", pool)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
