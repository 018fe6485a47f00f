"""What the module promises: `runtime/python/test` runs this on the wheel that was built.

It is told where things are by the environment: REPOSITORY, and the programs RUNTIME and IDX_SCORES of the same sources.
"""

import doctest
import gc
import gzip
import json
import os
import struct
import subprocess
import tempfile
import threading
import unittest
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lenet_runtime
import numpy as np

REPOSITORY = Path(os.environ["REPOSITORY"])
MNIST = REPOSITORY / "tests/data/mnist-500"
DIGITS = REPOSITORY / "tests/data/digits"
BAKED = REPOSITORY / "runtime/lenet.baked"


def bytes_of(name: str) -> np.ndarray:
    return np.frombuffer(bytearray(gzip.decompress((MNIST / f"{name}.gz").read_bytes())), np.uint8)


def images() -> np.ndarray:
    return bytes_of("t10k-images-idx3-ubyte")[16:].reshape(-1, 28, 28)


def labels() -> np.ndarray:
    return bytes_of("t10k-labels-idx1-ubyte")[8:]


def picture(name: str) -> bytes:
    return (DIGITS / name).read_bytes()


def output_of(*command) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout


def bomb() -> bytes:
    """A small PNG that says it has 60,000 times 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def baked(shape, names: list[str], weights: np.ndarray) -> bytes:
    """A baked model of one dense layer, as runtime/src/baked.rs describes the file."""
    record = struct.pack("<4B2H2I8H", 4, 0, 0, 0, 0, 0, len(names), 0, *8 * [0])
    texts = b"".join(struct.pack("<I", len(name)) + name.encode() for name in names)
    header = struct.pack("<8sI32s3I2BH2I", b"BAKEDNET", 1, bytes(32), *shape, 1, 0, 1, len(names), 0)
    bias = bytes(4 * len(names))
    content = header + record + texts + weights.astype("<f4").tobytes() + bias
    return content + struct.pack("<I", zlib.crc32(content))


class TestScores(unittest.TestCase):
    def setUp(self):
        self.model = lenet_runtime.Model()

    def test_scores_are_those_of_rust_bit_for_bit(self):
        expected = np.frombuffer(output_of(os.environ["IDX_SCORES"], MNIST), "<f4").reshape(-1, 10)
        for model in [self.model, lenet_runtime.Model(BAKED)]:
            for threads in [0, 1, 2, 5]:
                scores = model.scores(images(), threads=threads)
                self.assertEqual((scores.dtype, scores.shape), (np.float32, (len(images()), 10)))
                self.assertEqual(scores.tobytes(), expected.tobytes())

    def test_an_image_has_the_same_scores_in_any_company(self):
        few = images()[:65]
        together = self.model.scores(few)
        for size in [1, 7, 33]:
            parts = [self.model.scores(few[at : at + size]) for at in range(0, len(few), size)]
            self.assertEqual(np.concatenate(parts).tobytes(), together.tobytes())
        with_channel = self.model.scores(few.reshape(-1, 1, 28, 28))
        self.assertEqual(with_channel.tobytes(), together.tobytes())

    def test_answers_are_those_of_the_command_evaluate(self):
        report = json.loads(output_of(os.environ["RUNTIME"], "evaluate", "--data", MNIST, "--json"))
        classes, confidences, verdicts = self.model.predict(images(), threads=2)
        self.assertEqual((classes.dtype, confidences.dtype), (np.int64, np.float32))
        confusion = np.zeros((10, 10), int)
        np.add.at(confusion, (labels(), classes), 1)
        self.assertEqual(confusion.tolist(), report["confusion"])
        right = classes == labels()
        for verdict, expected in report["verdicts"].items():
            given = np.array(verdicts) == verdict.replace("_", " ")
            self.assertEqual({"right": (right & given).sum(), "of": given.sum()}, expected)
        ranges = report["reliability"]
        for bin, end in zip(ranges, [bin["from"] for bin in ranges[1:]] + [2.0]):
            within = (confidences >= np.float32(bin["from"])) & (confidences < np.float32(end))
            self.assertEqual((within.sum(), (right & within).sum()), (bin["of"], bin["right"]))

    def test_arrays_are_read_where_they_are_whoever_owns_them(self):
        expected = self.model.scores(images())
        owned_by_bytes = np.frombuffer(images().tobytes(), np.uint8).reshape(-1, 28, 28)
        self.assertFalse(owned_by_bytes.flags.writeable)
        self.assertEqual(self.model.scores(owned_by_bytes).tobytes(), expected.tobytes())
        inside = np.zeros((len(images()) + 2, 28, 28), np.uint8)
        inside[1:-1] = images()
        self.assertEqual(self.model.scores(inside[1:-1]).tobytes(), expected.tobytes())
        scores = self.model.scores(images())
        self.assertTrue(scores.flags.owndata or scores.base is not None)
        scores[0] = 7  # it is the caller's
        gc.collect()
        self.assertEqual(scores[1:].tobytes(), expected[1:].tobytes())

    def test_no_images_have_no_answers(self):
        for empty in [images()[:0], np.zeros((0, 1, 28, 28), np.uint8)]:
            self.assertEqual(self.model.scores(empty).shape, (0, 10))
            classes, confidences, verdicts = self.model.predict(empty, threads=3)
            self.assertEqual((len(classes), len(confidences), verdicts), (0, 0, []))

    def test_arrays_of_another_kind_are_refused(self):
        for refused, kind, words in [
            (images().tolist(), TypeError, "expected a numpy.ndarray of uint8"),
            (None, TypeError, "NoneType"),
            (images().tobytes(), TypeError, "bytes"),
            (images() / 255, TypeError, "images are float64, expected uint8"),
            (images().astype(np.int8), TypeError, "images are int8"),
            (images() > 0, TypeError, "images are bool"),
            (images()[0], ValueError, r"\(28, 28\), expected \(n, 1, 28, 28\) or \(n, 28, 28\)"),
            (images()[:, :27], ValueError, r"\(500, 27, 28\)"),
            (images().reshape(-1, 784), ValueError, r"\(500, 784\)"),
            (np.zeros((4, 3, 28, 28), np.uint8), ValueError, r"\(4, 3, 28, 28\)"),
            (images()[..., None], ValueError, r"\(500, 28, 28, 1\).*images.transpose\(0, 3, 1, 2\)"),
            (np.zeros((4, 0, 28, 28), np.uint8), ValueError, r"\(4, 0, 28, 28\)"),
            (np.uint8(7) + np.zeros((), np.uint8), TypeError, "uint8"),
            (np.zeros((), np.uint8), ValueError, r"shape \(\)"),
            (images()[::2], ValueError, "ascontiguousarray"),
            (images()[:, ::-1], ValueError, "ascontiguousarray"),
            (images().transpose(0, 2, 1), ValueError, "ascontiguousarray"),
            (np.asfortranarray(images()), ValueError, "ascontiguousarray"),
            # a trillion images, of which none is in memory
            (np.broadcast_to(images()[0], (10**12, 28, 28)), ValueError, "ascontiguousarray"),
        ]:
            for method in [self.model.scores, self.model.predict]:
                with self.assertRaisesRegex(kind, words):
                    method(refused)

    def test_threads_are_counted_from_0_to_256(self):
        for threads in [-1, 257]:
            with self.assertRaisesRegex(ValueError, f"threads is {threads}, expected 1 to 256"):
                self.model.scores(images(), threads=threads)

    def test_threads_share_a_model_and_leave_the_lock_to_others(self):
        expected = self.model.scores(images()).tobytes()
        with ThreadPoolExecutor(8) as pool:
            scores = pool.map(lambda _: self.model.scores(images(), threads=2).tobytes(), range(40))
            pictures = [picture("mnist_7.png")] * 20
            read = pool.map(lambda _: self.model.read(pictures)[0].tolist(), range(20))
            self.assertEqual(set(scores), {expected})
            self.assertEqual(list(read), [[7] * 20] * 20)
        # while one thread is in a call, another runs Python
        ended, counted = threading.Event(), 0
        many = np.tile(images(), (20, 1, 1))
        caller = threading.Thread(target=lambda: (self.model.scores(many), ended.set()))
        caller.start()
        while not ended.is_set():
            counted += 1
        caller.join()
        self.assertGreater(counted, 100)

    def test_an_array_that_changes_meanwhile_gives_scores_all_the_same(self):
        changing = np.tile(images(), (4, 1, 1))
        ended = threading.Event()

        def change():
            while not ended.is_set():
                changing[:] = 255 - changing

        changer = threading.Thread(target=change)
        changer.start()
        for _ in range(5):
            self.assertTrue(np.isfinite(self.model.scores(changing)).all())
        ended.set()
        changer.join()
        self.assertEqual(self.model.scores(images()).shape, (500, 10))


class TestRead(unittest.TestCase):
    def setUp(self):
        self.model = lenet_runtime.Model()

    def test_pictures_are_prepared_as_the_command_predict_does(self):
        names = sorted(path.name for path in DIGITS.iterdir() if path.suffix in (".png", ".jpg"))
        lines = output_of(os.environ["RUNTIME"], "predict", "--json", *[DIGITS / name for name in names])
        expected = [json.loads(line) for line in lines.splitlines()]
        for threads in [1, 2]:
            answers = self.model.read([picture(name) for name in names], threads=threads)
            for line, of, confidence, verdict in zip(expected, *answers, strict=True):
                self.assertEqual((of, verdict), (line["digit"], line["verdict"]), line["path"])
                self.assertAlmostEqual(confidence, line["confidence"], 6)

    def test_any_sequence_of_bytes_is_taken(self):
        seven = picture("mnist_7.png")
        for pictures in [(seven,), iter([seven]), np.array([seven], object), [bytearray(seven)]]:
            self.assertEqual(self.model.read(pictures)[0].tolist(), [7])
        self.assertEqual(self.model.read([])[2], [])

    def test_a_picture_that_cannot_be_read_has_a_row_of_its_own(self):
        five, seven = picture("mnist_5.png"), picture("mnist_7.png")
        pictures = [seven, b"", b"no picture", None, five[:90], bomb(), five] + 50 * [seven]
        classes, confidences, verdicts, errors = self.model.try_read(pictures, threads=3)
        self.assertEqual(classes.tolist(), [7, -1, -1, -1, -1, -1, 5] + 50 * [7])
        self.assertTrue(np.isnan(confidences[1:6]).all() and np.isfinite(confidences[6:]).all())
        self.assertEqual(verdicts[:7], ["sure"] + 5 * ["error"] + ["unsure"])
        self.assertEqual(errors[0], None)
        self.assertEqual(errors[6:], 51 * [None])
        for error, words in zip(
            errors[1:6],
            ["the file is empty", "not a PNG, JPEG", "there is none", "cannot decode this PNG", "60000x60000"],
        ):
            self.assertIn(words, error)

    def test_read_names_the_first_picture_that_cannot_be_read(self):
        with self.assertRaisesRegex(ValueError, "^picture 1: the file is empty$"):
            self.model.read([picture("mnist_7.png"), b"", b"x"])
        with self.assertRaisesRegex(ValueError, "^picture 0: there is none$"):
            self.model.read([None])

    def test_what_is_no_list_of_bytes_is_refused(self):
        for refused, words in [
            (picture("mnist_7.png"), r"give one picture as \[picture\]"),
            ("mnist_7.png", r"type str"),
            (7, "not iterable"),
            ([7], "picture 0 is of type int, expected bytes"),
            ([b"", "mnist_7.png"], "picture 1 is of type str, expected bytes"),
        ]:
            for method in [self.model.read, self.model.try_read]:
                with self.assertRaisesRegex(TypeError, words):
                    method(refused)


class TestModel(unittest.TestCase):
    def test_a_model_says_what_it_takes_and_gives(self):
        for model in [
            lenet_runtime.Model(),
            lenet_runtime.Model(BAKED),
            lenet_runtime.Model(path=str(BAKED)),
            lenet_runtime.Model.from_bytes(BAKED.read_bytes()),
        ]:
            self.assertEqual(model.classes, tuple("0123456789"))
            self.assertEqual(model.input_shape, (1, 28, 28))
            self.assertEqual(model.preprocess, "digit")
            self.assertEqual(repr(model), "<lenet_runtime.Model: uint8[n, 1, 28, 28] to 10 classes>")
            with self.assertRaises(AttributeError):
                model.classes = ()
        self.assertRegex(lenet_runtime.__version__, r"^\d+\.\d+\.\d+$")
        self.assertIn("runtime bake", lenet_runtime.Model.__doc__)

    def test_a_model_of_colours_takes_channels_and_names_its_classes(self):
        weights = np.zeros((2, 3, 2, 2))
        weights[0, 0], weights[1, 1:] = 1, 1
        model = lenet_runtime.Model.from_bytes(baked((3, 2, 2), ["red", "other"], weights))
        self.assertEqual((model.input_shape, model.preprocess), ((3, 2, 2), "stretch"))
        self.assertEqual(model.classes, ("red", "other"))
        images = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
        sums = [[0 + 1 + 2 + 3, sum(range(4, 12))], [12 + 13 + 14 + 15, sum(range(16, 24))]]
        self.assertEqual(model.scores(images).tolist(), sums)
        with self.assertRaisesRegex(ValueError, r"\(2, 2, 2\), expected \(n, 3, 2, 2\)$"):
            model.scores(images[:, 0].copy())
        red, blue = b"P6 1 1 255\n\xff\x00\x00", b"P6 1 1 255\n\x00\x00\xff"
        self.assertEqual(model.read([blue, red])[0].tolist(), [1, 0])

    def test_a_file_that_cannot_be_read_is_an_os_error(self):
        with self.assertRaises(FileNotFoundError) as missing:
            lenet_runtime.Model("no/such.baked")
        self.assertEqual(
            str(missing.exception), "[Errno 2] No such file or directory: 'no/such.baked'"
        )
        with self.assertRaises(IsADirectoryError):
            lenet_runtime.Model(MNIST)
        with self.assertRaisesRegex(ValueError, "NUL byte"):
            lenet_runtime.Model("a\0b")
        with self.assertRaises(TypeError):
            lenet_runtime.Model(7)

    def test_a_file_that_is_no_baked_model_is_refused_with_what_to_do(self):
        with self.assertRaisesRegex(
            ValueError, "lenet.onnx: .* by `runtime bake MODEL.onnx -o MODEL.baked`$"
        ):
            lenet_runtime.Model(REPOSITORY / "runtime/lenet.onnx")
        baked = BAKED.read_bytes()
        for damaged, words in [
            (b"", "the file is empty"),
            (b"MODEL", "not a baked model"),
            (baked[:-1], "damaged or cut off"),
            (baked[:1000] + b"!" + baked[1001:], "damaged or cut off"),
        ]:
            with self.assertRaisesRegex(ValueError, words):
                lenet_runtime.Model.from_bytes(damaged)
            with tempfile.NamedTemporaryFile(suffix=".baked") as file:
                file.write(damaged)
                file.flush()
                with self.assertRaisesRegex(ValueError, f"^{file.name}: .*{words}"):
                    lenet_runtime.Model(file.name)


def load_tests(_loader, tests, _pattern):
    """And the examples of the README, which read pictures of the repository."""
    os.chdir(REPOSITORY)
    readme = str(REPOSITORY / "runtime/python/README.md")
    tests.addTests(doctest.DocFileSuite(readme, module_relative=False))
    return tests


if __name__ == "__main__":
    unittest.main()
