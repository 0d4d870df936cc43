"""The published files: their addresses and hashes, and how they are downloaded."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ncp.errors import DataError
from ncp.io.files import is_file, whole_file

COMMIT = "5259acdf9876c3adf4b8b1133afc3ac0d1077d65"
UPSTREAM = f"https://raw.githubusercontent.com/dingmyu/NCP/{COMMIT}/data/"

RETRIES = 3
"""Further attempts after a failed download."""


@dataclass(frozen=True)
class Source:
    """A published file: its path in the data folder, and its SHA-256 or its id as a git blob."""

    path: str
    digest: str

    def check(self, file: Path, shown: str = "") -> None:
        """Compare a file with the published hash; messages call it `shown`.

        Raises:
            DataError: the file cannot be read, or it has another hash.
        """
        name = shown or str(file)
        try:
            got = self.hash(file)
        except OSError as error:
            raise DataError(f"Cannot read the published file {name}: {error.strerror}.") from error
        if got != self.digest:
            raise DataError(
                f"{name} is not the published {self.path}: expected {self.algorithm} {self.digest}, got {got}. "
                "Delete the file, and download it again with ncp data fetch."
            )

    @property
    def algorithm(self) -> str:
        """The kind of digest: SHA-256, or git's SHA-1 of the length and the content."""
        return "SHA-256" if len(self.digest) == 64 else "git blob"

    def hash(self, file: Path) -> str:
        """Compute the digest of a file by this source's algorithm."""
        blob = b"blob %d\0" % file.stat().st_size
        digest = hashlib.sha256() if self.algorithm == "SHA-256" else hashlib.sha1(blob, usedforsecurity=False)
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, lambda: digest).hexdigest()


SEARCH_LIST = Source("search_list.txt", "9dd9201f9d223a17e17db7adc2af5220dcbcca7e11af1f0d1bd2a18b5fa9a957")
SETTINGS = {
    "seg": "1854e1ec044c8416cc53d4068cdef4d019a24bcd1e72d07020255550f56ea729",
    "seg-4x": "c111b4ad884e63fd16a1fd2d91fe5eb25ef39a9f3c8b5534a34b025aed06d434",
    "cls-50-1000": "ce6588f4ee339b49b2fa2acf2ca55fa92a75bd813b5590796f5a5fc7cc280a6c",
    "cls-50-100": "f6c7f8d67c84abc3aa226f5c5115c6c35adf576f41dd4d157b683148486f559b",
    "cls-10-1000": "423e0a511b72b47587fb418f91122b8a7b0e6ea6d89e029a2703374916fca4ca",
    "cls-10c": "99d8e31680794790ef6e01dc65d7ba714786b3c15cbf97ee25cf61ea2bef34d6",
    "video": "ec40f09230374c5cb80fa689b16e8c0767060dac7312fb3a6c48610972df2e4d",
    "video-p": "f004d8a270712858ea166a609f619e577287c5fabe8f46979364565bdddbb1b0",
    "3ddet": "f08f87a66e58bc74552632fd05b6363763ca4ae8",
    "nas-bench-201": "6048b2ce2ae8f466c9c2fafd0cb9065edbe94db36f7804790beab0e845fa40d0",
}
PICKLES = {setting: Source(f"{setting}/trainval.pkl", digest) for setting, digest in SETTINGS.items()}
DETECTION_CSV = Source("3ddet_moderate.csv", "92883ce357458e6920c0808935a004d959129cd814d278e8bfb27f8a05cb3220")
"""3ddet as csv; it is not part of the published folder."""

PUBLISHED = (SEARCH_LIST, *PICKLES.values())
"""The files that `fetch` downloads by default."""


DOWNLOADS = "upstream"
"""The folder of downloaded files, in that of the tables."""


class Cached(NamedTuple):
    """Something in the cache that can be removed by itself, as the module that keeps it there lists it.

    Attributes:
        name: its name, as in `nas-bench-mr` or `tasks/1a2a00b77308`.
        what: what it is.
        paths: its files, or its folder.
    """

    name: str
    what: str
    paths: tuple[Path, ...]


SHORT = 12
"""Characters of a digest that the name of something cached shows."""


def cache_dir() -> Path:
    """The folder of all that is cached: the variable NCP_CACHE, or else the user's cache folder.

    Raises:
        DataError: the user has no home folder.
    """
    if given := os.environ.get("NCP_CACHE"):
        return Path(given)
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("ncp-nas", appauthor=False))
    except RuntimeError:
        raise DataError(
            "There is no home folder, so there is no cache for tables. Set the variable NCP_CACHE to a folder."
        ) from None


def fetch(
    folder: Path,
    *,
    base: str = UPSTREAM,
    sources: tuple[Source, ...] = PUBLISHED,
    retries: int = RETRIES,
    done: Callable[[Source], None] = lambda _: None,
) -> None:
    """Download published files into a folder; files with the right hash are kept.

    The hash of a download is compared before the file gets its name.

    Args:
        folder: the target folder; files keep their published paths.
        base: the address of the data folder.
        sources: the files to download.
        retries: further attempts per file.
        done: called after each file.

    Raises:
        DataError: no connection, or a file with another hash.
    """
    import pooch
    from requests.exceptions import RequestException

    pooch.get_logger().setLevel("ERROR")
    base = base.rstrip("/") + "/"
    download = pooch.HTTPDownloader(timeout=30, stream=False)  # a stream would stay open after an error
    by_path = {source.path: source for source in sources}

    def checked(url: str, output_file: str, pooch: Any) -> None:
        download(url, output_file, pooch)
        by_path[url.removeprefix(base)].check(Path(output_file), shown=url)

    for source in sources:
        file = folder / source.path
        try:
            if not is_file(file) or source.hash(file) != source.digest:
                file.parent.mkdir(parents=True, exist_ok=True)  # fails before anything is downloaded
                with TemporaryDirectory() as temporary:
                    keeper = pooch.create(temporary, base, registry={source.path: None}, retry_if_failed=retries)
                    got = keeper.fetch(source.path, downloader=checked)
                    with whole_file(file) as written:
                        shutil.copyfile(got, written)
        except (OSError, RequestException) as error:
            raise DataError(
                f"Cannot download {base}{source.path} to {folder}: {error}. Check the connection and try again, "
                "or download the files on another machine and use ncp data import FOLDER."
            ) from error
        done(source)
