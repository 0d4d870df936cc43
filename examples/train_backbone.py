"""Train the network of a code on a folder of pictures, and take its backbone out of the trained weights.

python examples/train_backbone.py      writes the folders pictures and runs; needs the extra tasks
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

import ncp

CODE = "16_16-1_1_1_16-1_2_1_1_16_16-1_3_1_1_1_16_16_16-1_4_1_1_1_1_16_16_16_16-32"
TASK = """
kind: classification
data: {path: pictures}
recipe: {epochs: 3, batch: 8, image_size: 64, optimiser: {lr: 0.02}, schedule: {warmup: 2.0}}
"""


def draw_pictures(folder: Path) -> None:
    """Make a small data set: noise that is brightest in one colour. Use your own folders of pictures instead."""
    noise = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 8)):
        for channel, name in enumerate(("red", "green", "blue")):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for k in range(count):
                pixels = noise.integers(0, 160, (64, 64, 3), dtype=np.uint8)
                pixels[..., channel] += 90
                Image.fromarray(pixels).save(folder / split / name / f"{k}.png")


def main() -> None:
    """Train, and attach the backbone to a head."""
    draw_pictures(Path("pictures"))
    Path("colours.yaml").write_text(TASK)

    run = ncp.train(CODE, "colours.yaml", seed=0, folder="runs")  # the same call again trains nothing
    print(f"{run.folder}: {run.status}, top1 {run.metrics['top1']:.1f} %")

    classifier = ncp.load_network(run.weights)
    print("classes:", ", ".join(classifier.classes))

    backbone = ncp.MultiResolutionNet.from_file(
        run.weights, task="features"
    ).train()  # the same weights without the head
    head = torch.nn.Conv2d(backbone.feature_info.channels(0), 2, 1)  # on the finest map, at stride 4
    logits = head(backbone(torch.rand(2, 3, 64, 64))[0])
    logits.mean().backward()  # gradients reach the backbone: fine-tune it with your own loop
    print("output:", tuple(logits.shape))


if __name__ == "__main__":
    main()
