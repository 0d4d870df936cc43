"""Exported networks against the originals: ONNX files in onnxruntime, reloaded programs, every head.

python -m benchmarks.export      needs the extra export
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import record, use_threads
from benchmarks.network import CODES
from ncp import MultiResolutionNet
from ncp.cost import HEADS
from ncp.network.export import ENDINGS, Format, export

SIZE, CLASSES, DIFFERENCE = (512, 1024), 19, 1e-3


def main() -> None:
    """Export a network with every head in both formats."""
    use_threads(1)
    with TemporaryDirectory() as folder:
        for kind in ENDINGS:
            for task in HEADS:
                difference(MultiResolutionNet(CODES["middle"], task=task, num_classes=CLASSES), kind, Path(folder))


def difference(net: MultiResolutionNet, kind: Format, folder: Path) -> None:
    """Export one network with random weights, and compare its outputs."""
    exported = export(net, folder / f"net{ENDINGS[kind]}", format=kind, image_size=SIZE)
    record(
        f"export/{kind}/{net.task}",
        claim="Largest difference of an exported network's outputs, relative to the largest output; multiply-adds of "
        "the network, and of the convolutions in the file",
        target=f"difference <= {DIFFERENCE:g}",
        value={
            "difference": float(f"{exported.difference:.2e}"),
            "macs": exported.macs,
            "graph_macs": exported.graph_macs,
        },
        runs=2,
        met=exported.difference <= DIFFERENCE,
        note=f"one image and three images of {SIZE[0]} x {SIZE[1]}",
    )


if __name__ == "__main__":
    main()
