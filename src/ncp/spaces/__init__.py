"""Search spaces: which codes there are, and how they are written."""
