"""Find a backbone for three tasks within a budget, look at it, and build its network. Needs no data.

python examples/quickstart.py
"""

import torch

import ncp

# Video counts twice, and every returned network must reach 76 % mIoU in segmentation.
objective = ncp.Objective({"seg": 1, "cls-50-1000": 1, "video": 2}, at_least={"seg": 76})
budget = ncp.Budget(max_macs=1e9)  # exact multiply-adds at 128 x 128 pixels

result = ncp.search(objective, budget=budget, starts=64)
best = result.best
print(f"{best.code}: {best.macs / 1e9:.3f} GMACs, {best.params / 1e6:.1f} M params")
for column, predicted in best.predicted.items():
    checked = best.verified[column]  # by a second predictor that was fitted on other networks
    print(f"  {column}: predicted {predicted.mean:.2f}, by the {checked.source} {checked.mean:.2f} ± {checked.std:.2f}")

# The network has random weights: train it on your own data, or let `ncp train` do it.
backbone = ncp.MultiResolutionNet(best.code, task="features").eval()
with torch.no_grad():
    maps = backbone(torch.zeros(1, 3, 224, 224))
for channels, stride, image in zip(
    backbone.feature_info.channels(), backbone.feature_info.reduction(), maps, strict=True
):
    print(f"  stride {stride}: {channels} channels, {image.shape[2]} x {image.shape[3]} pixels")
