"""Downloads are whole and right, or change nothing."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ncp.errors import DataError
from ncp.tables import sources
from ncp.tables.sources import PICKLES, PUBLISHED, Source, fetch
from tests.tables.server import Server, serve

ONE = b"one" * 1000
TWO = b"two" * 5
FILES = (
    Source("folder/one.pkl", hashlib.sha256(ONE).hexdigest()),
    Source("two.txt", hashlib.sha1(b"blob 15\0" + TWO).hexdigest()),  # noqa: S324
)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve({"/folder/one.pkl": ONE, "/two.txt": TWO}) as served:
        yield served


def files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


WHOLE = {"folder/one.pkl": ONE, "two.txt": TWO}


def test_fetch(server: Server, tmp_path: Path) -> None:
    done: list[Source] = []
    fetch(tmp_path / "new", base=server.address, sources=FILES, retries=0, done=done.append)
    assert files(tmp_path / "new") == WHOLE
    assert done == list(FILES)


def test_what_is_there_is_left_alone(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        fetch(tmp_path, base=server.address, sources=FILES, retries=0)
    assert server.asked == ["/folder/one.pkl", "/two.txt"]


def test_what_is_there_and_wrong_is_replaced(server: Server, tmp_path: Path) -> None:
    for name in WHOLE:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"wrong")
    fetch(tmp_path, base=server.address, sources=FILES, retries=0)
    assert files(tmp_path) == WHOLE


def test_a_download_that_breaks_off_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.cut = 1
    fetch(tmp_path, base=server.address, sources=FILES, retries=1)
    assert files(tmp_path) == WHOLE
    assert server.asked == ["/folder/one.pkl"] * 2 + ["/two.txt"]


def test_a_download_that_breaks_off_changes_nothing(server: Server, tmp_path: Path) -> None:
    server.cut = 1
    with pytest.raises(DataError, match=r"Cannot download .*one.pkl to .*: .* ncp data import FOLDER"):
        fetch(tmp_path, base=server.address, sources=FILES, retries=0)
    assert files(tmp_path) == {}


@pytest.mark.parametrize(("name", "hash_name"), [("/folder/one.pkl", "SHA-256"), ("/two.txt", "git blob")])
def test_a_tampered_file_is_refused(server: Server, tmp_path: Path, name: str, hash_name: str) -> None:
    server.content[name] = server.content[name][:-1] + b"!"
    with pytest.raises(DataError, match=rf"http.*{name} is not the published .*: expected {hash_name} \w+, got"):
        fetch(tmp_path, base=server.address, sources=FILES, retries=0)
    assert name[1:] not in files(tmp_path)


def test_a_wrong_file_stays_until_there_is_a_right_one(server: Server, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_bytes(b"mine")
    del server.content["/two.txt"]
    with pytest.raises(DataError, match="404"):
        fetch(tmp_path, base=server.address, sources=FILES[1:], retries=0)
    assert files(tmp_path) == {"two.txt": b"mine"}


def test_no_connection(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # a port on which nobody listens
        with pytest.raises(DataError, match="Check the connection and try again, or download"):
            fetch(tmp_path, base=f"http://127.0.0.1:{taken.getsockname()[1]}/", sources=FILES, retries=0)
    assert files(tmp_path) == {}


def test_a_folder_that_cannot_be_written_to(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Cannot download"):
        fetch(tmp_path / "file", base=server.address, sources=FILES, retries=0)


def test_the_published_files(published: Path) -> None:
    assert len({source.path for source in PUBLISHED}) == 11
    for source in (*PUBLISHED, sources.DETECTION_CSV):
        if source != PICKLES["3ddet"]:
            source.check(published / source.path)
    assert PICKLES["3ddet"].algorithm == "git blob"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Cannot read the published file .*two.txt: No such file"):
        FILES[1].check(tmp_path / "two.txt")
