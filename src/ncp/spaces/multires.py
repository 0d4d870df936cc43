"""The multi-resolution networks of NAS-Bench-MR: codes of 27 integers, written as a text, a vector or a setting."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, SupportsIndex

from ncp.errors import CodeError, quoted
from ncp.spaces.dimensions import Ordinal
from ncp.spaces.space import Space

STAGES = 4
"""Number of stages; stage k has k branches."""
_COUNTS, _CHANNELS = range(1, 5), range(8, 129, 8)


def _dimensions() -> list[Ordinal]:
    dims = [Ordinal("i1", _CHANNELS), Ordinal("i2", _CHANNELS)]
    for stage in range(1, STAGES + 1):
        branches = [f"{stage}" if stage == 1 else f"{stage}_{k}" for k in range(1, stage + 1)]
        dims.append(Ordinal(f"b{stage}", _COUNTS))
        dims += [Ordinal(f"n{branch}", _COUNTS) for branch in branches]
        dims += [Ordinal(f"c{branch}", _CHANNELS) for branch in branches]
    return [*dims, Ordinal("o", _CHANNELS)]


MULTIRES = Space(_dimensions())
"""The 27-dimensional space: two stem channels, four stages, the head's channels; 2^80 codes (section 3.1)."""


class Columns(NamedTuple):
    """The columns of one stage in a vector: one for its modules, slices for the blocks and channels of its branches."""

    modules: int
    blocks: slice
    channels: slice


def _layout() -> tuple[Columns, ...]:
    stages, start = [], 2
    for branches in range(1, STAGES + 1):
        blocks, channels = start + 1, start + 1 + branches
        stages.append(Columns(start, slice(blocks, channels), slice(channels, channels + branches)))
        start = channels + branches
    return tuple(stages)


LAYOUT = _layout()
"""The columns of the four stages. The stem's two are 0 and 1, the head's is the last."""


def _labels() -> dict[str, tuple[str, ...]]:
    stages = {}
    for stage in range(1, STAGES + 1):
        branches = [f"branch {k} {what}" for what in ("blocks", "channels") for k in range(1, stage + 1)]
        stages[f"Stage {stage}"] = ("modules", *branches)
    return {"Stem": ("first convolution", "second convolution"), **stages, "Head": ("channels",)}


LABELS = _labels()
"""Short descriptions of the dimensions, in order, by the part of the network."""


class Stage(NamedTuple):
    """One stage: a module of parallel branches, repeated. Branch k has `blocks[k]` blocks of `channels[k]` channels."""

    modules: int
    blocks: tuple[int, ...]
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Code:
    """One multi-resolution network; immutable and hashable, printed as its text.

    >>> code = Code.parse("96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64")
    >>> code.stages[1]
    Stage(modules=1, blocks=(1, 1), channels=(128, 8))
    >>> Code.from_vector(code.vector) == Code.from_setting(**code.setting) == code
    True
    """

    vector: tuple[int, ...]

    def __init__(self, vector: Sequence[SupportsIndex]) -> None:
        (row,) = MULTIRES.codes(_integers(vector)).tolist()
        object.__setattr__(self, "vector", tuple(row))

    @classmethod
    def parse(cls, text: str) -> Code:
        """Read a text: 31 integers in 6 groups, `i1_i2-b1_1_n1_c1-b2_2_..-b3_3_..-b4_4_..-o`.

        Raises:
            CodeError: anything else.
        """
        if not isinstance(text, str):
            raise CodeError(f"Expected the text of a code. Got {quoted(text)}. For a vector use Code.from_vector.")
        groups = [group.split("_") for group in text.split("-")]
        for part in (part for group in groups for part in group):
            if not re.fullmatch(r"0|[1-9][0-9]{0,99}", part):
                where = f"{quoted(part)} in " if part != text else ""
                raise CodeError(
                    f"Expected 31 integers in 6 groups joined by '-'. Got {where}{quoted(text)}. "
                    "Write '_' within a group, and digits without spaces, signs or leading zeros."
                )
        sizes = [len(group) for group in groups]
        if sizes != [2, 4, 6, 8, 10, 1]:
            hint = (
                "For a vector of 27 integers use Code.from_vector."
                if sum(sizes) == len(MULTIRES)
                else f"The groups must have 2, 4, 6, 8, 10 and 1 integers. These have {quoted(sizes)[1:-1]}."
            )
            noun = "group" if len(groups) == 1 else "groups"
            raise CodeError(
                f"Expected 31 integers in 6 groups joined by '-'. "
                f"Got {sum(sizes)} in {len(groups)} {noun} in {quoted(text)}. {hint}"
            )
        return cls._from_31([int(part) for group in groups for part in group])

    @classmethod
    def from_vector(cls, vector: Sequence[SupportsIndex]) -> Code:
        """Read 27 integers, or the 31 of a text, which include the number of branches of each stage.

        Raises:
            CodeError: a wrong count, a value that is not an integer, or one outside the space.
        """
        numbers = _integers(vector)
        if len(numbers) == 31:
            return cls._from_31(numbers)
        if len(numbers) != len(MULTIRES):
            hint = (
                " The last one may be missing: append o, the channels of the last layer." if len(numbers) == 26 else ""
            )
            raise CodeError(
                f"Expected 27 integers, or the 31 of a text. Got {len(numbers)} in {quoted(numbers)}.{hint}"
            )
        return cls(numbers)

    @classmethod
    def from_setting(
        cls,
        *,
        input_channel: Sequence[SupportsIndex],
        network_setting: Sequence[Sequence[Any]],
        last_channel: SupportsIndex,
    ) -> Code:
        """Read a setting: stem channels, one `[branches, [blocks..], [channels..]]` per module, head channels.

        Raises:
            CodeError: modules that are out of order, or that differ within a stage.
        """
        stem = _integers(input_channel, "input_channel")
        if len(stem) != 2:
            raise CodeError(f"Expected 2 integers as input_channel. Got {quoted(stem)}.")
        head = _integer(last_channel, "as last_channel")
        try:
            modules = [] if isinstance(network_setting, (str, bytes)) else list(network_setting)
        except TypeError:
            modules = []
        if not modules:
            raise CodeError(
                "Expected one [branches, [blocks..], [channels..]] per module in network_setting. "
                f"Got {quoted(network_setting)}."
            )
        stages: list[Stage] = []
        for number, module in enumerate(modules, start=1):
            branches, blocks, channels = _module(number, module)
            if branches == len(stages) + 1 and branches <= STAGES:
                stages.append(Stage(1, blocks, channels))
            elif branches != len(stages):
                expected = " or ".join(str(b) for b in (len(stages), len(stages) + 1) if 1 <= b <= STAGES)
                raise CodeError(
                    f"Expected module {number} to have {expected} branches. Got {branches}. "
                    "Modules must have 1, 2, 3 and 4 branches, in this order."
                )
            elif (blocks, channels) != stages[-1][1:]:
                raise CodeError(
                    f"Expected module {number} to repeat its stage, {_listed(stages[-1])}. "
                    f"Got {_listed(Stage(1, blocks, channels))}. "
                    "A code needs equal modules within every stage."
                )
            else:
                stages[-1] = stages[-1]._replace(modules=stages[-1].modules + 1)
        if len(stages) != STAGES:
            raise CodeError(
                f"network_setting needs modules of 1, 2, 3 and 4 branches. It has none of {len(stages) + 1}."
            )
        body = [number for stage in stages for number in (stage.modules, *stage.blocks, *stage.channels)]
        return cls([*stem, *body, head])

    @classmethod
    def _from_31(cls, numbers: Sequence[int]) -> Code:
        vector, start = list(numbers[:2]), 2
        for branches in range(1, STAGES + 1):
            modules, stated, *rest = numbers[start : start + 2 + 2 * branches]
            if stated != branches:
                raise CodeError(
                    f"Expected {branches} as the number of branches of stage {branches}. Got {quoted(stated)}."
                )
            vector += [modules, *rest]
            start += 2 + 2 * branches
        return cls([*vector, numbers[-1]])

    @property
    def stem(self) -> tuple[int, int]:
        """Channels of the two convolutions of the stem."""
        return self.vector[0], self.vector[1]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The four stages."""
        vector = self.vector
        return tuple(Stage(vector[stage.modules], vector[stage.blocks], vector[stage.channels]) for stage in LAYOUT)

    @property
    def head(self) -> int:
        """Channels of the last layer."""
        return self.vector[-1]

    @property
    def setting(self) -> dict[str, Any]:
        """The code as arguments of a network: `input_channel`, `network_setting` and `last_channel`."""
        modules = [
            [len(stage.blocks), list(stage.blocks), list(stage.channels)]
            for stage in self.stages
            for _ in range(stage.modules)
        ]
        return {"input_channel": list(self.stem), "network_setting": modules, "last_channel": self.head}

    def __str__(self) -> str:
        groups = [self.stem, *((s.modules, len(s.blocks), *s.blocks, *s.channels) for s in self.stages), (self.head,)]
        return "-".join("_".join(map(str, group)) for group in groups)

    def __repr__(self) -> str:
        return f"Code.parse({str(self)!r})"


def _integer(number: Any, place: str) -> int:
    """An integer as an int.

    Raises:
        CodeError: anything else, such as a float or a boolean; `place` says where it is.
    """
    try:
        if not isinstance(number, bool):
            return operator.index(number)
    except TypeError:
        pass
    raise CodeError(f"Expected an integer {place}. Got {quoted(number)}.")


def _integers(numbers: Any, name: str = "the vector") -> list[int]:
    sequence = isinstance(numbers, Iterable) and getattr(numbers, "ndim", 1) == 1
    if not sequence or isinstance(numbers, (str, bytes)):
        hint = " For a text use Code.parse." if isinstance(numbers, str) else ""
        raise CodeError(f"Expected a sequence of integers as {name}. Got {quoted(numbers)}.{hint}")
    return [_integer(number, f"at position {position} of {name}") for position, number in enumerate(numbers)]


def _module(number: int, module: Sequence[Any]) -> Stage:
    """One entry of a setting, `[branches, [blocks..], [channels..]]`; the field `modules` is its number of branches."""
    name = f"module {number}"
    try:
        branches, blocks, channels = module
    except (TypeError, ValueError):
        raise CodeError(f"Expected [branches, [blocks..], [channels..]] as {name}. Got {quoted(module)}.") from None
    size = _integer(branches, f"as the branches of {name}")
    read = Stage(
        size, (*_integers(blocks, f"the blocks of {name}"),), (*_integers(channels, f"the channels of {name}"),)
    )
    if not size == len(read.blocks) == len(read.channels):
        raise CodeError(
            f"{name.capitalize()} has branches, blocks and channels in different numbers: "
            f"{size}, {len(read.blocks)} and {len(read.channels)}. It needs the same number of each."
        )
    return read


def _listed(stage: Stage) -> str:
    return f"[{len(stage.blocks)}, {list(stage.blocks)}, {list(stage.channels)}]"


def read_network(text: str) -> Code:
    """Read a network from its text, or from its vector or setting as JSON.

    Raises:
        CodeError: anything else.
    """
    if not isinstance(text, str) or not text.lstrip().startswith(("[", "{")):
        return Code.parse(text.strip() if isinstance(text, str) else text)
    try:
        read = json.loads(text, object_pairs_hook=_setting)
    except CodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise CodeError(f"Expected a code's vector or setting as JSON. Got {quoted(text)}: {error}.") from None
    return Code.from_vector(read) if isinstance(read, list) else Code.from_setting(**read)


def _setting(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object that has the three keys of a setting, each once."""
    keys = [key for key, _ in pairs]
    if sorted(keys) != ["input_channel", "last_channel", "network_setting"]:
        raise CodeError(
            f"Expected a setting with the keys input_channel, network_setting and last_channel. Got {quoted(keys)}."
        )
    return dict(pairs)
