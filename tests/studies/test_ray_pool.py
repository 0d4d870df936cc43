"""A study on a Ray cluster of two local nodes: the same table as on this machine, also if a node is lost."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

import ncp
from ncp import ConfigError
from ncp.extras import has_extra
from ncp.studies.building import build
from ncp.studies.overview import overview
from ncp.studies.scheduler import Events
from ncp.tables.table import Table
from tests.studies.inline import CODES, TEXTS, accuracy, equal, task, train_slowly
from tests.training.pictures import CODE, picture_task, write_pictures

needs_ray = pytest.mark.skipif(not has_extra("ray"), reason="needs the extra ray")
OF_THE_MACHINE = ("seconds", "host", "ended")
"""Columns of the trainings that may differ."""


def test_an_address_without_a_cluster_is_refused(tmp_path: Path) -> None:
    if not has_extra("ray"):
        pytest.skip("needs the extra ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for given in (address, "nonsense"):
        with pytest.raises(ConfigError, match=f"ray must be the address HOST:PORT .* Got '{given}'"):
            build(CODES[:1], task(), folder=tmp_path, ray=given)
    assert not (tmp_path / "study.json").exists()


def test_a_cluster_that_refuses_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def init(**_: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0")

    monkeypatch.setattr("ncp.studies.ray_pool.require_extra", lambda *_: None)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    with pytest.raises(ConfigError, match=r"cannot be joined: Version mismatch: .* started with: Ray: 2\.9\.0"):
        build(CODES[:1], task(), folder=tmp_path, ray="auto")


@pytest.mark.parametrize("threads", [0, -1, 1.5])
def test_a_training_needs_a_thread(threads: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ncp.studies.ray_pool.require_extra", lambda *_: None)
    with pytest.raises(ConfigError, match=f"threads must be .* Got {threads}"):
        build(CODES[:1], task(), folder=tmp_path, ray="auto", threads=threads)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes with a core each, on loopback, without a dashboard or usage statistics."""
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root / "src"), str(root)]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # addresses stay on loopback
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    try:
        made.add_node(num_cpus=1, node_ip_address="127.0.0.1")
        yield made
    finally:
        made.shutdown()


def trainings(folder: Path) -> list[dict[str, Any]]:
    table = pq.read_table(folder / "trainings.parquet")
    return table.drop_columns(list(OF_THE_MACHINE)).to_pylist()


@pytest.mark.slow
@pytest.mark.alone
@needs_ray
@pytest.mark.filterwarnings("default")
def test_the_cluster_makes_the_same_trainings(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCP_CACHE", str(tmp_path / "cache"))
    pictures = picture_task(write_pictures(tmp_path / "pictures"), epochs=2)
    codes = [CODE, TEXTS[1]]
    here = build(codes, [pictures, task()], folder=tmp_path / "here", workers=2, threads=1, device="cpu")
    there = build(codes, [pictures, task()], folder=tmp_path / "there", ray=cluster.address, threads=1, device="cpu")
    assert equal(here, there)
    assert trainings(tmp_path / "here") == trainings(tmp_path / "there")
    assert len(trainings(tmp_path / "there")) == 4


@pytest.mark.slow
@pytest.mark.alone
@needs_ray
@pytest.mark.filterwarnings("default")
def test_a_lost_node_loses_nothing_and_repeats_nothing(cluster: Any, tmp_path: Path) -> None:
    lost: list[Any] = []
    said: list[str] = []

    def lose(_: object) -> None:
        if not lost:
            lost.append(next(iter(cluster.worker_nodes)))
            cluster.remove_node(lost[0], allow_graceful=False)

    codes = [text for place, text in enumerate(TEXTS) if place != 2]
    events = Events(ended=lose, said=said.append)
    slow = ncp.function_task("slow", train_slowly)
    table = build(codes, slow, folder=tmp_path, ray=cluster.address, threads=1, events=events)
    assert lost
    assert table.values[:, 0].tolist() == [accuracy(text, 0) for text in codes]
    assert overview(tmp_path).done == 5
    starts = [path.read_text().count("once") for path in tmp_path.rglob("trained.txt")]
    assert sum(starts) <= 6  # only what the lost node was training began twice
    assert len(said) == sum(starts) - 5
    assert equal(Table.from_parquet(tmp_path / "table.parquet"), table)


@pytest.mark.slow
@pytest.mark.alone
@needs_ray
@pytest.mark.filterwarnings("default")
def test_a_search_trains_on_the_cluster_and_survives_a_lost_node(cluster: Any, tmp_path: Path) -> None:
    lost: list[Any] = []

    def lose(_: object) -> None:
        if not lost:
            lost.append(next(iter(cluster.worker_nodes)))
            cluster.remove_node(lost[0], allow_graceful=False)

    slow = ncp.function_task("slow", train_slowly)
    arguments: dict[str, Any] = {"prior": None, "ray": cluster.address, "threads": 1, "folder": tmp_path}
    found = ncp.tune(slow, trainings=5, events=Events(ended=lose), **arguments)
    assert lost
    assert (len(found.study), found.study.pending, found.stopped) == (5, [], "trainings")
    for code, values in zip(found.study.table.codes, found.study.table.values, strict=True):
        assert values.tolist() == [accuracy(ncp.MULTIRES.text(code), 0)]
    starts = [path.read_text().count("once") for path in tmp_path.rglob("trained.txt")]
    assert len(starts) == 5
    assert sum(starts) <= 6
