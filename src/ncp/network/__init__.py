"""The network behind a code, and the same made fast."""

from ncp.network.inference import InferenceNet
from ncp.network.net import FeatureInfo, MultiResolutionNet

__all__ = ["FeatureInfo", "InferenceNet", "MultiResolutionNet"]
