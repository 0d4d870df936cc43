"""How long the epochs of a task are, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ncp.cost import Counting
from ncp.tasks.decoded import Prepared
from ncp.tasks.task import Task

PASSES = 3
"""Forward passes that a step costs: the backward pass computes gradients of inputs and of weights."""


@dataclass(frozen=True)
class Epoch:
    """An epoch of a training.

    Attributes:
        steps: steps of the optimiser.
        total: steps of the whole training.
        training: multiply-adds of its steps, forward and backward [MACs]; None if they are not counted.
        evaluation: multiply-adds of an evaluation [MACs]; None if they are not counted.
    """

    steps: int
    total: int
    training: int | None
    evaluation: int | None


def epoch_of(task: Task, prepared: Prepared, code: Any) -> Epoch:
    """Count an epoch of a task for the network of a code.

    Raises:
        CodeError: a code that cannot be read or is outside the space.
    """
    recipe, kind = task.recipe, task.kind
    batch = min(recipe.batch, len(prepared.train))
    steps = len(prepared.train) // batch
    whole, trained = (count(prepared.classes, recipe) for count in (kind.counting, kind.training_counting))
    return Epoch(
        steps,
        recipe.steps or recipe.epochs * steps,
        None if trained is None else PASSES * steps * batch * _macs(trained, code),
        None if whole is None else len(prepared.val) * _macs(whole, code),
    )


def _macs(counting: Counting, code: Any) -> int:
    return int(counting.macs(code).item())
