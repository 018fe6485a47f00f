"""Time of a prediction: ONNX Runtime and tract beside our kernels, alternating, on one model, in one run.

All get the same test images of MNIST as bytes, batch after batch, and return logits. A round times each of the three
for a while and keeps the median of its calls; the median over the rounds is printed.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import time

import numpy
import onnxruntime

DATA = pathlib.Path(os.environ.get("XDG_DATA_HOME", pathlib.Path.home() / ".local/share")) / "lenet/mnist"
MODEL = pathlib.Path(__file__).parents[2] / "runtime/lenet.onnx"


def onnx_runtime(images, batch, threads, seconds):
    """Median microseconds of a call."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
    batches = [images[at : at + batch] for at in range(0, len(images) - batch + 1, batch)]
    calls = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(calls) < 5:
        pixels = batches[len(calls) % len(batches)]
        start = time.perf_counter()
        session.run(None, {"image": pixels})
        calls.append(time.perf_counter() - start)
    return statistics.median(calls) * 1e6


def ours(kernels, batch, threads, seconds):
    """The same of `runtime bench`."""
    command = ["runtime", "bench", "--json", "--data", DATA, "--model", MODEL, "--seconds", str(seconds)]
    command += ["--batch", str(batch), "--threads", str(threads)] + kernels
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(printed)["p50_us"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each, in each round")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        parser.error(f"MNIST is not in {DATA}: run trainer/run once")
    pixels = numpy.frombuffer((DATA / "t10k-images-idx3-ubyte").read_bytes()[16:], dtype=numpy.uint8)
    images = pixels.reshape(-1, 1, 28, 28)
    print(f"microseconds an image, ONNX Runtime {onnxruntime.__version__}, median of {arguments.rounds} rounds")
    print("batch  threads   ONNX Runtime    tract     ours   ours to ONNX Runtime")
    for batch in (1, 64, 256):
        for threads in (1, 2):
            rounds = []
            for _ in range(arguments.rounds):
                baseline = onnx_runtime(images, batch, threads, arguments.seconds)
                tract = ours(["--kernels", "tract"], batch, threads, arguments.seconds)
                rounds.append((baseline, tract, ours([], batch, threads, arguments.seconds)))
            baseline, tract, own = (statistics.median(column) / batch for column in zip(*rounds))
            print(f"{batch:5}  {threads:7}  {baseline:13.1f} {tract:8.1f} {own:8.1f}   {own / baseline:.2f} x")


if __name__ == "__main__":
    main()
