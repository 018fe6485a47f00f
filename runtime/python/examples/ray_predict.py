#!/usr/bin/env python3
"""Answers to many pictures, on a Ray cluster.

    ray_predict.py IMAGES OUTPUT [--model MODEL.baked] [--workers N]

IMAGES is a Parquet file, a folder of such files, or a folder of pictures, where every node sees it: a path or a URI such as
s3://bucket/folder. In Parquet the column `image` holds encoded pictures as binary, or images of the model's own size, channels
times rows times columns bytes each, as binary of a fixed size or, with --raw, of any. OUTPUT is a new folder, for a Parquet file
of each row group or some thousand pictures, with all other columns, or the picture's path, and class, confidence, verdict and
error. A picture that cannot be read has an error, and no class and confidence.
"""

import argparse
import itertools
import math
import os
from collections.abc import Iterator
from pathlib import Path

import lenet_runtime
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray.data
from pyarrow.fs import FileSelector, FileSystem, FileType


class Answers:
    """A model, which one worker keeps from one piece of the input to the next."""

    def __init__(self, model: bytes | None, output: str, batch: int, column: str, raw: bool):
        self.model = lenet_runtime.Model.from_bytes(model) if model else lenet_runtime.Model()
        self.output, self.batch, self.column, self.raw = output, batch, column, raw
        self.image_bytes = math.prod(self.model.input_shape)

    def __call__(self, piece: pa.Table) -> pa.Table:
        """Reads a piece of the input, writes its answers, and counts them: no picture goes from node to node."""
        number = piece["number"][0].as_py()
        if "row_group" in piece.column_names:
            answers = self.of_row_group(piece["path"][0].as_py(), piece["row_group"][0].as_py())
        else:
            answers = self.of_files(piece["path"].to_pylist())
        files, folder = file_system(self.output)
        # whole or not at all; if this worker is lost, another writes the file of the same name
        unfinished = f"{folder}/.{number:06}.{os.getpid()}"
        pq.write_table(answers, unfinished, filesystem=files)
        files.move(unfinished, f"{folder}/{number:06}.parquet")
        errors = len(answers) - answers["error"].null_count
        return pa.table({"pictures": [len(answers)], "errors": [errors]})

    def of_row_group(self, path: str, row_group: int) -> pa.Table:
        """Of a part of a Parquet file."""
        with open_file(path) as file:
            batches = pq.ParquetFile(file).iter_batches(self.batch, row_groups=[row_group])
            tables = [self.of_rows(pa.Table.from_batches([batch])) for batch in batches]
        return pa.concat_tables(tables)

    def of_files(self, paths: list[str]) -> pa.Table:
        """Of picture files."""
        pictures, unreadable = [], []
        for path in paths:
            try:
                with open_file(path) as file:
                    pictures.append(file.read())
                unreadable.append(None)
            except OSError as error:
                pictures.append(None)
                unreadable.append(str(error))
        classes, confidences, verdicts, errors = self.model.try_read(pictures)
        errors = [why or error for why, error in zip(unreadable, errors)]
        table = pa.table({"path": paths})
        return self.with_answers(table, classes, confidences, verdicts, errors)

    def of_rows(self, table: pa.Table) -> pa.Table:
        """Of rows that hold pictures."""
        images = table[self.column].combine_chunks()
        if self.raw or pa.types.is_fixed_size_binary(images.type):
            answers = self.of_pixels(images)
        else:
            answers = self.model.try_read(images.to_pylist())
        return self.with_answers(table.drop_columns(self.column), *answers)

    def of_pixels(self, images: pa.Array):
        """Of pixels where Arrow has them: without a copy, if all images are of the model's size."""
        fits = pc.fill_null(pc.equal(pc.binary_length(images), self.image_bytes), False)
        classes, confidences, verdicts = self.model.predict(self.array(images.filter(fits)))
        if len(verdicts) == len(images):
            return classes, confidences, verdicts, [None] * len(images)
        # a row of its own for each that does not
        fits = fits.to_numpy(zero_copy_only=False)
        columns = np.full(len(images), -1), np.full(len(images), np.nan, np.float32)
        columns[0][fits], columns[1][fits] = classes, confidences
        verdicts = iter(verdicts)
        why = f"expected {self.image_bytes} bytes, an image of the model's size"
        return (
            *columns,
            [next(verdicts) if fit else "error" for fit in fits],
            [None if fit else why for fit in fits],
        )

    def array(self, images: pa.Array) -> np.ndarray:
        """The pixels of images that are all of the model's size, as NumPy sees them in Arrow's memory."""
        start, length = images.offset * self.image_bytes, len(images) * self.image_bytes
        if not pa.types.is_fixed_size_binary(images.type):
            offset = np.int64 if pa.types.is_large_binary(images.type) else np.int32
            start = np.frombuffer(images.buffers()[1], offset)[images.offset] if length else 0
        pixels = np.frombuffer(images.buffers()[-1] or b"", np.uint8)[start : start + length]
        return pixels.reshape(len(images), *self.model.input_shape)

    def with_answers(self, table: pa.Table, classes, confidences, verdicts, errors) -> pa.Table:
        failed = classes < 0
        names = pa.array(self.model.classes).take(pa.array(classes, mask=failed))
        table = table.append_column("class", names)
        table = table.append_column("confidence", pa.array(confidences, mask=failed))
        table = table.append_column("verdict", pa.array(verdicts, pa.string()))
        return table.append_column("error", pa.array(errors, pa.string()))


def file_system(path: str) -> tuple[FileSystem, str]:
    """Where a path or a URI leads."""
    return FileSystem.from_uri(path if "://" in path else os.path.abspath(path))


def open_file(path: str) -> pa.NativeFile:
    files, path = file_system(path)
    return files.open_input_file(path)


def pieces(images: str, batch: int) -> Iterator[pa.Table]:
    """The input in pieces, each the work of a call: a row group of a Parquet file, or some picture files."""
    files, root = file_system(images)
    found = files.get_file_info(root)
    scheme = images[: -len(root)] if "://" in images and images.endswith(root) else ""
    if found.type == FileType.NotFound:
        raise SystemExit(f"error: there is no {images}")
    listed = [found] if found.is_file else files.get_file_info(FileSelector(root, recursive=True))
    paths = sorted(scheme + file.path for file in listed if file.type != FileType.Directory)
    parquet = [path for path in paths if path.endswith(".parquet")]
    numbers = itertools.count()
    for path in parquet:
        with open_file(path) as file:
            for row_group in range(pq.ParquetFile(file).num_row_groups):
                yield pa.table({"number": [next(numbers)], "path": [path], "row_group": [row_group]})
    if not parquet:
        for start in range(0, len(paths), batch):
            some = paths[start : start + batch]
            yield pa.table({"number": [next(numbers)] * len(some), "path": some})


def predict(
    images: str, output: str, model: str | None, workers: int, batch: int, column: str, raw: bool
) -> tuple[int, int]:
    """Writes the answers to `images` into the folder `output`, and counts pictures and errors."""
    output = output if "://" in output else os.path.abspath(output)
    files, folder = file_system(output)
    files.create_dir(folder)
    if files.get_file_info(FileSelector(folder)):
        raise SystemExit(f"error: {output} is not empty")
    content = Path(model).read_bytes() if model else None
    counts = ray.data.from_arrow(list(pieces(images, batch))).map_batches(
        Answers,
        fn_constructor_args=(content, output, batch, column, raw),
        batch_format="pyarrow",
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    pictures, errors = 0, 0
    for count in counts.iter_batches(batch_format="pyarrow"):
        pictures += pc.sum(count["pictures"]).as_py()
        errors += pc.sum(count["errors"]).as_py()
    return pictures, errors


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images")
    parser.add_argument("output")
    parser.add_argument("--model", help="a baked model; without it, the reader of digits")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes with a model")
    parser.add_argument("--batch", type=int, default=1000, help="pictures at a time")
    parser.add_argument("--column", default="image", help="the column of pictures")
    parser.add_argument("--raw", action="store_true", help="they are pixels of the model's size")
    pictures, errors = predict(**vars(parser.parse_args()))
    print(f"{pictures} pictures, {errors} of which could not be read")


if __name__ == "__main__":
    main()
