"""`ncp export` as a user types it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from ncp import Code, MultiResolutionNet, macs
from ncp.cost import Counting
from ncp.network.clip_net import ClipNet
from ncp.network.network_file import save_network
from ncp.network.pillar_net import PillarNet
from tests.cli.conftest import Run

TEXT = "8_16-1_1_1_8-1_2_1_1_16_8-1_3_1_1_1_8_24_8-1_4_1_1_1_1_8_16_8_32-16"
CODE = Code.parse(TEXT)


@pytest.mark.slow
def test_json_with_weights(run: Run) -> None:
    net = MultiResolutionNet(CODE, task="segmentation", num_classes=19).eval()
    torch.save(net.state_dict(), "weights.pth")
    options = ["--head", "segmentation", "--classes", "19", "--image-size", "64x96", "--weights", "weights.pth"]
    status, out, err = run(
        "export", json.dumps(CODE.vector), *options, "-o", "a/out.pt2", "--format", "torch", "--json"
    )
    assert (status, err) == (0, "")
    facts = json.loads(out)
    graph_macs, difference = facts.pop("graph_macs"), facts.pop("difference")
    assert facts == {
        "code": TEXT,
        "task": "segmentation",
        "classes": 19,
        "class_names": None,
        "image_size": [64, 96],
        "weights": "weights.pth",
        "path": "a/out.pt2",
        "format": "torch",
        "opset": None,
        "inputs": {"image": ["batch", 3, 64, 96]},
        "outputs": {"scores": ["batch", 19, 16, 24]},
        "macs": macs(CODE, (64, 96), 19, "segmentation").item(),
    }
    assert 0.9 * facts["macs"] < graph_macs < facts["macs"]
    assert difference < 1e-5
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        assert torch.allclose(torch.export.load("a/out.pt2").module()(image), net(image), rtol=1e-3, atol=1e-4)


def trained_run(net: MultiResolutionNet, **metadata: Any) -> Path:
    """The folder of a run, whose batch norms have seen a batch."""
    torch.manual_seed(0)
    net(torch.randn(2, 4, 3, 32, 64) if isinstance(net, ClipNet) else torch.randn(4, 3, 32, 64))
    save_network(net.eval(), "runs/3f2a/weights.safetensors", {"task": "pets", "run": "3f2a", **metadata})
    return Path("runs/3f2a")


@pytest.mark.slow
@pytest.mark.parametrize("source", ["run", "weights"])
def test_a_run_is_exported_with_the_names_of_its_classes(run: Run, source: str) -> None:
    net = MultiResolutionNet(CODE, num_classes=12)
    names = [f"class {number}" for number in range(12)]
    folder = trained_run(net, classes=names, image_size=[32, 64], mean=[0.5, 0.4, 0.3])
    given = ["--run", str(folder)] if source == "run" else ["--weights", "runs/3f2a/weights.safetensors"]
    status, out, err = run("export", *given)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[1:5] == [
        "Weights: runs/3f2a/weights.safetensors",
        f"Classes: {', '.join(names[:10])} and 2 more",
        "Input: image (batch, 3, 32, 64)",
        "Output: scores (batch, 12, 1, 1)",
    ]
    session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    assert (properties["code"], properties["task"]) == (TEXT, "pets")
    assert (json.loads(properties["classes"]), json.loads(properties["mean"])) == (names, [0.5, 0.4, 0.3])
    image = torch.randn(3, 3, 32, 64)
    with torch.no_grad():
        expected = net(image)
    np.testing.assert_allclose(session.run(None, {"image": image.numpy()})[0], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_clips_are_exported_with_their_number_of_frames(run: Run) -> None:
    net = ClipNet(CODE, num_classes=2)
    folder = trained_run(net, classes=["up", "down"], image_size=[32, 64], frames=4)
    status, out, err = run("export", "--run", str(folder), "--format", "torch", "--json")
    assert (status, err) == (0, "")
    facts = json.loads(out)
    assert (facts["class_names"], facts["inputs"]) == (["up", "down"], {"clip": ["batch", 4, 3, 32, 64]})
    assert facts["macs"] == Counting((32, 64), 2, frames=4).macs(CODE).item()
    extra = {"ncp.json": ""}
    module = torch.export.load("net.pt2", extra_files=extra).module()
    assert json.loads(extra["ncp.json"])["classes"] == ["up", "down"]
    clips = torch.randn(3, 4, 3, 32, 64)
    with torch.no_grad():
        np.testing.assert_allclose(module(clips), net(clips), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_backbone_of_a_run(run: Run) -> None:
    folder = trained_run(MultiResolutionNet(CODE, num_classes=2), classes=["a", "b"], image_size=[32, 64])
    ran = run("export", "--run", str(folder), "--format", "torch", "--head", "features", "--image-size", "64")
    assert ran.status == 0
    assert "Output: stride32 (batch, 32, 2, 2)" in ran.out
    assert "Classes" not in ran.out


@pytest.mark.slow
def test_a_dynamic_size_as_text(run: Run) -> None:
    status, out, err = run("export", TEXT, "--format", "torch", "--head", "features", "--dynamic-size")
    assert (status, err) == (0, "")
    cost = macs(CODE, 128, 50, "features").item()
    lines = out.splitlines()
    assert re.fullmatch(r"Format: torch, \d\.\d MB", lines[0])
    assert lines[1:7] == [
        "Weights: random",
        "Input: image (batch, 3, 32*h, 32*w)",
        "Output: stride4 (batch, 8, 8*h, 8*w)",
        "Output: stride8 (batch, 16, 4*h, 4*w)",
        "Output: stride16 (batch, 8, 2*h, 2*w)",
        "Output: stride32 (batch, 32, h, w)",
    ]
    assert lines[7] == f"Cost: {cost / 1e9:.3f} GMACs ({cost:,}) at 128 x 128 pixels"
    assert re.fullmatch(r"Convolutions in the file: 0\.\d{3} GMACs \([\d,]+\)", lines[8])
    assert re.fullmatch(r"Largest difference from PyTorch: \d\.\de[+-]\d\d of the largest output", lines[9])
    assert lines[10:] == ["Written: net.pt2"]
    assert sorted(path.name for path in Path().iterdir()) == ["net.pt2"]


@pytest.mark.slow
def test_an_image_size_without_a_known_cost(run: Run) -> None:
    ran = run("export", TEXT, "--format", "torch", "--image-size", "33x50", "-o", "net.pt2")
    assert "\nCost: known only for multiples of 32\n" in ran.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([TEXT.replace("8_16-", "9_16-")], "Expected a multiple of 8 from 8 to 128 for i1. Got 9."),
        ([TEXT, "--format", "tflite"], "--format must be onnx or torch. Got 'tflite'."),
        ([TEXT, "--head", "x"], "--head must be one of classification, segmentation, features, got 'x'."),
        ([], "Name the network to export: a CODE, or what was trained with --run FOLDER."),
        ([TEXT, "-o", "net.pt2"], "--out must end in .onnx, got 'net.pt2'."),
        (
            [TEXT, "--image-size", "0"],
            "Expected integers from 1 to 65536 as height and width of the image. Got (0, 0).",
        ),
        ([TEXT, "--image-size", "64x"], "--image-size must be a size such as 224 or 512x1024. Got '64x'."),
        (
            [TEXT, "--image-size", "100x64", "--dynamic-size"],
            "Expected multiples of 32 from 64 to 65536 as height and width of the image. Got (100, 64). "
            "Other sizes can only be fixed.",
        ),
        (
            [TEXT, "--classes", "2000000"],
            "--classes must be an integer, from 1 to 1048576. Got 2000000.",
        ),
        (
            [TEXT, "--weights", "other.pth"],
            "Expected (50, 16, 1, 1) as the shape of 'classifier.weight' in other.pth. Got (7, 16, 1, 1). "
            "Build the network with --classes=7.",
        ),
        (
            [TEXT, "-o", "file/net.onnx"],
            "Cannot write file/net.onnx: {here}/file is not a folder. Choose another path.",
        ),
    ],
)
def test_bad_input_is_one_message_and_exit_status_2(run: Run, arguments: list[str], message: str) -> None:
    Path("file").touch()
    torch.save(MultiResolutionNet(TEXT, num_classes=7).state_dict(), "other.pth")
    before = sorted(Path().iterdir())
    assert run("export", *arguments) == (
        2,
        "",
        f"ncp: {message.format(here=Path.cwd())}\n",
    )
    assert sorted(Path().iterdir()) == before


@pytest.fixture(scope="module")
def trained_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and files of other networks."""
    folder = tmp_path_factory.mktemp("trained")
    save_network(MultiResolutionNet(TEXT, num_classes=3), folder / "run" / "weights.safetensors", {})
    shutil.copytree(folder / "run", folder / "damaged")
    whole = (folder / "run" / "weights.safetensors").read_bytes()
    (folder / "damaged" / "weights.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    save_network(ClipNet(TEXT), folder / "clips.safetensors", {})
    save_network(PillarNet(TEXT), folder / "pillars.safetensors", {})
    torch.save(MultiResolutionNet(TEXT).state_dict(), folder / "other.pth")
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([TEXT, "--run", "run"], "--run names the code and the weights. Leave out CODE and --weights, or --run."),
        (
            ["--run", "nowhere"],
            "There are no weights in nowhere. Name the folder of a run that is done and whose weights were kept.",
        ),
        (
            ["--run", "damaged"],
            "damaged/weights.safetensors is damaged: its content differs from what was saved. Train or download it "
            "again. If you changed it yourself, remove sha256 from its description.",
        ),
        (["--run", "run", "--classes", "3"], "--classes is known of a trained network. Leave it out."),
        (
            ["--run", "run", "--head", "segmentation"],
            "--head must be classification or features for this network. Got 'segmentation'.",
        ),
        (["--run", "run", "--frames", "3"], "--frames is for networks of clips. Leave it out."),
        (
            ["--weights", "other.pth"],
            "other.pth has weights, but does not say of which network. Give its code, too: "
            "MultiResolutionNet(code).load_published(file), or ncp export CODE --weights FILE.",
        ),
        (["--weights", "clips.safetensors"], "--frames must be given for a network of clips."),
        (
            ["--weights", "clips.safetensors", "--frames", "4", "--dynamic-size"],
            "Networks of clips are exported for one size of images. Leave out --dynamic-size.",
        ),
        (
            ["--weights", "pillars.safetensors"],
            "Networks of point clouds are not exported, since the number of their points varies. Export the backbone, "
            "which takes pseudo-images, with --head features.",
        ),
    ],
)
def test_what_cannot_be_done_with_trained_networks(
    run: Run, trained_files: Path, arguments: list[str], message: str
) -> None:
    shutil.copytree(trained_files, Path(), dirs_exist_ok=True)
    before = sorted(Path().iterdir())
    assert run("export", *arguments) == (2, "", f"ncp: {message}\n")
    assert sorted(Path().iterdir()) == before


def test_an_image_that_does_not_fit_in_memory_is_refused(run: Run) -> None:
    status, out, error = run("export", TEXT, "--format", "torch", "--image-size", "65536")
    assert (status, out) == (2, "")
    assert error.startswith("ncp: Images of 65536 x 65536 pixels do not fit in the memory of ")
    assert error.endswith(" GB. Choose a smaller --image-size.\n")


def test_help(run: Run) -> None:
    ran = run("export", "--help")
    assert ran.status == 0
    options = (
        "CODE",
        "--out",
        "-o",
        "--format",
        "--head",
        "--classes",
        "--image-size",
        "--dynamic-size",
        "--weights",
        "--run",
        "--frames",
        "--json",
    )
    assert all(option in ran.out for option in options)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--dynamic-size"]])
def test_the_screen_shows_nothing_of_the_exporter(tmp_path: Path, options: list[str]) -> None:
    command = Path(sys.executable).with_name("ncp")
    ran = subprocess.run(  # noqa: S603
        [command, "export", TEXT, *options], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("Written: net.onnx\n")
    assert len(ran.stdout.splitlines()) == 8
