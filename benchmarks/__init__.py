"""One module per claim: each measures, and records what came out in `results.json`."""
