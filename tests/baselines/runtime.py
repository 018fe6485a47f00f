"""Time of a prediction: ONNX Runtime and tract beside our kernels, alternating, in one run.

    tests/baselines/run runtime [MODEL.onnx ...]

Without a model, LeNet on the test images of MNIST as bytes; other models get fixed noise, as numbers where they take such.
All get the same batches, one after the other, and return scores. A round times each of the three for a while and keeps
the median of its calls; the median over the rounds is printed.
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
LENET = pathlib.Path(__file__).parents[2] / "runtime/lenet.onnx"


def session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def inputs_of(model):
    """Images for a model of ONNX Runtime, and the arguments with which `runtime bench` has such."""
    (port,) = session(model, 1).get_inputs()
    if model == LENET:
        if not DATA.is_dir():
            raise SystemExit(f"MNIST is not in {DATA}: run trainer/run once")
        pixels = numpy.frombuffer((DATA / "t10k-images-idx3-ubyte").read_bytes()[16:], dtype=numpy.uint8)
        return port.name, pixels.reshape(-1, 1, 28, 28), ["--data", DATA]
    noise = numpy.random.default_rng(1).integers(0, 256, [256] + port.shape[1:], dtype=numpy.uint8)
    if port.type == "tensor(float)":
        noise = (noise / 255).astype(numpy.float32)
    return port.name, noise, []


def onnx_runtime(model, name, images, batch, threads, seconds):
    """Median microseconds of a call."""
    run = session(model, threads).run
    batches = [images[at : at + batch] for at in range(0, len(images) - batch + 1, batch)]
    calls = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(calls) < 5:
        values = batches[len(calls) % len(batches)]
        start = time.perf_counter()
        run(None, {name: values})
        calls.append(time.perf_counter() - start)
    return statistics.median(calls) * 1e6


def ours(model, data, kernels, batch, threads, seconds):
    """The same of `runtime bench`."""
    command = ["runtime", "bench", "--json", "--model", model, "--seconds", str(seconds), *data]
    command += ["--batch", str(batch), "--threads", str(threads)] + kernels
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(printed)["p50_us"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("models", nargs="*", type=pathlib.Path, default=[LENET])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each, in each round")
    arguments = parser.parse_args()
    print(f"microseconds an image, ONNX Runtime {onnxruntime.__version__}, median of {arguments.rounds} rounds")
    for model in arguments.models:
        compare(model, arguments.rounds, arguments.seconds)


def compare(model, rounds, seconds):
    name, images, data = inputs_of(model)
    print(model.name)
    print("batch  threads   ONNX Runtime    tract     ours   ours to ONNX Runtime")
    for batch in (1, 64):
        for threads in (1, 2):
            times = []
            for _ in range(rounds):
                baseline = onnx_runtime(model, name, images, batch, threads, seconds)
                tract = ours(model, data, ["--engine", "tract"], batch, threads, seconds)
                times.append((baseline, tract, ours(model, data, [], batch, threads, seconds)))
            baseline, tract, own = (statistics.median(column) / batch for column in zip(*times))
            print(f"{batch:5}  {threads:7}  {baseline:13.1f} {tract:8.1f} {own:8.1f}   {own / baseline:.2f} x")


if __name__ == "__main__":
    main()
