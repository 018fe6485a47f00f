"""Proves, for all values at once, that sums which share words come out as they went in, and are requantised as defined."""

from requantisation import requantisation
from theorems import FAILED, MAX_ACCUMULATOR, MAX_ACTIVATION, MAX_TRIPLE_SUM, one_product
from three_sums import three_in_two
from two_sums import two_in_one


def main():
    print(
        f"bounds    {MAX_TRIPLE_SUM} of three sums in two words, {MAX_ACCUMULATOR} of two in one number, bytes to {MAX_ACTIVATION}: "
        "as in the sources"
    )
    one_product()
    three_in_two()
    two_in_one()
    requantisation()
    if FAILED:
        raise SystemExit(f"error: {len(FAILED)} of the theorems are not proven: {'; '.join(FAILED)}")


if __name__ == "__main__":
    main()
