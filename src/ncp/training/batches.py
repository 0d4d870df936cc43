"""The batches of a training: each depends on seed and step alone, so a resumed training needs no loader's state."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from multiprocessing import resource_tracker
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from ncp.errors import NcpError
from ncp.tasks.kind import Batch, Dataset
from ncp.training.stopping import SIGNALS


def seeded(seed: int, *keys: int | str) -> int:
    """A seed of 63 bits that depends on a seed and on what the random numbers are for."""
    return int.from_bytes(sha256(repr((seed, *keys)).encode()).digest()[:8]) >> 1


class Order(Sampler[NDArray[np.int64]]):
    """The rows of every step. The permutation of an epoch depends on seed and epoch."""

    def __init__(self, samples: int, batch: int, seed: int, start: int, total: int) -> None:
        self.samples, self.seed, self.start, self.total = samples, seed, start, total
        self.batch = min(batch, samples)
        self.per_epoch = samples // self.batch

    def __len__(self) -> int:
        return self.total - self.start

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        shuffled, known = np.arange(self.samples), -1
        for step in range(self.start, self.total):
            epoch, place = divmod(step, self.per_epoch)
            if epoch != known:
                shuffled = np.random.default_rng(seeded(self.seed, "order", epoch)).permutation(self.samples)
                known = epoch
            yield shuffled[place * self.batch : (place + 1) * self.batch]


class _Rows(TorchDataset[Batch | NcpError]):
    """A data set whose items are batches, or why one cannot be read."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, rows: NDArray[np.int64]) -> Batch | NcpError:
        try:
            return self.dataset.batch(rows)
        except NcpError as error:  # a loader would put the traceback of its process into the message
            return error


def training_batches(dataset: Dataset, order: Order, workers: int) -> Generator[Batch]:
    """The decoded batches of the steps of an order, read ahead by `workers` processes (0: by this one).

    The processes end with the last batch, or when the generator is closed.
    """
    return _loaded(dataset, order, workers)


def evaluation_batches(dataset: Dataset, batch: int, workers: int = 0) -> Generator[Batch]:
    """Every sample once, in order."""
    rows = [np.arange(start, min(start + batch, len(dataset))) for start in range(0, len(dataset), batch)]
    return _loaded(dataset, rows, workers)


def _loaded(dataset: Dataset, rows: Any, workers: int) -> Generator[Batch]:
    loader = DataLoader(
        _Rows(dataset),
        sampler=rows,
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
        generator=torch.Generator(),  # else the loader draws from the global one
    )
    with _blocked_signals() if workers else nullcontext():
        batches: Any = iter(loader)
    try:
        for batch in batches:
            if isinstance(batch, NcpError):
                raise batch
            yield batch
    finally:
        if workers:  # else they end with the iterator, which a traceback can keep
            batches._shutdown_workers()


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """Keep processes that are started in a `with` statement from getting the signals that stop a training.

    A terminal sends Ctrl-C to all processes. A loader that ended by itself would be an error before the state is saved.
    """
    resource_tracker.ensure_running()  # it unblocks the signals when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def moved(value: Any, device: torch.device) -> Any:
    """A batch, list or tensor on a device."""
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {name: moved(each, device) for name, each in value.items()}
    return [moved(each, device) for each in value] if isinstance(value, (list, tuple)) else value
