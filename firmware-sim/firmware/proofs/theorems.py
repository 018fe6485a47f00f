"""States theorems about bit vectors, and has a solver prove them.

Each says of which function it is: its premises can be met, and with them it has no counterexample. Bounds are those of the
Rust; with a bound that is too large by one the solver must find a counterexample, or the proof proves nothing.
"""

import sys
import time

import source
import words
from words import any_bits, check, constant, every

MAX_TRIPLE_SUM = source.constant("kernels/bytes.rs", "MAX_TRIPLE_SUM")
CHUNK_LIMIT = source.constant("format.rs", "CHUNK_LIMIT")
MAX_ACCUMULATOR = source.constant("format.rs", "MAX_ACCUMULATOR")
MAX_ACTIVATION = source.constant("format/check.rs", "MAX_ACTIVATION")

FAILED = []


def theorem(name, function, premises, claim, broken=None):
    """Proves a claim. `broken` is the same with a bound that is too large: numbers to show, premises and claim."""
    began = time.monotonic()
    if check(premises) is None:
        result = "FAILED: its premises cannot be met"
    elif (solver := check(premises, claim)) is not None:
        result = "FAILED: it has a counterexample"
    else:
        result = "proven"
    lines = []
    if broken:
        why, shown, premises, claim = broken
        solver = check(premises, claim)
        if solver is None:
            result = "FAILED: a bound that is too large is not found out"
        else:
            found = ", ".join(f"{name} = {words.value(solver, bits)}" for name, bits in shown.items())
            lines.append(f"          {why}: found out by {found}")
    if result != "proven":
        FAILED.append(name)
    print(f"{result:9} {name}: {function} ({time.monotonic() - began:.1f} s)")
    print("\n".join(lines), end="\n" if lines else "")
    sys.stdout.flush()


def lemma(name, values, claim):
    """Proves a claim about products for each value of a byte by itself, since solvers multiply by numbers that they know best."""
    began = time.monotonic()
    wrong = [value for value in values if check([], claim(constant(value))) is not None]
    if wrong:
        FAILED.append(name)
    result = f"FAILED for {wrong[0]}" if wrong else "proven"
    print(f"{result:9} {name} ({time.monotonic() - began:.1f} s)")
    sys.stdout.flush()


def weight(name):
    """A weight as it lies in the file, with its sign."""
    return any_bits(name, 8).signed()


def activation(name):
    return any_bits(name, 8).unsigned()


def sums_stay_within(name, function, limit, most):
    """If the magnitudes of weights are at most `limit` together, no sum of products of bytes is above `most`, in whatever order
    they are added: `sum_` is one so far, and at most `reach` in size, 255 times the magnitudes so far; one more is added."""
    sum_, reach, product, more = (any_bits(name, 32) for name in ("sum", "reach", "product", "more"))

    def premises(limit):
        return [
            every(reach.at_least(0), reach.at_most(MAX_ACTIVATION * limit), sum_.at_most(reach), sum_.at_least(-reach)),
            # by the lemma, of one weight
            every(more.at_least(0), more.at_most(MAX_ACTIVATION * 128), product.at_most(more), product.at_least(-more)),
            (reach + more).at_most(MAX_ACTIVATION * limit),
        ]

    after = sum_ + product
    claim = every(after.at_most(reach + more), after.at_least(-(reach + more)), after.within(most))
    shown = {"sum": sum_, "product": product}
    theorem(name, function, premises(limit), claim, ("magnitudes of one more", shown, premises(limit + 1), claim))


def one_product():
    x = activation("x")

    def claim(w):
        reach = w.magnitude() * MAX_ACTIVATION
        return every((w * x).at_most(reach), (w * x).at_least(-reach))

    lemma("a product is at most 255 times the weight's magnitude", range(-128, 128), claim)
