"""What a new user does after reading the README, in a fresh clone and a fresh environment, with times.

Five things: install and find a backbone; see what the search found; bring a csv; train on a folder of pictures; put the
backbone into a PyTorch model. pip downloads everything anew. On Linux, let the variable PIP_EXTRA_INDEX_URL or
PIP_FIND_LINKS name the place of PyTorch for processors, as its installation page says.

python -m benchmarks.newcomer
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from benchmarks.measure import ROOT, record

CODE = "16_112-1_1_2_128-1_2_1_4_128_120-1_3_1_2_4_128_128_128-2_4_2_4_1_4_96_128_128_56-128"
"""The network of the README's first command."""
SMALL = "8_8-1_1_1_40-1_2_1_1_24_24-1_3_1_1_1_16_8_8-1_4_1_1_1_1_16_56_8_8-8"
"""A network that two cores train in seconds."""
MODEL = f"""
import torch, ncp
backbone = ncp.MultiResolutionNet({CODE!r}, task="features")
head = torch.nn.Conv2d(sum(backbone.feature_info.channels()), 5, 1)
maps = backbone(torch.zeros(1, 3, 128, 128))
size = maps[0].shape[2:]
scores = head(torch.cat([torch.nn.functional.interpolate(each, size) for each in maps], dim=1))
assert scores.shape == (1, 5, 32, 32)
"""


class Newcomer:
    """A user with a folder, who types commands.

    Args:
        folder: where everything is done; empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        own = {name: value for name, value in os.environ.items() if not name.startswith(("NCP_", "PYTHON"))}
        self.environment = own | {"PATH": f"{self.bin}:{os.environ['PATH']}", "NCP_CACHE": str(folder / "cache")}

    def type(self, *words: str) -> None:
        """Run a command, which must succeed."""
        subprocess.run(words, cwd=self.folder, env=self.environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603

    def install_and_find(self) -> None:
        """Clone, install, and run the README's first command."""
        self.type("git", "clone", "--quiet", str(ROOT), "ncp")
        self.type(sys.executable, "-m", "venv", "venv")
        self.type("pip", "install", "--quiet", "--no-cache-dir", "./ncp[tasks,export,report]")
        self.find()

    def find(self) -> None:
        """The README's first command."""
        self.type("ncp", "search", "--tasks", "seg,cls-50-1000,video", "--max-gmacs", "4", "--top", "1")

    def understand(self) -> None:
        """Draw the network, and write the report of the search, which explains it."""
        self.type("ncp", "draw", CODE)
        self.type("ncp", "report", "out/result.json", "--out", "report.html")

    def bring_csv(self) -> None:
        """The csv of the documentation's walk-through: import it and search."""
        self.type("python", "ncp/examples/own_table.py")
        space = "width: {from: 16, to: 128, step: 16}\ndepth: [1, 2, 3, 4]\nblock: [plain, bottleneck, depthwise]\n"
        (self.folder / "space.yaml").write_text(space)
        values = "accuracy,latency:min"
        self.type("ncp", "data", "import", "networks.csv", "--space", "space.yaml", "--values", values)
        self.type("ncp", "search", "--table", "networks.parquet", "--tasks", "accuracy:2,latency", "--out", "mine")

    def train_on_pictures(self) -> None:
        """A folder of 300 pictures of three classes: check it, train ten epochs, and export."""
        rng = np.random.default_rng(0)
        for split, count in (("train", 80), ("val", 20)):
            for channel, name in enumerate(("rose", "iris", "daisy")):
                (self.folder / "flowers" / split / name).mkdir(parents=True)
                for k in range(count):
                    pixels = rng.integers(0, 160, (48, 48, 3), dtype=np.uint8)
                    pixels[..., channel] += 60
                    Image.fromarray(pixels).save(self.folder / "flowers" / split / name / f"{k}.png")
        (self.folder / "flowers.yaml").write_text(
            "kind: classification\ndata: {path: flowers}\nrecipe: {image_size: 32, epochs: 10, batch: 32}\n"
        )
        self.type("ncp", "task", "check", "flowers.yaml")
        self.type("ncp", "train", SMALL, "--task", "flowers.yaml", "--out", "runs")
        [run] = (self.folder / "runs").iterdir()
        self.type("ncp", "export", "--run", str(run), "--format", "onnx", "--out", "flowers.onnx")

    def use_elsewhere(self) -> None:
        """A head of one's own on the four maps."""
        self.type("python", "-c", MODEL)


def seconds(step: Callable[[], None]) -> float:
    """How long a step takes [s]."""
    began = perf_counter()
    step()
    print(f"{step.__name__}: {perf_counter() - began:.0f} s", flush=True)
    return round(perf_counter() - began, 1)


def main() -> None:
    """Do the five things one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        user = Newcomer(Path(folder))
        steps = (
            user.install_and_find,
            user.find,
            user.understand,
            user.bring_csv,
            user.train_on_pictures,
            user.use_elsewhere,
        )
        found = {step.__name__: seconds(step) for step in steps}
    record(
        "newcomer/times",
        claim="What a new user does after reading the README, on two cores: install, with all downloads, and find a "
        "backbone; find another; draw it and write its report; import a csv and search in it; check, train (ten epochs "
        "of 240 pictures) and export; build a PyTorch model on the backbone",
        target="install_and_find <= 300 s",
        value=found,
        unit="s",
        met=found["install_and_find"] <= 300,
    )


if __name__ == "__main__":
    main()
