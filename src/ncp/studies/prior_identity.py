"""What a study writes down of its prior, so that it goes on with the same one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncp.errors import ConfigError
from ncp.io.files import file_sha256, is_file
from ncp.optim.pair_cache import digests_of
from ncp.predictors.fitting import SHIPPED
from ncp.predictors.predictor import Predictor
from ncp.searchers.prior import Prior
from ncp.spaces.families import DEFAULT_TABLE
from ncp.spaces.multires import MULTIRES
from ncp.spaces.space import Space
from ncp.tables.table import Table

DEFAULT = "default"
"""The prior of a new study is the shipped one of its space, and that of a study that goes on is its own."""

LENGTH = 32
"""The characters of a digest that are kept."""


def is_default(prior: Any) -> bool:
    """Whether a prior was left out."""
    return isinstance(prior, str) and prior == DEFAULT


def default_prior(space: Space) -> str | None:
    """The prior of a new study."""
    return DEFAULT_TABLE if space == MULTIRES else None


def prior_identity(prior: Any) -> str | dict[str, Any] | None:
    """Plain data that tells one prior from another: a name, or a digest of a file, a table or a predictor."""
    if isinstance(prior, (str, Path)) and str(prior) not in SHIPPED and is_file(Path(prior)):
        return {"kind": "file", "digest": file_sha256(Path(prior))[:LENGTH], "path": str(Path(prior).absolute())}
    if prior is None or isinstance(prior, str):
        return prior
    if isinstance(prior, Table):
        about = {"space": prior.space.to_dict(), "values": digests_of(prior, prior.columns)}
        digest = hashlib.sha256(json.dumps(about).encode())
    elif isinstance(prior, (Prior, Predictor)):
        digest = hashlib.sha256(json.dumps(prior.columns).encode())
        for predictor in prior.predictors if isinstance(prior, Prior) else (prior,):
            for name, tensor in sorted(predictor.state_dict().items()):
                digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    else:
        return {"kind": type(prior).__name__}
    return {"kind": type(prior).__name__, "digest": digest.hexdigest()[:LENGTH]}


def named_prior(identity: str | Mapping[str, Any] | None, folder: Path) -> str | None:
    """The prior of a study that goes on.

    Raises:
        ConfigError: the study has a prior without a name, which the caller has to pass again.
    """
    if identity is None or isinstance(identity, str):
        return identity
    if identity.get("kind") == "file" and identity == prior_identity(identity["path"]):
        return str(identity["path"])
    raise ConfigError(
        "The study {folder} uses a {kind} as its prior, which is not there as it was. Pass it again as {field}.",
        field="prior",
        folder=str(folder),
        kind=str(identity.get("kind", "table")).lower(),
    )


def is_same(one: Any, other: Any) -> bool:
    """Whether two identities are those of one prior; a file may have been moved."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {**one, "path": None} == {**other, "path": None}
    return bool(one == other)
