"""Workers on a Ray cluster: one Ray task per training, without Ray's own retries."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ncp.errors import ConfigError, NcpError, printable
from ncp.extras import require_extra
from ncp.numbers import as_count
from ncp.studies.worker import Ended, Work, carry_out

CONNECT = 5.0
"""How long a cluster may take to answer [s]."""
LOOPBACK = ("127.0.0.1", "localhost")


class RayPool:
    """The nodes of a cluster.

    Args:
        address: the address of the cluster, or `auto` for the one that runs on this machine.
        device: `cpu` or `cuda`; GPUs if the cluster has some when left out.
        threads: threads of the processor for each training, and the cores that Ray keeps for it; one when left out.
        workers: the most trainings at the same time; as many as the cluster has room for when left out.

    Raises:
        ConfigError: no cluster at this address, or one without the devices.
        MissingExtraError: ray is not installed.
    """

    def __init__(self, address: str, device: str | None, threads: int | None, workers: int | None) -> None:
        require_extra("ray", "a Ray cluster")
        if device not in (None, "cpu", "cuda"):
            raise ConfigError(
                "{field} must be cpu or cuda on a Ray cluster. Got {given}.", field="device", given=device
            )
        self.threads = 1 if threads is None else as_count(threads, "threads")
        self._ray, self._workers = _joined(address), workers
        ray = self._ray
        self._device = device or ("cuda" if ray.cluster_resources().get("GPU", 0) >= 1 else "cpu")
        if not self._room:
            self.close()
            raise ConfigError(
                "{field} has no node with {threads} cores" + (" and a GPU." if self._device == "cuda" else "."),
                field="ray",
                threads=str(self.threads),
            )
        self._train = ray.remote(
            num_cpus=self.threads, num_gpus=int(self._device == "cuda"), max_retries=0, max_calls=1
        )(_train)
        self._running: dict[Any, str] = {}

    @property
    def _room(self) -> int:
        """The trainings that the nodes have room for; nodes come and go."""
        needed = {"CPU": self.threads} | ({"GPU": 1} if self._device == "cuda" else {})
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        room = sum(min(int(node.get(name, 0) // each) for name, each in needed.items()) for node in nodes)
        return room if self._workers is None else min(room, self._workers)

    @property
    def free(self) -> int:
        """How many trainings can be started now."""
        return max(self._room - len(self._running), 0)

    def start(self, work: Work) -> None:
        """Hand a training to the cluster."""
        path = [str(Path(each).absolute()) for each in sys.path]
        self._running[self._train.remote(work, self._device, path)] = work.run

    def ended(self, seconds: float) -> list[Ended]:
        """The trainings that ended; `died` where a process or a node was lost."""
        if not self._running:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        found = []
        for task in ready:
            run = self._running.pop(task)
            try:
                found.append(self._ray.get(task))
            except self._ray.exceptions.RayTaskError as error:
                raise NcpError(f"A worker of the cluster failed: {error.cause!r}.") from None
            except self._ray.exceptions.RayError as error:
                found.append(Ended(run, "died", type(error).__name__))
        return found

    def stop(self) -> None:
        """Interrupt all trainings, which save their states, and wait for them."""
        for task in self._running:
            self._ray.cancel(task, force=False)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running))

    def close(self) -> None:
        """Leave the cluster, which ends all trainings at once."""
        with suppress(RuntimeError):
            self._ray.shutdown()


def _joined(address: str) -> Any:
    """The module `ray`, connected to a cluster.

    Raises:
        ConfigError: no cluster at this address, or one that refuses this process.
    """
    refused = ConfigError(
        "{field} must be the address HOST:PORT of a Ray cluster that runs, or auto for the one of this machine. Got "
        "{given}, where none answers. ray start --head starts one.",
        field="ray",
        given=address,
    )
    host, _, port = address.rpartition(":")
    if address != "auto":
        try:
            socket.create_connection((host, int(port)), CONNECT).close()
        except (OSError, ValueError, OverflowError):
            raise refused from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if host in LOOPBACK:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # else Ray uses the address of the network
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError):
        raise refused from None
    except RuntimeError as error:  # such as other versions of Ray or Python on the cluster
        reason = " ".join(printable(str(error)).split())
        raise ConfigError(
            "The Ray cluster {field} = {given} cannot be joined: {reason}", field="ray", given=address, reason=reason
        ) from None
    return ray


def _train(work: Work, device: str, path: list[str]) -> Ended:
    """Train on a node, where functions of the user are imported as in the scheduler."""
    sys.path += [each for each in path if each not in sys.path]
    return carry_out(work, device)
