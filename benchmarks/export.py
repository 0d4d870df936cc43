"""Exported networks compute what the network does, in onnxruntime and as reloaded programs, for every task."""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import record, use_threads
from ncp import MultiResolutionNet
from ncp.cost import HEADS
from ncp.network.export import ENDINGS, Format, export

CODE = "16_112-1_1_2_128-1_2_1_4_128_120-1_3_1_2_4_128_128_128-2_4_2_4_1_4_96_128_128_56-128"
"""One of middle size."""

SIZE, CLASSES, DIFFERENCE = (512, 1024), 19, 1e-3
RUNNERS: dict[Format, str] = {"onnx": "onnxruntime", "torch": "torch.export.load"}


def main() -> None:
    """Export every task in both formats."""
    use_threads(1)
    with TemporaryDirectory() as folder:
        for kind in ENDINGS:
            for task in HEADS:
                difference(MultiResolutionNet(CODE, task=task, num_classes=CLASSES), kind, Path(folder))


def difference(net: MultiResolutionNet, kind: Format, folder: Path) -> None:
    """Export one network, of random weights."""
    exported = export(net, folder / f"net{ENDINGS[kind]}", format=kind, image_size=SIZE)
    record(
        f"export/{kind}/{net.task}",
        claim=f"An exported network for {net.task} computes by {RUNNERS[kind]} what the network does",
        target=f"largest difference <= {DIFFERENCE:g} of the largest output",
        value={
            "difference": float(f"{exported.difference:.2e}"),
            "macs": exported.macs,
            "graph_macs": exported.graph_macs,
        },
        runs=2,
        met=exported.difference <= DIFFERENCE,
        note=f"one image and three of {SIZE[0]} x {SIZE[1]}; graph_macs are the file's convolutions alone",
    )


if __name__ == "__main__":
    main()
