"""Search a space of your own, from a csv file with the networks that you have already trained.

python examples/own_table.py      writes networks.csv into the current folder
"""

import csv
import random
from math import log

import ncp

WIDTHS, DEPTHS, BLOCKS = range(16, 129, 16), (1, 2, 3, 4), ("plain", "bottleneck", "depthwise")


def pretend(width: int, depth: int, block: str) -> tuple[float, float]:
    """Stand in for your trainings: accuracy [%] and latency [ms] of a network."""
    gain = {"plain": 0.0, "bottleneck": 1.5, "depthwise": 0.8}[block]
    price = {"plain": 1.0, "bottleneck": 0.7, "depthwise": 0.4}[block]
    accuracy = 55 + 4 * log(width) + 3 * log(depth) + gain + random.gauss(0, 0.3)
    return accuracy, 1 + price * width * depth / 40


def main() -> None:
    """Write the csv file, read it as a table, and search with it."""
    random.seed(0)
    every = [(width, depth, block) for width in WIDTHS for depth in DEPTHS for block in BLOCKS]
    with open("networks.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["width", "depth", "block", "accuracy", "latency"])
        rows.writerows([*network, *pretend(*network)] for network in random.sample(every, 60))

    space = ncp.Space([ncp.Ordinal("width", WIDTHS), ncp.Ordinal("depth", DEPTHS), ncp.Categorical("block", BLOCKS)])
    table = ncp.Table.read("networks.csv", space=space, values=["accuracy", "latency"], minimised=["latency"])

    # The predictor and its judge are fitted on two halves of the table. Lower latency is better, so its weight of 1
    # asks for a low one, and the minimum value of a minimised column is a maximum.
    objective = ncp.Objective({"accuracy": 2, "latency": 1}, at_least={"latency": 5.0})
    result = ncp.search(objective, table=table, starts=32, top=5)
    for row in result.rows:
        accuracy = row.verified["accuracy"]
        print(f"{row.code}: accuracy {accuracy.mean:.1f} % by the {accuracy.source}, score {row.verified_score:.2f}")
    print(f"best measured network: {result.baseline.code}, score {result.baseline.score:.2f}")


if __name__ == "__main__":
    main()
