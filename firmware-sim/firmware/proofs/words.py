"""Bit vectors that read like the Rust they stand for, and the solver behind them (bitwuzla)."""

import contextlib

import bitwuzla
from bitwuzla import Kind

TERMS = bitwuzla.TermManager()

# A function of which is known only what premises say, in place of products: see `products_unknown`.
_WORD = TERMS.mk_bv_sort(32)
_PRODUCT = TERMS.mk_const(TERMS.mk_fun_sort([_WORD, _WORD], _WORD), "product")
_unknown = False


@contextlib.contextmanager
def products_unknown():
    """Within it, `*` is a function of which nothing is known but that equal numbers have equal products: so a solver need not
    multiply, and what it proves holds of all functions for which the premises hold, multiplication among them."""
    global _unknown
    _unknown = True
    yield
    _unknown = False


class Bits:
    """A two's complement number of some bits. Sums, products and shifts wrap, as in Rust's `wrapping_…`."""

    def __init__(self, term):
        self.term = term

    @property
    def width(self):
        return self.term.sort().bv_size()

    def _of(self, kind, *others):
        terms = [self.term] + [constant(other, self.width).term for other in others]
        return Bits(TERMS.mk_term(kind, terms))

    def _is(self, kind, other):
        return TERMS.mk_term(kind, [self.term, constant(other, self.width).term])

    def __add__(self, other):
        return self._of(Kind.BV_ADD, other)

    def __sub__(self, other):
        return self._of(Kind.BV_SUB, other)

    def __mul__(self, other):
        if _unknown:
            one, other = self.term, constant(other).term
            both = [TERMS.mk_term(Kind.APPLY, [_PRODUCT, *pair]) for pair in ((one, other), (other, one))]
            # the same whichever comes first, and with a product in place of the function a product
            return Bits(TERMS.mk_term(Kind.BV_OR, both))
        return self._of(Kind.BV_MUL, other)

    def __and__(self, other):
        return self._of(Kind.BV_AND, other)

    def __or__(self, other):
        return self._of(Kind.BV_OR, other)

    def __lshift__(self, other):
        return self._of(Kind.BV_SHL, other)

    def __invert__(self):
        return Bits(TERMS.mk_term(Kind.BV_NOT, [self.term]))

    def __neg__(self):
        return Bits(TERMS.mk_term(Kind.BV_NEG, [self.term]))

    def logical(self, places):
        """Shifted to the right, filled up with zeros: `>>` of a `u32`."""
        return self._of(Kind.BV_SHR, places)

    def arithmetic(self, places):
        """Shifted to the right, filled up with the sign: `>>` of an `i32`."""
        return self._of(Kind.BV_ASHR, places)

    def low(self, bits):
        """The lowest bits: `as u8`, `as i16`."""
        return Bits(TERMS.mk_term(Kind.BV_EXTRACT, [self.term], [bits - 1, 0]))

    def signed(self, width=32):
        """As many bits with the same signed value."""
        return Bits(TERMS.mk_term(Kind.BV_SIGN_EXTEND, [self.term], [width - self.width]))

    def unsigned(self, width=32):
        """As many bits with the same unsigned value."""
        return Bits(TERMS.mk_term(Kind.BV_ZERO_EXTEND, [self.term], [width - self.width]))

    def equals(self, other):
        return self._is(Kind.EQUAL, other)

    def at_most(self, other):
        return self._is(Kind.BV_SLE, other)

    def at_least(self, other):
        return self._is(Kind.BV_SGE, other)

    def within(self, bound):
        """In -bound to bound."""
        return every(self.at_least(-bound), self.at_most(bound))

    def magnitude(self):
        return choose(self.at_least(0), self, -self)


def constant(value, width=32):
    """A number as a bit vector."""
    if isinstance(value, Bits):
        return value
    return Bits(TERMS.mk_bv_value(TERMS.mk_bv_sort(width), value % (1 << width)))


def any_bits(name, width):
    """A number that may be any."""
    return Bits(TERMS.mk_const(TERMS.mk_bv_sort(width), name))


def every(*claims):
    return TERMS.mk_term(Kind.AND, list(claims)) if len(claims) > 1 else claims[0]


def choose(condition, one, other):
    return Bits(TERMS.mk_term(Kind.ITE, [condition, one.term, constant(other, one.width).term]))


def largest(*values):
    result, *others = values
    for other in others:
        result = choose(result.at_least(other), result, other)
    return result


def check(premises, claim=None):
    """What makes all premises true and the claim false: `None`, or a solver that has it; `claim=None` is false."""
    options = bitwuzla.Options()
    options.set(bitwuzla.Option.PRODUCE_MODELS, True)
    solver = bitwuzla.Bitwuzla(TERMS, options)
    for premise in premises:
        solver.assert_formula(premise)
    if claim is not None:
        solver.assert_formula(TERMS.mk_term(Kind.NOT, [claim]))
    result = solver.check_sat()
    if result == bitwuzla.Result.UNSAT:
        return None
    if result != bitwuzla.Result.SAT:
        raise SystemExit("error: the solver gave up")
    return solver


def value(solver, bits):
    """A number's signed value in what the solver has found."""
    found = int(solver.get_value(bits.term).value(2), 2)
    return found - (1 << bits.width) if found >> (bits.width - 1) else found
