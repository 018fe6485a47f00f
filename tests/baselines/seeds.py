"""The accuracy that a trainer's options give: of each seed, and the mean. Prints a row per seed."""

import argparse
import re
import subprocess
import sys

# What a run prints: name of the column, and the line.
MEASURED = {
    "validation": r"^ +\d+  .* ([\d.]+) % +[\d.]+$",
    "corrupted": r"^corrupted ([\d.]+) %",
    "test": r"^test +([\d.]+) % of",
    "folds": r"^all +([\d.]+) % of",
}


def measure(seed, options):
    """The last figure of each kind, in per cent."""
    command = ["trainer", "--seed", str(seed), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(command)}")
    found = {name: re.findall(line, done.stdout, re.MULTILINE) for name, line in MEASURED.items()}
    return {name: float(values[-1]) for name, values in found.items() if values}


def main():
    parser = argparse.ArgumentParser(
        prog="tests/baselines/run seeds", description=__doc__, epilog="What follows -- goes to the trainer."
    )
    numbers = lambda text: [int(number) for number in text.split(",")]
    parser.add_argument("--seeds", type=numbers, default=[1, 2, 3], help="such as 1,2,3,4,5")
    arguments, options = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, options = arguments[:at], arguments[at + 1 :]
    seeds = parser.parse_args(arguments).seeds

    rows = []
    for seed in seeds:
        rows.append(measure(seed, options))
        if len(rows) == 1:
            print("  ".join(["seed", *(f"{name:>10}" for name in rows[0])]))
        print("  ".join([f"{seed:>4}", *(f"{value:>8.2f} %" for value in rows[-1].values())]), flush=True)
    means = [sum(row[name] for row in rows) / len(rows) for name in rows[0]]
    print("  ".join(["mean", *(f"{mean:>8.2f} %" for mean in means)]))


main()
