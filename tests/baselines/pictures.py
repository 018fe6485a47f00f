"""How many pictures a network needs: its accuracy after 5, 10, 20, 40 and all pictures of each class.

A fifth of each class is kept back as the test of all runs; of the others, the trainer gets the first so many in an order
that the seed decides, so that each run has the pictures of those before. It holds out some of them for validation by itself.
Prints a table, and draws it with --plot.
"""

import argparse
import hashlib
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

ENDINGS = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".pnm", ".pbm", ".pgm", ".ppm", ".pam"}
TEST_SHARE = 0.2

# Of the plot, in pixels.
WIDTH, HEIGHT, LEFT, BOTTOM, MARGIN = 560, 300, 56, 46, 16


def pictures(folder):
    """Of each class its pictures as groups of equal files, which must not be on both sides of a split."""
    classes = {}
    for of_class in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."):
        groups = {}
        for path in sorted(of_class.iterdir()):
            if path.is_file() and path.suffix.lower() in ENDINGS and path.name[0] != ".":
                groups.setdefault(hashlib.sha256(path.read_bytes()).digest(), []).append(path.resolve())
        if groups:
            classes[of_class.name] = list(groups.values())
    return classes


def split(classes, seed):
    """Of each class the pictures for the test, and all others in an order by seed."""
    test, training = {}, {}
    for name, groups in classes.items():
        groups = groups[:]
        random.Random(f"{seed} {name}").shuffle(groups)
        wanted = max(1, round(TEST_SHARE * sum(map(len, groups))))
        test[name] = []
        while len(test[name]) < wanted and len(groups) > 1:
            test[name] += groups.pop()
        training[name] = [picture for group in groups for picture in group]
    return test, training


def link(folder, subset, classes):
    """A folder of links for each class."""
    for name, of_class in classes.items():
        target = folder / subset / name
        target.mkdir(parents=True)
        for number, picture in enumerate(of_class):
            (target / f"{number}{picture.suffix}").symlink_to(picture)


def accuracy(test, training, seed, options):
    """Right answers to the test pictures, and how many these are, of a network that was trained on those of `training`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        link(folder / "data", "train", training)
        link(folder / "data", "test", test)
        model = str(folder / "model.onnx")
        data = ["--data", str(folder / "data")]
        run(["trainer", *data, "--seed", str(seed), "--export", model, *options])
        report = json.loads(run(["runtime", "evaluate", "--json", "--model", model, *data]))
    return report["right"], report["of"]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def plot(points, pictures_of_test):
    """The means of `points` over the number of pictures, on a logarithmic axis, and each run as a dot; as SVG."""
    counts = [count for count, _ in points]
    lowest = math.floor(min(min(values) for _, values in points) / 10) * 10
    first, last = math.log(counts[0]), math.log(counts[-1])

    def x(count):
        return LEFT + (math.log(count) - first) / max(last - first, 1e-9) * (WIDTH - LEFT - 2 * MARGIN) + MARGIN

    def y(percent):
        return MARGIN + (100 - percent) / max(100 - lowest, 1e-9) * (HEIGHT - BOTTOM - MARGIN)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for percent in range(lowest, 101, 5 if lowest >= 70 else 10):
        lines.append(
            f'<path d="M{LEFT} {y(percent):.1f}H{WIDTH - MARGIN}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y(percent) + 4:.1f}" text-anchor="end">{percent} %</text>'
        )
    for count in counts:
        lines.append(f'<text x="{x(count):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{count}</text>')
    means = [(x(count), y(sum(values) / len(values))) for count, values in points]
    line = " ".join(f"{across:.1f},{down:.1f}" for across, down in means)
    lines.append(f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="2"/>')
    for count, values in points:
        lines += [f'<circle cx="{x(count):.1f}" cy="{y(value):.1f}" r="3.5" fill="#1f77b4"/>' for value in values]
    label = f"pictures of each class to train on; right of {pictures_of_test} others"
    lines.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{label}</text>')
    return "\n".join(lines) + "\n</svg>\n"


def main():
    parser = argparse.ArgumentParser(
        prog="tests/baselines/run pictures", description=__doc__, epilog="What follows -- goes to the trainer."
    )
    parser.add_argument("folder", type=pathlib.Path, help="a folder of pictures for each class")
    numbers = lambda text: [int(number) for number in text.split(",")]
    parser.add_argument("--counts", type=numbers, default=[5, 10, 20, 40], help="pictures of each class, besides all")
    parser.add_argument("--seeds", type=numbers, default=[1], help="each splits otherwise, and trains otherwise")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE.svg")
    arguments, options = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, options = arguments[:at], arguments[at + 1 :]
    arguments = parser.parse_args(arguments)
    classes = pictures(arguments.folder)
    if len(classes) < 2 or min(map(len, classes.values())) < 3:
        sys.exit(f"{arguments.folder}: there must be 2 folders of pictures or more, each with 3 different ones or more")

    print(f"{'a class':>8}  {'all':>6}  {'right':>8}  of each seed", flush=True)
    points = []
    for count in [*sorted(arguments.counts), None]:
        scores, used = [], 0
        for seed in arguments.seeds:
            test, training = split(classes, seed)
            training = {name: of_class[:count] for name, of_class in training.items()}
            used = sum(map(len, training.values()))
            right, of = accuracy(test, training, seed, options)
            scores.append(100 * right / of)
        points.append((count or round(used / len(classes)), scores))
        each = ", ".join(f"{score:.1f}" for score in scores)
        mean = sum(scores) / len(scores)
        print(f"{count or 'all':>8}  {used:6}  {mean:6.1f} %  {each} (of {of} others)", flush=True)
    if arguments.plot:
        arguments.plot.write_text(plot(points, of))


main()
