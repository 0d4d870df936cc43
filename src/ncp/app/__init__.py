"""The web app: edit codes, propagate them, browse the benchmark, use your own table."""
