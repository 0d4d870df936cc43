"""What the whole suite shares: the published data, and how many examples a law is tried on."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

settings.register_profile("ncp", deadline=None, max_examples=30)
settings.load_profile("ncp")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell makes programs in the background ignore Ctrl-C
gc.disable()  # while tests are collected there is little garbage; looking for it takes a third of the time


def pytest_collection_finish() -> None:
    """From here on, look for garbage only among what tests make."""
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the browser's tests out of the fast suite, which has none of them: their imports take a second."""
    return True if collection_path.name == "browser" and config.option.markexpr == "not slow" else None


@pytest.fixture(scope="session", autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty cache, so that no test sees what the user keeps, nor leaves anything there."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NCP_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def quick_disk() -> Iterator[None]:
    """Do not wait for the disk: no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published tables and reference runs, beside the repository or where NCP_SHARED says."""
    root = Path(os.environ.get("NCP_SHARED") or Path(__file__).parents[2] / "shared")
    if not (root / "data" / "nas-bench-mr").is_dir():
        pytest.skip(f"needs data/nas-bench-mr in {root}; NCP_SHARED names another folder")
    return root


@pytest.fixture(scope="session")
def imported(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the published tables as `ncp data import` leaves them, imported once for all processes."""
    from ncp.tables.cache import import_folder

    if "PYTEST_XDIST_WORKER" not in os.environ:
        root = tmp_path_factory.mktemp("imported")
        import_folder(shared / "data" / "nas-bench-mr", root)
        return root
    root = tmp_path_factory.getbasetemp().parent / "imported"  # the processes' folders are beside each other
    done = root.with_suffix(".done")
    with FileLock(root.with_suffix(".lock")):
        if not done.exists():
            import_folder(shared / "data" / "nas-bench-mr", root)
            done.touch()
    return root
