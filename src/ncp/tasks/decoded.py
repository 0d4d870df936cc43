"""The decoded samples of a task: scanned, hashed and decoded once into memory-mapped arrays in the cache."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from ncp.errors import DataError
from ncp.io.files import file_sha256, read_json, write_json
from ncp.processes import cores
from ncp.progress import Progress, quiet
from ncp.tables.sources import cache_dir
from ncp.tasks.decoded_folders import ABOUT, DIGITS, FOLDER
from ncp.tasks.kind import SPLITS, Batch, Kind, Listing, Sample
from ncp.tasks.recipe import DataSection, Recipe

FORMAT = 1
"""Version of the cache's layout; another version is decoded again."""
SHOWN = 10
"""Most bad files that a message lists."""
NAMES = ("utf-8", "surrogateescape")
"""Encoding and error handler of file names. The handler also accepts names that are not UTF-8."""


class BadFilesError(DataError):
    """Files that cannot be used.

    Args:
        bad: the first file of each sample, and why it cannot be used.
        samples: how many samples there are.
    """

    def __init__(self, bad: Sequence[tuple[str, str]], samples: int) -> None:
        self.bad = tuple(bad)
        more = [f"  and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else []
        super().__init__(
            "\n".join(
                [
                    f"{len(bad)} of {samples} samples cannot be used:",
                    *(f"  {reason}" for _, reason in bad[:SHOWN]),
                    *more,
                    "Mend or remove these files, or leave them out with `skip_bad: true` in the section data.",
                ]
            )
        )


@dataclass(frozen=True)
class Decoded:
    """The decoded samples of one split, in a folder of arrays.

    Attributes:
        folder: the folder.
        classes: names of the classes.
    """

    folder: Path
    classes: tuple[str, ...]

    @cached_property
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Memory-mapped arrays by name; an array whose lengths differ has its offsets beside it."""
        return {path.stem: _mapped(path) for path in sorted(self.folder.glob("*.npy"))}

    def __len__(self) -> int:
        return int(read_json(self.folder / ABOUT)["samples"])

    def batch(self, rows: Sequence[int] | NDArray[Any]) -> Batch:
        """The samples of some rows, on the processor."""
        chosen = np.asarray(rows)
        batch: Batch = {}
        for name, array in self.arrays.items():
            if name.endswith(".offsets"):
                continue
            offsets = self.arrays.get(f"{name}.offsets")
            if offsets is None:
                batch[name] = torch.from_numpy(array[chosen])
            else:
                batch[name] = [torch.from_numpy(array[offsets[row] : offsets[row + 1]].copy()) for row in chosen]
        return batch

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "classes": self.classes}  # memory maps would be copied


def _mapped(path: Path) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
    except ValueError:  # an array without entries
        return np.load(path)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Undecoded:
    """The samples of one split, which are decoded whenever they are needed.

    Attributes:
        kind: how they are read.
        folder: the folder of the data.
        samples: their files.
        classes: names of the classes.
        data: the section of the task file.
        recipe: the recipe.
    """

    kind: Kind
    folder: Path
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    data: DataSection
    recipe: Recipe

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, rows: Sequence[int] | NDArray[Any]) -> Batch:
        """Decode the samples of some rows.

        Raises:
            DataError: a file has changed since it was checked, and cannot be used.
        """
        read = [self.kind.read(self.folder, self.samples[row], self.classes, self.data, self.recipe) for row in rows]
        ragged = self.kind.ragged
        return {
            name: [torch.tensor(each[name]) for each in read]
            if name in ragged
            else torch.from_numpy(np.stack([each[name] for each in read]))
            for name in read[0]
        }


@dataclass(frozen=True)
class Prepared:
    """The data of a task, ready to train on.

    Attributes:
        classes: names of the classes.
        data_hash: SHA-256 of names and contents of all files, the split and the classes.
        train: the samples to train on.
        val: the samples to evaluate on.
        skipped: files that were left out, with the reasons.
    """

    classes: tuple[str, ...]
    data_hash: str
    train: Decoded | Undecoded
    val: Decoded | Undecoded
    skipped: tuple[tuple[str, str], ...] = ()


def prepare(
    kind: Kind, folder: Path, listing: Listing, data: DataSection, recipe: Recipe, progress: Progress = quiet
) -> Prepared:
    """Check, hash and decode all samples, or find them in the cache.

    The cache is used again while names, sizes and times of all files stay the same.

    Raises:
        BadFilesError: files that cannot be used, unless `skip_bad`.
        DataError: a cache that cannot be written.
    """
    decoding = json.dumps(kind.decoding(data, recipe), sort_keys=True)
    key = _fingerprint(kind, folder, listing, data, decoding)
    place = cache_dir() / FOLDER / key
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if not (place / ABOUT).exists():
                _decode_all(kind, folder, listing, data, recipe, place, progress)
    except OSError as error:
        raise DataError(
            f"Cannot write decoded samples to {place.parent}: {error.strerror or error}. "
            "Free some space, or set the variable NCP_CACHE to another folder."
        ) from None
    about = read_json(place / ABOUT)
    skipped = {str(name): str(reason) for name, reason in about["skipped"]}
    train, val = (_split(kind, folder, listing, data, recipe, place, split, skipped) for split in SPLITS)
    return Prepared(listing.classes, about["data_hash"], train, val, tuple(skipped.items()))


def _split(
    kind: Kind,
    folder: Path,
    listing: Listing,
    data: DataSection,
    recipe: Recipe,
    place: Path,
    split: str,
    skipped: Mapping[str, str],
) -> Decoded | Undecoded:
    if data.cache:
        return Decoded(place / split, listing.classes)
    samples = tuple(sample for sample in listing.splits[split] if sample.files[0] not in skipped)
    return Undecoded(kind, folder, samples, listing.classes, data, recipe)


def _fingerprint(kind: Kind, folder: Path, listing: Listing, data: DataSection, decoding: str) -> str:
    """A name in the cache: changes with the names, sizes and times of files, and with how they are decoded."""
    kept = "" if data.cache else "not kept "  # then only checked
    digest = sha256(
        f"{FORMAT} {kind.name} {folder.resolve()} {data.skip_bad} {data.fast_hash} {kept}{decoding}\n".encode(*NAMES)
    )
    digest.update(json.dumps(listing.classes).encode())
    for split, sample in _samples(listing):
        digest.update(f"{split} {sample.label}\n".encode())
        for name in sample.files:
            digest.update(_stamp(folder, name))
    for name in listing.others:
        digest.update(_stamp(folder, name))
    return digest.hexdigest()[:DIGITS]


def _stamp(folder: Path, name: str) -> bytes:
    try:
        found = (folder / name).stat()
    except OSError:  # such as a link that leads nowhere; whoever reads it will say so
        return f"{name} unreadable\n".encode(*NAMES)
    return f"{name} {found.st_size} {found.st_mtime_ns}\n".encode(*NAMES)


def _samples(listing: Listing) -> Iterator[tuple[str, Sample]]:
    for split in SPLITS:
        for sample in listing.splits[split]:
            yield split, sample


def _decode_all(
    kind: Kind, folder: Path, listing: Listing, data: DataSection, recipe: Recipe, place: Path, progress: Progress
) -> None:
    """Decode into a new folder, which gets its name when it is complete."""
    temporary = place.with_name(f".{place.name}-{uuid4().hex[:8]}")
    for left in place.parent.glob(f".{place.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    digest, skipped = sha256(json.dumps(listing.classes).encode()), []
    writers = {split: _Writer(temporary / split, kind.ragged, keep=data.cache) for split in SPLITS}
    samples = [(split, sample) for split in SPLITS for sample in listing.splits[split]]
    try:
        read = _read(kind, folder, listing.classes, [sample for _, sample in samples], data, recipe)
        for done, ((split, sample), (found, hashes)) in enumerate(zip(samples, read, strict=True), start=1):
            if isinstance(found, str):
                skipped.append((sample.files[0], found))
            else:
                writers[split].add(found)
            digest.update(f"{split} {sample.label} {isinstance(found, str)} {hashes}\n".encode(*NAMES))
            progress(done / len(samples))
        if skipped and not (data.skip_bad and all(writer.count for writer in writers.values())):
            raise BadFilesError(skipped, len(samples))
        for name in listing.others:
            digest.update(f"{name} {_content(folder / name, data.fast_hash)}\n".encode(*NAMES))
        for writer in writers.values():
            writer.finish()
        about = {"data_hash": digest.hexdigest(), "skipped": skipped, "kind": kind.name, "folder": folder.resolve()}
        write_json(temporary / ABOUT, about)
        temporary.replace(place)
    finally:
        for writer in writers.values():
            with suppress(OSError):  # on a full disk, what is left of the buffer
                writer.close()
        shutil.rmtree(temporary, ignore_errors=True)


def _read(
    kind: Kind, folder: Path, classes: tuple[str, ...], samples: Sequence[Sample], data: DataSection, recipe: Recipe
) -> Iterator[tuple[dict[str, NDArray[Any]] | str, str]]:
    """For every sample in order, its arrays or why it cannot be used, and a text with the hashes of its files."""

    def one(sample: Sample) -> tuple[dict[str, NDArray[Any]] | str, str]:
        hashes = " ".join(sample.files)
        try:
            hashes = " ".join(f"{name} {_content(folder / name, data.fast_hash)}" for name in sample.files)
            return kind.read(folder, sample, classes, data, recipe), hashes
        except DataError as error:
            return str(error), hashes

    with ThreadPoolExecutor(cores()) as pool:
        waiting = iter(samples)
        running = [pool.submit(one, sample) for sample in islice(waiting, 4 * cores())]
        while running:
            yield running.pop(0).result()
            running += [pool.submit(one, sample) for sample in islice(waiting, 1)]


def _content(path: Path, fast: bool) -> str:
    """The hash of a file's content, or its size and time."""
    try:
        if fast:
            found = path.stat()
            return f"{found.st_size} {found.st_mtime_ns}"
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from None


class _Writer:
    """Write the arrays of samples one after the other into .npy files."""

    def __init__(self, folder: Path, ragged: Sequence[str], keep: bool) -> None:
        folder.mkdir(parents=True)
        self.folder, self.ragged, self.keep, self.count = folder, ragged, keep, 0
        self.files: dict[str, Any] = {}
        self.forms: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self.offsets: dict[str, list[int]] = {name: [0] for name in ragged}

    def add(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Append one sample."""
        for name, given in arrays.items():
            array = np.asarray(given, order="C")
            shape = array.shape[1:] if name in self.ragged else array.shape
            form = self.forms.setdefault(name, (shape, array.dtype))
            if form != (shape, array.dtype):
                raise DataError(f"Expected {name} as {form[1]} {form[0]} in all samples. Got {array.dtype} {shape}.")
            if not self.keep:
                continue
            if name not in self.files:
                self.files[name] = (self.folder / f"{name}.raw").open("wb")
            self.files[name].write(array.tobytes())
            if name in self.ragged:
                self.offsets[name].append(self.offsets[name][-1] + len(array))
        self.count += 1

    def close(self) -> None:
        """Close all files."""
        with ExitStack() as stack:  # all of them, even if the disk is full
            for file in self.files.values():
                stack.callback(file.close)

    def finish(self) -> None:
        """Give every file the header that numpy reads."""
        self.close()
        for name in self.files:
            shape, dtype = self.forms[name]
            count = self.offsets[name][-1] if name in self.ragged else self.count
            raw = self.folder / f"{name}.raw"
            with (self.folder / f"{name}.npy").open("wb") as target:
                header = {
                    "descr": np.lib.format.dtype_to_descr(dtype),
                    "fortran_order": False,
                    "shape": (count, *shape),
                }
                np.lib.format.write_array_header_1_0(target, header)
                with raw.open("rb") as source:
                    shutil.copyfileobj(source, target, 1 << 24)
                target.flush()
                os.fsync(target.fileno())  # before the folder gets its name
            raw.unlink()
            if name in self.ragged:
                np.save(self.folder / f"{name}.offsets.npy", np.array(self.offsets[name]))
        write_json(self.folder / ABOUT, {"samples": self.count})
