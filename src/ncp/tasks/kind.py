"""The contract of a kind of task: how data is listed and read, and what is augmented, predicted, lost and scored.

Notation:
    sample: one example on disk, a photograph with its class for example.
    dataset: the decoded samples of one split, as arrays with one entry per sample.
    batch: a dict of tensors with one entry per sample; an array whose lengths differ is a list of tensors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from ncp.cost import Counting
from ncp.tasks.recipe import DataSection, Recipe

Batch = dict[str, Any]
"""Tensors by name, each with one entry per sample; a list of tensors where lengths differ."""

SPLITS = ("train", "val")
"""Samples to train on, and samples to evaluate on."""


@dataclass(frozen=True)
class Sample:
    """One example on disk.

    Attributes:
        files: its files, relative to the folder of the data.
        label: the number of its class; None where the files say what is right.
    """

    files: tuple[str, ...]
    label: int | None = None


@dataclass(frozen=True)
class Listing:
    """The samples of a task, by the names of their files.

    Attributes:
        classes: names of the classes.
        splits: the samples of the splits `train` and `val`.
        others: other files that decide what is learned, such as a list of classes; they count in the data hash.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, tuple[Sample, ...]]
    others: tuple[str, ...] = field(default=())

    def counts(self, without: Collection[str] = ()) -> dict[str, dict[str, int]]:
        """The samples of each class by split, without those of some first files; none if samples have no class."""
        if not all(sample.label is not None for samples in self.splits.values() for sample in samples):
            return {}
        found = {}
        for split, samples in self.splits.items():
            number = Counter(sample.label for sample in samples if sample.files[0] not in without)
            found[split] = {name: number[label] for label, name in enumerate(self.classes)}
        return found


class Dataset(Protocol):
    """The samples of one split."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    def __len__(self) -> int:
        """The number of samples."""

    def batch(self, rows: Sequence[int] | NDArray[Any]) -> Batch:
        """The samples of some rows, on the processor, as they were decoded."""


class Metric(ABC):
    """Metrics over a whole split. Every sample counts once."""

    @abstractmethod
    def update(self, outputs: Any, batch: Batch) -> None:
        """Count one batch.

        Args:
            outputs: what the network returned, on any device.
            batch: the batch, as `Kind.prepared` returned it.
        """

    @abstractmethod
    def values(self) -> dict[str, float]:
        """The metrics by name, those of `Kind.metrics` first; further entries such as `IoU/road` may follow."""


class Kind(ABC):
    """A kind of task. Kinds have no state: the sections of the task file are passed to every method.

    A new kind is one file with one subclass, and an entry in `ncp.tasks.kinds.KINDS`.

    Attributes:
        name: the name in task files.
        version: a number that is raised when the same task file would train another network than before, because
            defaults, augmentation or the network have changed. It is part of what identifies a run.
        metrics: names of the metrics, the main one first. Higher is better.
        data: the class of the section `data` of a task file.
        recipe: the class of the section `recipe`, with the defaults of this kind.
        ragged: arrays whose first axis differs in length between samples.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    metrics: ClassVar[tuple[str, ...]]
    data: ClassVar[type[DataSection]] = DataSection
    recipe: ClassVar[type[Recipe]] = Recipe
    ragged: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def listing(self, folder: Path, data: Any) -> Listing:
        """List classes and samples by the names of files, in an order that depends on the names alone.

        Raises:
            DataError: folders or lists that are missing, or a split without samples.
        """

    def decoding(self, data: Any, recipe: Any) -> dict[str, Any]:
        """The settings that change what `read` returns, as plain data; decoded samples are kept per such dict."""
        return {}

    @abstractmethod
    def read(
        self, folder: Path, sample: Sample, classes: Sequence[str], data: Any, recipe: Any
    ) -> dict[str, NDArray[Any]]:
        """Decode one sample, to the size that the recipe needs.

        Returns:
            arrays by name. They have the same shape and type in all samples of a split, but for the first axis of those
            that `ragged` names. Images are uint8 `(height, width, 3)`.

        Raises:
            DataError: a file that cannot be used; the message names the file and says why.
        """

    @abstractmethod
    def augmented(self, batch: Batch, dataset: Dataset, recipe: Any, randomness: Generator) -> Batch:
        """What the network is trained on: floats, normalised and randomly changed, on the batch's device.

        Args:
            batch: decoded samples, on the device of the training.
            dataset: the split that they are from, for example for boxes of other scenes.
            recipe: the recipe of the task.
            randomness: a generator of the processor; nothing else may be random. It depends on the seed and the step.

        Returns:
            a batch whose entry `input` is passed to the network.
        """

    @abstractmethod
    def prepared(self, batch: Batch, recipe: Any) -> Batch:
        """What the network is evaluated on, with the entry `input`; as `augmented`, without anything random."""

    @abstractmethod
    def network(self, code: Any, classes: Sequence[str], recipe: Any) -> nn.Module:
        """The network of a code with random initial weights, from torch's global generator."""

    @abstractmethod
    def loss(self, outputs: Any, batch: Batch, recipe: Any) -> Tensor:
        """The loss of a batch that `augmented` returned, a float32 number."""

    @abstractmethod
    def metric(self, dataset: Dataset, recipe: Any) -> Metric:
        """A new metric for a split."""

    def counting(self, classes: Sequence[str], recipe: Any) -> Counting | None:
        """How exact cost is counted for this task; None if it is not counted."""
        return None

    def training_counting(self, classes: Sequence[str], recipe: Any) -> Counting | None:
        """How exact cost is counted for samples to train on, which may be crops; None if it is not counted."""
        return self.counting(classes, recipe)

    def metadata(self, recipe: Any) -> dict[str, Any]:
        """What a user of trained weights needs to know of the input, such as its size and normalisation."""
        return {}
