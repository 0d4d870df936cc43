"""A training program of one's own: trains the network of a code on made-up pictures, and writes metrics.json.

python train.py --arch CODE --seed 0 --out FOLDER
"""

import argparse
import json
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

import ncp


def pictures(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise that is a little brighter in the channel of its class, and the classes."""
    classes = torch.randint(0, 3, (count,), generator=generator)
    images = torch.rand(count, 3, 32, 32, generator=generator)
    images[torch.arange(count), classes] += 0.1
    return images, classes


def main() -> None:
    """Train for a few steps, and say how many unseen pictures the network classifies correctly."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()

    torch.manual_seed(given.seed)
    generator = torch.Generator().manual_seed(given.seed)
    net = ncp.MultiResolutionNet(given.arch, num_classes=3)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for _ in range(10):
        images, classes = pictures(16, generator)
        loss = cross_entropy(net(images).flatten(1), classes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval()
    images, classes = pictures(128, generator)
    with torch.no_grad():
        correct = net(images).flatten(1).argmax(1) == classes
    (given.out / "metrics.json").write_text(json.dumps({"top1": 100 * correct.float().mean().item()}))


if __name__ == "__main__":
    main()
