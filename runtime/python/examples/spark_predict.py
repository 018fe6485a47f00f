#!/usr/bin/env python3
"""Answers to many pictures, with Spark.

    spark_predict.py IMAGES OUTPUT [--model MODEL.baked]

IMAGES is a Parquet file or a folder of such files, whose column `image` holds encoded pictures as binary or, with --raw, pixels of
the model's own size. OUTPUT is a new folder of Parquet files with all other columns and class, confidence, verdict and error. A
picture that cannot be read has an error, and no class and confidence.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import lenet_runtime
import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf


def answers(content: bytes | None, raw: bool):
    """A column function, of which every worker keeps one model."""

    @pandas_udf("class string, confidence float, verdict string, error string")
    def answer(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        model = lenet_runtime.Model.from_bytes(content) if content else lenet_runtime.Model()
        for pictures in batches:
            if raw:
                yield of_pixels(model, pictures)
                continue
            classes, confidences, verdicts, errors = model.try_read(pictures)
            names = [model.classes[number] if number >= 0 else None for number in classes]
            confidences = [value if number >= 0 else None for number, value in zip(classes, confidences)]
            yield table(names, confidences, verdicts, errors)

    return answer


def of_pixels(model: lenet_runtime.Model, images: pd.Series) -> pd.DataFrame:
    """Of images of the model's own size; others have an error."""
    size = math.prod(model.input_shape)
    fits = [image is not None and len(image) == size for image in images]
    pixels = np.frombuffer(b"".join(images[fits]), np.uint8).reshape(-1, *model.input_shape)
    found = zip(*model.predict(pixels))
    why = f"expected {size} bytes, an image of the model's size"
    rows = []
    for fit in fits:
        if fit:
            number, confidence, verdict = next(found)
            rows.append((model.classes[number], confidence, verdict, None))
        else:
            rows.append((None, None, "error", why))
    return table(*(zip(*rows) if rows else [()] * 4))


def table(*columns) -> pd.DataFrame:
    return pd.DataFrame(dict(zip(["class", "confidence", "verdict", "error"], columns)))


def predict(spark: SparkSession, images: str, output: str, model: str | None, column: str, raw: bool):
    """Writes the answers to `images` into the folder `output`."""
    answer = answers(Path(model).read_bytes() if model else None, raw)
    rows = spark.read.parquet(images)
    rows = rows.withColumn("answer", answer(column)).drop(column)
    rows.select("*", "answer.*").drop("answer").write.parquet(output)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images")
    parser.add_argument("output")
    parser.add_argument("--model", help="a baked model; without it, the reader of digits")
    parser.add_argument("--column", default="image", help="the column of pictures")
    parser.add_argument("--raw", action="store_true", help="they are pixels of the model's size")
    spark = SparkSession.builder.appName("lenet").getOrCreate()
    predict(spark, **vars(parser.parse_args()))


if __name__ == "__main__":
    main()
