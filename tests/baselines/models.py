"""Answers to ONNX models of any make, beside ONNX Runtime's.

    tests/baselines/run models FILE-OR-FOLDER...

Every model gets one picture of fixed noise, float inputs as 0 to 1. What is compared are raw scores, or probabilities where
the model ends in a softmax; the largest difference counts relative to the largest score. Exit code 1 if any model is
answered otherwise than by ONNX Runtime: to 1e-4, by any set of kernels or by tract.
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnxruntime

TOLERANCE = 1e-4
SCORES = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "release/examples/scores"
TYPES = {
    "tensor(float)": numpy.float32,
    "tensor(double)": numpy.float64,
    "tensor(float16)": numpy.float16,
    "tensor(uint8)": numpy.uint8,
    "tensor(int32)": numpy.int32,
    "tensor(int64)": numpy.int64,
}


def ours(model, pixels):
    """The input's shape, the steps, and the candidates for what each set of kernels answers; or why it is refused."""
    run = subprocess.run([SCORES, model, pixels], capture_output=True, text=True)
    if run.returncode != 0:
        return run.stderr.strip().removeprefix("Error: ").strip('"')
    shape, steps, answers = None, [], collections.defaultdict(list)
    for line in run.stdout.splitlines():
        key, value = line.split(" ", 1)
        if key == "input":
            shape = json.loads(value)
        elif key == "step":
            steps.append(value)
        else:
            kernels, values = value.split(" ", 1)
            values = numpy.array(json.loads(values.replace("inf", "Infinity")), dtype=numpy.float64)
            answers[kernels].append(values)
            if key == "logits":
                shifted = values - values.max()
                answers[kernels].append(shifted - numpy.log(numpy.exp(shifted).sum()))
    return shape, steps, answers


def baseline(model, raw, shape):
    """ONNX Runtime's scores of one picture; or why there are none."""
    try:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        inputs = session.get_inputs()
        if len(inputs) != 1:
            return f"{len(inputs)} inputs"
        (port,) = inputs
        lengths = [length if isinstance(length, int) and length > 0 else 1 for length in port.shape]
        count = int(numpy.prod(lengths))
        picture = raw[: int(numpy.prod(shape)) if shape else count]
        last = shape and len(lengths) >= 3 and lengths[-1] == shape[0] and lengths[-3:] != list(shape)
        if last:
            picture = picture.reshape(shape).transpose(1, 2, 0).ravel()
        images = max(1, count // len(picture))
        values = numpy.tile(picture, images)[:count].reshape(lengths)
        kind = TYPES[port.type]
        values = (values / 255).astype(kind) if numpy.issubdtype(kind, numpy.floating) else values.astype(kind)
        for output in session.run(None, {port.name: values}):
            if getattr(output, "dtype", None) in (numpy.float16, numpy.float32, numpy.float64):
                if output.size % images == 0 and 2 <= output.size // images <= 256:
                    return output.reshape(images, -1)[0].astype(numpy.float64)
        return "no scores"
    except Exception as error:  # whatever it is, there is nothing to compare with
        return str(error).splitlines()[0][:120]


def difference(candidates, expected):
    largest = max(abs(expected).max(), 1e-9)
    fitting = [abs(found - expected).max() / largest for found in candidates if found.shape == expected.shape]
    return min(fitting, default=numpy.inf)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    files = []
    for path in arguments.models:
        files += sorted(path.rglob("*.onnx")) if path.is_dir() else [path]
    onnxruntime.set_default_logger_severity(4)
    raw = numpy.random.default_rng(1).integers(0, 256, 4 * 256 * 256, dtype=numpy.uint8)
    counts = collections.Counter()
    with tempfile.NamedTemporaryFile() as pixels:
        raw.tofile(pixels.name)
        for model in files:
            found = ours(model, pixels.name)
            refusal = found if isinstance(found, str) else None
            expected = baseline(model, raw, None if refusal else found[0])
            runs = not isinstance(expected, str)
            if refusal:
                kind = "refused" if runs else "refused by both"
                print(f"{kind:16} {model}: {refusal}" + ("" if runs else f" (ONNX Runtime: {expected})"))
            elif not runs:
                kind = "no baseline"
                print(f"{kind:16} {model}: {expected}")
            else:
                _, steps, answers = found
                worst = max(difference(candidates, expected) for candidates in answers.values())
                in_tract = [step for step in steps if step.startswith("tract: ")]
                kind = "WRONG" if not worst <= TOLERANCE else "partly in tract" if in_tract else "layers only"
                print(f"{kind:16} {model}: {worst:.0e}", *in_tract[:3], sep="  ")
            counts[kind] += 1
    print(*(f"{count} {kind}" for kind, count in counts.most_common()), sep=", ")
    sys.exit(1 if counts["WRONG"] else 0)


if __name__ == "__main__":
    main()
