"""The training loop: from random weights, or from a saved state, to the metrics of the last evaluation."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ncp.errors import DataError, NcpError
from ncp.network.network_file import read_whole_weights
from ncp.progress import Progress, quiet
from ncp.tasks.decoded import Prepared
from ncp.tasks.kind import Dataset
from ncp.tasks.task import Task
from ncp.training.batches import Order, evaluation_batches, moved, seeded, training_batches
from ncp.training.optimisers import average, finite, optimiser
from ncp.training.schedules import rate, warmup_steps
from ncp.training.state import load_state, save_state
from ncp.training.stopping import Stop

CHECKED = 50
"""Steps between checks of the loss on a device other than the processor, which has to wait for them."""


HEADS = ("transform.", "classifier.", "encoder.")
"""What the names of weights begin with that depend on the task, besides those of the backbone."""


class DivergedError(NcpError):
    """A loss, weight or statistic that is not finite."""


@dataclass(frozen=True)
class Job:
    """What a training needs.

    Attributes:
        task: the task.
        prepared: its data.
        code: the architecture.
        seed: the seed of initial weights, order and augmentation.
        folder: where the state is saved.
        device: where the network is trained.
        loaders: processes that read batches ahead.
        save_every: time between saved states [s].
    """

    task: Task
    prepared: Prepared
    code: Any
    seed: int
    folder: Path
    device: torch.device
    loaders: int = 0
    save_every: float = 120.0


@dataclass
class Training:
    """The network and everything else that changes from step to step."""

    net: nn.Module
    averaged: nn.Module | None
    optimiser: torch.optim.Optimizer
    step: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    curve: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    resumes: int = 0

    @property
    def evaluated(self) -> nn.Module:
        """The network that is evaluated and kept."""
        return self.averaged or self.net

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training needs."""
        random = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state()
        return {
            "net": self.net.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged else None,
            "optimiser": self.optimiser.state_dict(),
            "random": random,
            **{name: getattr(self, name) for name in _NUMBERS},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.net.load_state_dict(state["net"])
        if self.averaged:
            self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"]["cpu"])
        if torch.cuda.is_available() and "cuda" in state["random"]:
            torch.cuda.set_rng_state(state["random"]["cuda"])
        for name in _NUMBERS:
            setattr(self, name, state[name])


_NUMBERS = ("step", "loss_sum", "loss_count", "curve", "seconds", "resumes")


def fit(
    job: Job,
    stop: Stop,
    progress: Progress = quiet,
    evaluated: Callable[[list[dict[str, Any]]], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Training:
    """Train a network, from a saved state if there is one.

    Args:
        job: what to train.
        stop: when it has a signal, the state is saved and the training ends as the signal demands.
        progress: called with the share that is done.
        evaluated: called with the curve after each evaluation, and when the training begins.
        say: called with remarks, such as that a saved state is damaged.

    Raises:
        DivergedError: the loss or a weight is not finite.
        KeyboardInterrupt, SystemExit: a signal has ended the training.
    """
    recipe, data, kind = job.task.recipe, job.prepared.train, job.task.kind
    training = _begin(job, say)
    per_epoch = max(len(data) // recipe.batch, 1)
    total = recipe.steps or recipe.epochs * per_epoch
    warmup = warmup_steps(recipe.schedule, per_epoch, total)
    every = recipe.evaluate_every * per_epoch
    order = Order(len(data), recipe.batch, job.seed, training.step, total)
    evaluated(training.curve)
    losses: list[Tensor] = []
    begun = saved = time.monotonic()
    before = training.seconds
    with closing(training_batches(data, order, job.loaders)) as batches:
        for batch in batches:
            share = rate(recipe.schedule, training.step, total, warmup)
            for group in training.optimiser.param_groups:
                group["lr"] = share * recipe.optimiser.lr
            randomness = torch.Generator().manual_seed(seeded(job.seed, "augmentation", training.step))
            ready = kind.augmented(moved(batch, job.device), data, recipe, randomness)
            losses.append(_step(job, training, ready))
            training.step += 1
            progress(training.step / total)
            last = training.step == total
            if last or training.step % every == 0 or len(losses) >= (1 if job.device.type == "cpu" else CHECKED):
                _count(training, losses)
            training.seconds = before + time.monotonic() - begun
            if last or training.step % every == 0:
                training.curve.append(_evaluation(job, training, per_epoch, share))
                training.seconds = before + time.monotonic() - begun
                evaluated(training.curve)
            if not last and (stop.signal or time.monotonic() - saved >= job.save_every):
                _count(training, losses)
                save_state(job.folder, training.state())
                saved = time.monotonic()
            if stop.signal and not last:
                stop.leave()
    return training


def _begin(job: Job, say: Callable[[str], None]) -> Training:
    """The network with its initial or saved weights."""
    torch.manual_seed(seeded(job.seed, "weights"))
    recipe = job.task.recipe
    net: nn.Module = job.task.kind.network(job.code, job.prepared.classes, recipe)
    if recipe.pretrained is not None:
        start_from(net, recipe.pretrained)
    net = net.to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(net).requires_grad_(False) if recipe.ema else None
    training = Training(net.train(), averaged, optimiser(net, recipe.optimiser))
    state, complaints = load_state(job.folder)
    for complaint in complaints:
        say(complaint)
    if state is not None:
        try:
            training.restore(state)
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise DataError(
                f"The state in {job.folder} was saved by another version of ncp, which this one cannot continue. "
                "Go on with that version, or remove the folder to train from the beginning."
            ) from None
        training.resumes += 1
        say(f"Resumed at step {training.step}.")
    return training


def _step(job: Job, training: Training, batch: dict[str, Any]) -> Tensor:
    """Update the weights with one batch; return the loss."""
    recipe, net = job.task.recipe, training.net
    with precision(recipe.precision, job.device):
        outputs = net(batch["input"])
    loss = job.task.kind.loss(outputs, batch, recipe)
    training.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if recipe.optimiser.clip:
        nn.utils.clip_grad_norm_(net.parameters(), recipe.optimiser.clip)
    training.optimiser.step()
    if training.averaged:
        average(training.averaged, net, recipe.ema, training.step)
    return loss.detach()


def _count(training: Training, losses: list[Tensor]) -> None:
    """Add the losses since the last call. Raise `DivergedError` if one is not finite."""
    if not losses:
        return
    values = torch.stack(losses).double().cpu()
    first = training.step - len(losses)
    losses.clear()
    if not values.isfinite().all():
        step = first + int((~values.isfinite()).nonzero()[0]) + 1
        raise DivergedError(f"the loss is not finite at step {step}")
    training.loss_sum += float(values.sum())
    training.loss_count += len(values)


def _evaluation(job: Job, training: Training, per_epoch: int, share: float) -> dict[str, Any]:
    """A line of the curve, with the metrics of the network as it is."""
    if not finite(training.evaluated):
        raise DivergedError(f"weights or statistics are not finite after step {training.step}")
    metrics = evaluate(job, training.evaluated)
    line = {
        "step": training.step,
        "epoch": training.step / per_epoch,
        "lr": share * job.task.recipe.optimiser.lr,
        "loss": training.loss_sum / training.loss_count,
        "metrics": metrics,
        "seconds": training.seconds,
    }
    training.loss_sum, training.loss_count = 0.0, 0
    return line


def evaluate(job: Job, net: nn.Module) -> dict[str, float]:
    """The metrics of a network on the split `val`."""
    return evaluate_on(job.task, job.prepared.val, net, job.device)


@torch.no_grad()
def evaluate_on(task: Task, data: Dataset, net: nn.Module, device: torch.device) -> dict[str, float]:
    """The metrics of a network on samples.

    Args:
        task: how samples are prepared and scored.
        data: the samples; each counts once.
        net: the network, on the device.
        device: where it computes.
    """
    recipe, kind = task.recipe, task.kind
    metric = kind.metric(data, recipe)
    mode = net.training
    net.eval()
    for batch in evaluation_batches(data, recipe.batch):
        ready = kind.prepared(moved(batch, device), recipe)
        with precision(recipe.precision, device):
            outputs = net(ready["input"])
        metric.update(outputs, ready)
    net.train(mode)
    return metric.values()


def precision(name: str, device: torch.device) -> torch.autocast:
    """Mixed precision in a `with` statement: bfloat16 where the recipe wants it and the device has it."""
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=name == "bfloat16" or (name == "auto" and fast))


def start_from(net: nn.Module, path: Path) -> None:
    """Load pretrained weights. Those of a head that do not fit, such as another task's classifier, are left out.

    Raises:
        DataError: the file cannot be read, or does not have all weights of the backbone.
    """
    own = net.state_dict()
    fitting = {k: w for k, w in read_whole_weights(path).items() if k in own and own[k].shape == w.shape}
    backbone = [key for key in own if not key.removeprefix("backbone.").startswith(HEADS)]
    lacking = [key for key in backbone if key not in fitting]
    if lacking:
        raise DataError(
            f"The weights in {path} are of another network: {len(lacking)} of {len(backbone)} weights of the backbone "
            f"do not fit, the first is {lacking[0]}. Use weights of the same code and of a task with the same input."
        )
    net.load_state_dict({**own, **fitting})
