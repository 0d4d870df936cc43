"""The network: reference outputs, cost against hooks, and the speed of inference and training against a plain network.

python -m benchmarks.network [parity cost inference training]      parity needs the reference runs
"""

import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import ncp
from benchmarks.measure import SHARED, available, in_turns, record, use_threads
from benchmarks.plain import Plain
from ncp.cost import HEADS

CODES = {
    "small": "16_16-1_1_1_16-1_2_1_1_16_16-1_3_1_1_1_16_16_16-1_4_1_1_1_1_16_16_16_16-64",
    "middle": "16_112-1_1_2_128-1_2_1_4_128_120-1_3_1_2_4_128_128_128-2_4_2_4_1_4_96_128_128_56-128",
    "large": "128_128-2_1_4_128-2_2_4_4_128_128-2_3_4_4_4_128_128_128-2_4_4_4_4_4_128_128_128_128-128",
}
RATIO, RUNS = 1.4, 5


def parity() -> None:
    """Weights, inputs and outputs of three reference networks."""
    folder = SHARED / "parity"
    if not available(folder, "network/parity"):
        return
    worst = largest_difference(folder)
    record(
        "network/parity",
        claim="Outputs of three reference networks, largest relative difference",
        target="<= 1e-4",
        value=worst,
        met=0 < worst <= 1e-4,
        runs=3,
    )


def cost() -> None:
    """The cost of random networks against a count by hooks on the built network."""
    rng = np.random.default_rng(0)
    equal = 0
    for number, code in enumerate(ncp.MULTIRES.sample(300, rng)):
        task = HEADS[number % 3]
        height, width = (32 * rng.integers(1, 7, 2)).tolist()
        classes = int(rng.integers(1, 1001))
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
            net(torch.empty(1, 3, height, width))
        sizes = sum(parameter.numel() for parameter in net.parameters())
        equal += (
            counted == ncp.macs(code, (height, width), classes, task).item()
            and sizes == ncp.params(code, classes, task).item()
        )
    record(
        "network/cost",
        claim="Random networks whose multiply-adds and parameters equal a count by hooks exactly",
        target="300 of 300",
        value=equal,
        met=equal == 300,
        runs=300,
    )


def inference() -> None:
    """`for_inference` against the plain network, in turns, with equal outputs."""
    ratios: dict[str, dict[str, float]] = {name: {} for name in CODES}
    worst = 0.0
    for (name, text), batch, size in product(CODES.items(), (1, 8), (224, 512)):
        net, plain = pair(text)
        fast = net.eval().for_inference()
        image = torch.randn(batch, 3, size, size)
        with torch.inference_mode():
            expected = plain.eval()(image)
            worst = max(worst, float((fast(image) - expected).abs().max() / expected.abs().max()))
            slow = ncp.macs(text, size).item() * batch > 1e11
            times = in_turns([lambda: plain(image), lambda: fast(image)], 3 if slow else 2 * RUNS)  # noqa: B023
        ratios[name][f"{batch}x{size}"] = round(times[0] / times[1], 2)
        print(name, batch, size, [round(1e3 * t, 1) for t in times], flush=True)
    least = min(ratio for each in ratios.values() for ratio in each.values())
    record(
        "network/inference",
        claim="Speed of `for_inference`, in multiples of the plain network's, by batch and pixels; the least; the "
        "largest relative difference of outputs",
        target=f"speed >= {RATIO}, difference <= 1e-3",
        value={"least": least, "difference": worst, "speed": ratios},
        met=least >= RATIO and worst <= 1e-3,
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
        claim="Speed of a training step (forward, backward, SGD), in multiples of the plain network's",
        target=">= 1, within the noise of 0.03",
        value=ratios,
        met=min(ratios.values()) >= 0.97,
        runs=RUNS,
    )


def largest_difference(folder: Path, device: str = "cpu") -> float:
    """The largest difference from the outputs of the reference runs in a folder, relative to the largest output."""
    worst = 0.0
    for path in sorted(folder.glob("net*.npz")):
        run = np.load(path)
        net = ncp.MultiResolutionNet(
            run["vector"].tolist(), task=run["task"].item(), num_classes=int(run["num_classes"])
        ).eval()
        net.load_state_dict({name[7:]: torch.as_tensor(run[name]) for name in run.files if name.startswith("weight/")})
        with torch.no_grad():
            found = net.to(device)(torch.as_tensor(run["input"], device=device)).cpu().numpy()
        worst = max(worst, float(np.abs(found - run["output"]).max() / np.abs(run["output"]).max()))
    return worst


def pair(text: str) -> tuple[ncp.MultiResolutionNet, Plain]:
    """The same network, ours and plain."""
    code = ncp.Code.parse(text)
    net = ncp.MultiResolutionNet(code)
    plain = Plain(code, "classification")
    plain.load_state_dict(net.state_dict())
    return net, plain


def training_step(net: nn.Module, batch: int, size: int, device: str = "cpu") -> Callable[[], None]:
    """A function that computes forward, backward and a step of SGD."""
    net.to(device)
    image, labels = torch.randn(batch, 3, size, size, device=device), torch.randint(50, (batch,), device=device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(image).flatten(1), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


if __name__ == "__main__":
    use_threads(2)
    for part in sys.argv[1:] or ("parity", "cost", "inference", "training"):
        {"parity": parity, "cost": cost, "inference": inference, "training": training}[part]()
