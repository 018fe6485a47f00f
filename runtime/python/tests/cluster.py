"""The Ray example on a cluster of two nodes on this machine: `runtime/python/test cluster` runs it.

A million rows, MNIST's 70,000 images again and again, have the answers that `runtime evaluate` gives; a worker that is killed
loses none; what cannot be read has a row with an error. How fast it is is told in relation to the module alone, in one
process, which is measured before and after each run: the machine may have other work.
"""

import argparse
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
REPOSITORY = Path(os.environ["REPOSITORY"])
EXAMPLES = REPOSITORY / "runtime/python/examples"
sys.path.insert(0, str(EXAMPLES))

import lenet_runtime
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
import ray_predict
from ray.cluster_utils import Cluster

FILE_ROWS, GROUP_ROWS = 100_000, 10_000


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, default=Path.home() / ".local/share/lenet/mnist")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        images, expected = mnist(options.data, folder)
        write_images(images, options.rows, folder / "images")
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "object_store_memory": 400 << 20, "include_dashboard": False},
        )
        cluster.add_node(num_cpus=1, object_store_memory=400 << 20)
        environment = {"env_vars": {"PYTHONPATH": f"{os.environ['PYTHONPATH']}:{EXAMPLES}"}}
        ray.init(address=cluster.address, runtime_env=environment, logging_level="ERROR")
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        try:
            failing_pictures(folder)
            costs(images, folder / "images", folder / "costs")
            for workers in [1, 2]:
                speed(workers, images, expected, options.rows, folder)
            killed_worker(expected, options.rows, folder)
        finally:
            ray.shutdown()
            cluster.shutdown()


def mnist(data: Path, folder: Path):
    """All images, and their answers, which are compared with what `runtime evaluate` says of each half."""
    model = lenet_runtime.Model()
    halves = []
    for part in ["train", "t10k"]:
        half = folder / part
        half.mkdir()
        for kind in ["images-idx3-ubyte", "labels-idx1-ubyte"]:
            (half / f"t10k-{kind}").symlink_to(data / f"{part}-{kind}")
        images = np.fromfile(data / f"{part}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
        labels = np.fromfile(data / f"{part}-labels-idx1-ubyte", np.uint8)[8:]
        classes, confidences, verdicts = model.predict(images, threads=2)
        command = [os.environ["RUNTIME"], "evaluate", "--data", half, "--json"]
        report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        confusion = np.zeros((10, 10), int)
        np.add.at(confusion, (labels, classes), 1)
        assert confusion.tolist() == report["confusion"], "confusion"
        for verdict, counts in report["verdicts"].items():
            given = np.array(verdicts) == verdict.replace("_", " ")
            found = {"right": (given & (classes == labels)).sum(), "of": given.sum()}
            assert found == counts, f"{verdict}: {found} for {counts}"
        halves.append((images, classes, confidences, np.array(verdicts)))
        print(f"{len(images)} images: answers as `runtime evaluate` has them, {report['correct']} right")
    images, *answers = [np.concatenate(columns) for columns in zip(*halves)]
    return images, answers


def write_images(images: np.ndarray, rows: int, folder: Path):
    """Parquet files of `rows` raw images, these again and again."""
    folder.mkdir()
    for number, start in enumerate(range(0, rows, FILE_ROWS)):
        ids = np.arange(start, min(start + FILE_ROWS, rows))
        pixels = pa.py_buffer(images[ids % len(images)])
        raw = pa.FixedSizeBinaryArray.from_buffers(pa.binary(784), len(ids), [None, pixels])
        table = pa.table({"id": ids, "image": raw})
        file = folder / f"{number:03}.parquet"
        pq.write_table(
            table, file, row_group_size=GROUP_ROWS, compression="none", use_dictionary=["id"]
        )


def predict(images: Path, output: Path, workers: int, column="image") -> pa.Table:
    pictures, errors = ray_predict.predict(
        str(images), str(output), model=None, workers=workers, batch=1000, column=column, raw=False
    )
    table = pq.read_table(output)
    assert (len(table), len(table) - table["error"].null_count) == (pictures, errors)
    return table


def check(table: pa.Table, expected: list[np.ndarray], rows: int):
    """Every row is there once, with the answer of its image."""
    table = table.sort_by("id")
    ids = table["id"].to_numpy()
    assert np.array_equal(ids, np.arange(rows)), f"{len(ids)} rows, {len(np.unique(ids))} of them differ"
    classes, confidences, verdicts = (column[ids % len(column)] for column in expected)
    assert np.array_equal(table["class"].to_numpy().astype(np.int64), classes), "classes"
    assert np.array_equal(table["confidence"].to_numpy(), confidences), "confidences"
    assert np.array_equal(table["verdict"].to_numpy().astype(verdicts.dtype), verdicts), "verdicts"
    assert table["error"].null_count == rows, "errors"


def failing_pictures(folder: Path):
    """What cannot be read has a row with its error: in a column of pictures, of pixels, and in a folder."""
    digits = REPOSITORY / "tests/data/digits"
    seven = (digits / "mnist_7.png").read_bytes()
    columns = {
        "encoded": pa.array([seven, b"no picture", None, seven[:80], seven], pa.binary()),
        "raw": pa.array([bytes(784), None, bytes(784)], pa.binary(784)),
    }
    for name, column in columns.items():
        file = folder / f"{name}.parquet"
        pq.write_table(pa.table({"name": [str(at) for at in range(len(column))], "picture": column}), file)
        answers = predict(file, folder / f"{name}-answers", 1, "picture").sort_by("name").to_pydict()
        failed = [at for at, error in enumerate(answers["error"]) if error]
        assert failed == {"encoded": [1, 2, 3], "raw": [1]}[name], answers
        assert [answers["class"][at] for at in failed] == [None] * len(failed), answers
        assert [answers["verdict"][at] for at in failed] == ["error"] * len(failed), answers
    pictures = folder / "pictures"
    pictures.mkdir()
    (pictures / "seven.png").write_bytes(seven)
    (pictures / "note.txt").write_text("no picture")
    answers = predict(pictures, folder / "pictures-answers", 1).sort_by("path").to_pylist()
    print("a folder with a picture and a text:")
    for row in answers:
        print("  ", Path(row["path"]).name, {key: row[key] for key in row if key != "path"})
    assert [row["class"] for row in answers] == [None, "7"], answers
    assert [row["error"] is None for row in answers] == [False, True], answers


def costs(images: np.ndarray, parquet: Path, output: Path):
    """Prints where the time of one image goes, in processor time of one process."""
    pieces = list(itertools.islice(ray_predict.pieces(str(parquet), 1000), 7))
    output.mkdir()
    worker = ray_predict.Answers(None, str(output), 1000, "image", False)
    rows = len(pieces) * GROUP_ROWS

    def microseconds(run) -> float:
        started = time.process_time()
        run()
        return (time.process_time() - started) / rows * 1e6

    def read():
        for piece in pieces:
            with ray_predict.open_file(piece["path"][0].as_py()) as file:
                groups = [piece["row_group"][0].as_py()]
                for _ in pq.ParquetFile(file).iter_batches(1000, row_groups=groups):
                    pass

    same = images[: rows % len(images) or len(images)]
    rounds = [
        (
            microseconds(lambda: worker.model.scores(same)),
            microseconds(lambda: worker.model.predict(same)),
            microseconds(read),
            microseconds(lambda: [worker(piece) for piece in pieces]),
        )
        for _ in range(5)
    ]
    # the least: what other work of the machine took from it least
    scores, answers, reading, everything = np.min(rounds, axis=0)
    print("microseconds of a core for an image, in one process, least of 5 rounds:")
    print(f"  {scores:6.2f}  the network's scores")
    print(f"  {answers - scores:6.2f}  confidence and verdict")
    print(f"  {reading:6.2f}  reading Parquet")
    print(f"  {everything - answers - reading:6.2f}  columns of the answers, and writing them")
    print(f"  {everything:6.2f}  all that a worker does")


def alone(images: np.ndarray, threads: int) -> tuple[float, float]:
    """Images in a second, and microseconds of a core for each, of the module without Ray."""
    model = lenet_runtime.Model()
    wall, core = time.perf_counter(), time.process_time()
    model.predict(images, threads=threads)
    wall, core = time.perf_counter() - wall, time.process_time() - core
    return len(images) / wall, core / len(images) * 1e6


def speed(workers: int, images: np.ndarray, expected: list[np.ndarray], rows: int, folder: Path):
    before = alone(images, workers)
    with CoreTime() as cores:
        started = time.perf_counter()
        table = predict(folder / "images", folder / f"answers-{workers}", workers)
        seconds = time.perf_counter() - started
    after = alone(images, workers)
    check(table, expected, rows)
    rate, micros = np.mean([before, after], axis=0)
    workers_used, ray_used = cores.workers / rows * 1e6, cores.ray / rows * 1e6
    used = workers_used + ray_used
    print(
        f"{workers} worker{'s' * (workers > 1)}: {rows} rows in {seconds:.1f} s, all answers equal\n"
        f"  {rows / seconds:6.0f}  images/s; {rate:.0f} of the module alone on as many threads, so {rows / seconds / rate:.2f} x\n"
        f"  {used:6.1f}  microseconds of a core for an image, {workers_used:.1f} of the workers and {ray_used:.1f} of the rest of"
        f" Ray; {micros:.1f} alone, so {used / micros:.2f} x\n"
        f"  {os.getloadavg()[0]:6.1f}  load of the machine, which has {os.cpu_count()} cores",
        flush=True,
    )


def killed_worker(expected: list[np.ndarray], rows: int, folder: Path):
    """A worker that is killed in the middle loses no row."""
    output, killed = folder / "answers-killed", []

    def kill():
        # some files are there, and others are not
        while len(list(output.glob("*.parquet"))) < rows // GROUP_ROWS // 3:
            time.sleep(0.05)
        workers = [pid for pid, name in descendants().items() if "MapWorker" in name]
        os.kill(workers[0], signal.SIGKILL)
        killed.append((workers[0], len(list(output.glob("*.parquet")))))

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    table = predict(folder / "images", output, 2)
    assert killed, "no worker was killed: give more --rows"
    check(table, expected, rows)
    files = len(list(output.glob("*.parquet")))
    print(f"worker {killed[0][0]} killed after {killed[0][1]} of {files} files: {rows} rows, all answers equal")


def descendants() -> dict[int, str]:
    """All processes that this one started, and those that they did, with their command lines."""
    parents, names = {}, {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit():
                parents[int(folder.name)] = stat(int(folder.name))[1]
                command = (folder / "cmdline").read_bytes()
                names[int(folder.name)] = command.decode(errors="replace")
        except OSError:
            pass  # it ended
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: names[pid] for pid in found if pid in names}


def stat(pid: int) -> list:
    """Fields 3 and later of /proc/PID/stat: state, parent, …"""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [fields[0], int(fields[1]), *fields[2:]]


class CoreTime:
    """Processor seconds of the workers and of the rest of Ray while it is open: looked up often, since a process that ended has
    none; without those of looking."""

    def __enter__(self):
        self.before, self.latest, self.ended = ticks(), {}, threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        return self

    def watch(self):
        while not self.ended.wait(0.5):
            for pid, (name, used) in ticks().items():
                known = self.latest.get(pid, (name,))[0]
                # a process is named as what it does just now
                self.latest[pid] = (known if "MapWorker" in known else name, used)
        self.looking = time.thread_time()

    def __exit__(self, *_):
        self.ended.set()
        self.watcher.join()
        self.workers, self.ray = 0.0, -self.looking
        for pid, (name, used) in self.latest.items():
            seconds = (used - self.before.get(pid, ("", 0))[1]) / os.sysconf("SC_CLK_TCK")
            if "MapWorker" in name:
                self.workers += seconds
            else:
                self.ray += seconds


def ticks() -> dict[int, tuple[str, int]]:
    """Name, and user and system time until now, of this process and all of the cluster."""
    found = {}
    for pid, name in descendants().items():
        try:
            found[pid] = (name, sum(map(int, stat(pid)[11:13])))
        except OSError:
            pass  # it ended
    return found


if __name__ == "__main__":
    main()
