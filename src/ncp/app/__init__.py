"""The web page: look at codes, propagate them, walk the benchmark, bring a table of one's own."""
