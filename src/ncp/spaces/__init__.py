"""Search spaces: which codes exist, and how they are written."""
