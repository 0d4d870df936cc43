"""Search spaces: which codes exist, and how they are written."""

from ncp.spaces import families as families  # so that every space finds its family
