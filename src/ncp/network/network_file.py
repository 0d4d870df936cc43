"""Files of trained networks: weights as safetensors, with all that is needed to build the network in their metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ncp.errors import ConfigError, DataError, NcpError, quoted
from ncp.io.files import as_path, plain, whole_file
from ncp.network.inference import InferenceNet
from ncp.network.weights import fitting, read_weights

FORMAT = 1
"""Rises with every change of what the description in a file contains."""
KEYS = {"format", "ncp", "network", "metadata"}
"""What a description consists of, besides the digest of the file."""
DIGEST = "sha256"
"""The key of the digest; files of earlier versions have none."""
LONGEST = 1 << 24
"""Most characters of a description: names of a million classes."""

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Description:
    """How a network is built, as plain data.

    Attributes:
        network: the name of its class.
        arguments: the arguments of its class.
        backbone: the arguments of its backbone, which is a `MultiResolutionNet` with the task `features`.
        prefix: what the names of the backbone's weights begin with.
    """

    network: str
    arguments: Mapping[str, Any]
    backbone: Mapping[str, Any]
    prefix: str = ""


@runtime_checkable
class Described(Protocol):
    """A network that a file can describe."""

    @property
    def description(self) -> Description:
        """How it is built."""


def save_network(net: nn.Module, path: str | Path, metadata: Mapping[str, Any]) -> None:
    """Write a network's weights, and how it is built.

    Args:
        net: a network of this package. Of other networks the file has the weights and the metadata only.
        path: the file, `*.safetensors`.
        metadata: what else a user needs to know, as plain data: the names of the classes (`classes`), the task, the
            size and normalisation of the input.

    Raises:
        ConfigError: the inference form of a network, whose weights are not those of a training.
        DataError: the file cannot be written.
    """
    if any(isinstance(module, InferenceNet) for module in net.modules()):
        raise ConfigError("{field} must be a network, not its inference form.", field="net", given=type(net).__name__)
    weights = {name: weight.detach().cpu().contiguous() for name, weight in net.state_dict().items()}
    about: dict[str, Any] = {"format": FORMAT, "ncp": version("ncp-nas"), "network": None, "metadata": dict(metadata)}
    if isinstance(net, Described):
        how = net.description
        about["network"] = {
            "class": how.network,
            "arguments": how.arguments,
            "backbone": how.backbone,
            "prefix": how.prefix,
        }
    about[DIGEST] = _digest(weights, about)
    with whole_file(path) as temporary:
        try:
            save_file(weights, temporary, {"ncp": json.dumps(plain(about), sort_keys=True)})
        except SafetensorError as error:  # its error for a full disk
            raise DataError(f"Cannot write {path}: {error}. Free some space on the disk.") from None


@dataclass(frozen=True)
class NetworkFile:
    """What a file of `save_network` contains.

    Attributes:
        path: the file.
        description: how the network is built.
        weights: the weights by name.
        metadata: what was saved with the network.
        classes: names of the classes; None if the file does not name them.
    """

    path: Path
    description: Description
    weights: Mapping[str, Tensor] = field(repr=False)
    metadata: dict[str, Any]
    classes: tuple[str, ...] | None

    def built(self, network: Callable[..., N]) -> N:
        """The network with its weights, in evaluation mode.

        Args:
            network: the class that the description names.

        Raises:
            DataError: arguments that the class refuses, or weights of another network.
        """
        return self._filled(network, self.description.arguments, self.weights)

    def backbone(self, network: Callable[..., N]) -> N:
        """The backbone of the network with its weights, in evaluation mode; arguments and errors as in `built`."""
        prefix = self.description.prefix
        weights = {k.removeprefix(prefix): weight for k, weight in self.weights.items() if k.startswith(prefix)}
        return self._filled(network, {**self.description.backbone, "task": "features"}, weights)

    def _filled(self, network: Callable[..., N], arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> N:
        numbers = sum(weight.numel() for weight in weights.values())
        if any(isinstance(value, int) and value > numbers for value in arguments.values()):
            raise DataError(f"{self.path} describes a network that is larger than its weights. It is damaged.")
        try:
            with torch.random.fork_rng(devices=[]):  # the initial weights are replaced
                net = network(**arguments)
        except (NcpError, TypeError) as error:
            reason = str(error) if isinstance(error, NcpError) else "its arguments are of another version."
            raise DataError(f"{self.path} describes a network that cannot be built: {reason}") from error
        fitted = fitting(net, weights, self.path)
        missing = net.state_dict().keys() - fitted.keys()
        if missing:
            raise DataError(f"{self.path} lacks {quoted(min(missing))}. It is damaged: train or download it again.")
        number = getattr(net, "num_classes", None)
        if self.classes is not None and getattr(net, "task", None) != "features" and len(self.classes) != number:
            raise DataError(f"{self.path} names {len(self.classes)} classes, but its network has {number}.")
        net.load_state_dict(fitted)
        net.classes, net.metadata = self.classes, self.metadata  # type: ignore[assignment]
        return net.eval()


def read_network(path: str | Path) -> NetworkFile:
    """Read a file that `save_network` wrote.

    Raises:
        DataError: the file cannot be read, is damaged, does not describe its network, or is of another version.
    """
    file = as_path(path)
    weights = read_weights(file)
    about = _about(file)
    _require_whole(file, weights, about)
    how, metadata = about["network"], about["metadata"]
    if how is None:
        raise DataError(
            f"The network of {file} is not one of this package, so it cannot be built from the file. "
            "Build it yourself, and load its weights with safetensors."
        )
    if not isinstance(how, dict) or how.keys() != {"class", "arguments", "backbone", "prefix"}:
        raise _damaged(file, "network")
    texts, dicts = (how["class"], how["prefix"]), (how["arguments"], how["backbone"], metadata)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(each, dict) for each in dicts):
        raise _damaged(file, "network")
    classes = metadata.get("classes")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise _damaged(file, "classes")
    description = Description(how["class"], how["arguments"], how["backbone"], how["prefix"])
    return NetworkFile(file, description, weights, metadata, None if classes is None else tuple(classes))


def read_whole_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the weights in a file as `read_weights`, and compare those that `save_network` wrote with their digest.

    Raises:
        DataError: the file cannot be read or is damaged.
    """
    file = as_path(path)
    weights = read_weights(file)
    if _text(file) is not None:
        _require_whole(file, weights, _about(file))
    return weights


def _require_whole(file: Path, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Refuse a file in which a byte of the weights or of the description has changed since it was written."""
    if DIGEST in about and about[DIGEST] != _digest(weights, about):
        raise DataError(
            f"{file} is damaged: its content differs from what was saved. Train or download it again. "
            f"If you changed it yourself, remove {DIGEST} from its description."
        )


def _digest(weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    """The SHA-256 of a description, and of the names, types, shapes and bytes of weights."""
    described = {key: value for key, value in about.items() if key != DIGEST}
    digest = sha256(json.dumps(plain(described), sort_keys=True).encode())
    for name in sorted(weights):
        weight = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
        digest.update(weight.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _text(file: Path) -> str | None:
    """The description in a file as text; None if there is none, as in a file of torch."""
    try:
        with safe_open(file, framework="pt") as opened:
            return (opened.metadata() or {}).get("ncp")
    except (SafetensorError, OSError):
        return None


def _about(file: Path) -> dict[str, Any]:
    """The description in a file, of the present format."""
    text = _text(file)
    if text is None:
        raise DataError(
            f"{file} has weights, but does not say of which network. Give its code, too: "
            "MultiResolutionNet(code).load_published(file), or ncp export CODE --weights FILE."
        )
    if len(text) > LONGEST:
        raise DataError(f"{file} describes its network in more than {LONGEST} characters, so it is not read.")
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        raise _damaged(file, "network") from None
    if not isinstance(about, dict) or type(about.get("format")) is not int or about["format"] != FORMAT:
        found = quoted(about.get("format")) if isinstance(about, dict) else "none"
        raise DataError(
            f"{file} has the format {found}. This version of ncp reads format {FORMAT}. Update ncp, or train again."
        )
    if about.keys() - {DIGEST} != KEYS:
        raise _damaged(file, "network")
    return about


def _damaged(file: Path, what: str) -> DataError:
    """The error to raise for a description that `save_network` does not write."""
    described = {"network": "how its network is built", "classes": "the names of its classes"}[what]
    return DataError(f"{file} does not say properly {described}. It is damaged: train or download it again.")
