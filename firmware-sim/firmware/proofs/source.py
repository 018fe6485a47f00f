"""The Rust that the proofs are about: its constants, and its text, so that neither can change without them."""

import pathlib
import re

SOURCES = pathlib.Path(__file__).resolve().parent.parent / "src"


def text(path):
    return (SOURCES / path).read_text(encoding="utf-8")


def plain(code):
    """Without comments and white space, of which formatting makes more or less."""
    code = re.sub(r"//[^\n]*", "", code)
    return re.sub(r"\s+", "", code).replace(",}", "}").replace(",)", ")")


def constant(path, name):
    """The value of `const NAME: … = …;`, made of numbers, shifts and differences."""
    found = re.search(rf"\bconst {name}: \w+ = ([^;]+);", text(path))
    if not found or not re.fullmatch(r"[\d\s()<\-_]+", found[1]):
        raise SystemExit(f"error: {path}: no constant {name} of whole numbers: mend proofs/source.py")
    return eval(found[1])  # digits, parentheses, `<<` and `-` alone


def holds(path, code):
    """Stops unless the file has this code: a formula was written from it."""
    if plain(code) not in plain(text(path)):
        raise SystemExit(f"error: {path} no longer has the code that a proof is written from: mend proofs/\n{code}")


def macro(path, name):
    """The instructions of an assembler macro, without labels, in the file's order."""
    found = re.search(rf'"\.macro {name}\b([^"]*)",(.*?)"\.endm"', text(path), re.DOTALL)
    if not found:
        raise SystemExit(f"error: {path} no longer has the macro {name}: mend proofs/")
    lines = re.findall(r'"([^"]*)"', re.sub(r'",\s*//[^\n]*', '",', found[2]))
    return [line.replace("\\\\", "\\") for line in lines if not re.fullmatch(r"\d+:", line)]
