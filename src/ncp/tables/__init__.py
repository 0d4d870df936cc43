"""Tables of trained networks: published, imported or made from your own files."""
