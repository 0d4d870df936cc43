"""The network: reference outputs, cost against hooks, speed of inference and of a training step against a plain one.

python -m benchmarks.network [parity cost inference training]      parity needs the reference runs beside the repository
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import ncp
from benchmarks.measure import SHARED, in_turns, record, use_threads
from benchmarks.plain import Plain

CODES = {
    "small": "16_16-1_1_1_16-1_2_1_1_16_16-1_3_1_1_1_16_16_16-1_4_1_1_1_1_16_16_16_16-64",
    "middle": "16_112-1_1_2_128-1_2_1_4_128_120-1_3_1_2_4_128_128_128-2_4_2_4_1_4_96_128_128_56-128",
    "large": "128_128-2_1_4_128-2_2_4_4_128_128-2_3_4_4_4_128_128_128-2_4_4_4_4_4_128_128_128_128-128",
}
RATIO, RUNS = 1.4, 5


def parity() -> None:
    """Weights, inputs and outputs of three reference networks."""
    worst = largest_difference(SHARED / "parity")
    record(
        "network/parity",
        claim="Outputs of three reference networks, largest relative difference",
        target="<= 1e-4",
        value=worst,
        met=0 < worst <= 1e-4,
        runs=3,
    )


def cost() -> None:
    """Costs of random networks against a count by hooks on the built network."""
    rng = np.random.default_rng(0)
    equal = 0
    for number, code in enumerate(ncp.MULTIRES.sample(300, rng)):
        task = ("classification", "segmentation", "features")[number % 3]
        size, classes = tuple(int(side) for side in 32 * rng.integers(1, 7, 2)), int(rng.integers(1, 1001))
        with torch.device("meta"):
            net = ncp.MultiResolutionNet(code.tolist(), task=task, num_classes=classes).eval()
            counted = 0

            def count(module: nn.Module, _: object, output: Tensor) -> None:
                nonlocal counted
                if isinstance(module, nn.Conv2d):
                    kernel = module.weight[0].numel() + (module.bias is not None)
                    counted += kernel * output.numel()
                elif isinstance(module, nn.BatchNorm2d):
                    counted += 2 * output.numel()

            for module in net.modules():
                module.register_forward_hook(count)
            net(torch.empty(1, 3, *size))
        sizes = sum(parameter.numel() for parameter in net.parameters())
        equal += (
            counted == ncp.macs(code, size, classes, task).item() and sizes == ncp.params(code, classes, task).item()
        )
    record(
        "network/cost",
        claim="Random networks whose macs and params equal a count by hooks to the unit (sizes, classes, three tasks)",
        target="300 of 300",
        value=equal,
        met=equal == 300,
        runs=300,
    )


def inference() -> None:
    """`for_inference` against the plain network, in turns; outputs compared."""
    ratios, worst = {}, 0.0
    for (name, text), batch, size in product(CODES.items(), (1, 8), (224, 512)):
        net, plain = pair(text)
        fast = net.eval().for_inference()
        image = torch.randn(batch, 3, size, size)
        with torch.inference_mode():
            expected = plain.eval()(image)
            worst = max(worst, float((fast(image) - expected).abs().max() / expected.abs().max()))
            long = ncp.macs(text and ncp.Code.parse(text), size).item() * batch > 1e11
            times = in_turns([lambda: plain(image), lambda: fast(image)], 3 if long else 2 * RUNS)  # noqa: B023
        ratios[f"{name}, {batch} x {size}"] = round(times[0] / times[1], 2)
        print(name, batch, size, [round(1e3 * t, 1) for t in times], flush=True)
    record(
        "network/inference",
        claim="Inference of three codes at batch 1 and 8, 224 and 512 pixels: times as fast as the plain network, "
        "medians in turns; and the largest relative difference of outputs",
        target=f">= {RATIO} each, difference <= 1e-3",
        value={"least": min(ratios.values()), **ratios, "difference": worst},
        met=min(ratios.values()) >= RATIO and worst <= 1e-3,
        runs=RUNS,
    )


def training() -> None:
    """Forward, backward and a step of SGD against the plain network's, in turns."""
    ratios = {}
    for name, text in CODES.items():
        batch, size = (8, 128) if name != "large" else (2, 128)
        steps = [training_step(each.train(), batch, size) for each in pair(text)[::-1]]
        times = in_turns(steps, 2 * RUNS if name == "small" else RUNS)
        ratios[name] = round(times[0] / times[1], 3)
    record(
        "network/training",
        claim="A training step (forward, backward, SGD) of three codes: times as fast as the plain network, in turns",
        target=">= 1 each, within the noise of 0.03",
        value=ratios,
        met=min(ratios.values()) >= 0.97,
        runs=RUNS,
    )


def largest_difference(folder: Path, device: str = "cpu") -> float:
    """Of outputs from the reference runs in a folder, relative to the largest output."""
    worst = 0.0
    for path in sorted(folder.glob("net*.npz")):
        held = np.load(path)
        net = ncp.MultiResolutionNet(
            held["vector"].tolist(), task=str(held["task"]), num_classes=int(held["num_classes"])
        ).eval()
        net.load_state_dict(
            {name[7:]: torch.as_tensor(held[name]) for name in held.files if name.startswith("weight/")}
        )
        with torch.no_grad():
            found = net.to(device)(torch.as_tensor(held["input"], device=device)).cpu().numpy()
        worst = max(worst, float(np.abs(found - held["output"]).max() / np.abs(held["output"]).max()))
    return worst


def pair(text: str) -> tuple[ncp.MultiResolutionNet, Plain]:
    """The same network, ours and plain."""
    code = ncp.Code.parse(text)
    net = ncp.MultiResolutionNet(code)
    plain = Plain(code, "classification")
    plain.load_state_dict(net.state_dict())
    return net, plain


def training_step(net: nn.Module, batch: int, size: int, device: str = "cpu"):
    """A function that does forward, backward and a step of SGD."""
    net.to(device)
    image, labels = torch.randn(batch, 3, size, size, device=device), torch.randint(50, (batch,), device=device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(image).flatten(1), labels).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    use_threads(2)
    for part in sys.argv[1:] or ("parity", "cost", "inference", "training"):
        {"parity": parity, "cost": cost, "inference": inference, "training": training}[part]()
