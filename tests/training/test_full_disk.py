"""A disk that is full while a training saves: one message, the earlier state stays, and the training goes on later."""

import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import ncp
from ncp import DataError
from ncp.network.network_file import save_network
from ncp.training.state import load_state, save_state
from tests.training.pictures import CODE, picture_task, write_pictures

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes: writes fail inside every library, as on a full disk."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


def test_the_earlier_state_stays(tmp_path: Path) -> None:
    save_state(tmp_path, {"step": 1})
    with full_disk(20_000), pytest.raises(DataError, match=r"Cannot write .*state.pt"):
        save_state(tmp_path, {"step": 2, "weights": torch.zeros(100_000)})
    state, complaints = load_state(tmp_path)
    assert (state, complaints) == ({"step": 1}, [])
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_weights_are_whole_or_not_there(tmp_path: Path) -> None:
    net = ncp.MultiResolutionNet(CODE, num_classes=3)
    with full_disk(20_000), pytest.raises(DataError, match=r"Cannot write .*w.safetensors"):
        save_network(net, tmp_path / "w.safetensors", {})
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_training_does_not_fail_but_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCP_CACHE", str(tmp_path / "cache"))
    task = picture_task(write_pictures(tmp_path / "pictures"), epochs=1)
    task.prepare()
    with full_disk(20_000), pytest.raises(DataError, match="Cannot write"):
        ncp.train(CODE, task, folder=tmp_path / "runs", threads=1)
    [folder] = (tmp_path / "runs").iterdir()
    assert ncp.Run(folder).status == "started"
    assert ncp.train(CODE, task, folder=tmp_path / "runs", threads=1).status == "done"
