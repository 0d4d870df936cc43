"""One module per topic: each measures it and records its results in `results.json`."""
