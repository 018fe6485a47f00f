"""Executes straight lines of assembly on bit vectors: what the kernels of RV32, Cortex-M0+, M3 and M4 are made of."""

import re

import words


def run(lines, registers, memory=None):
    """The registers after these instructions. What is loaded is looked up by its address as it is written; branches are not
    taken."""
    registers, memory = dict(registers), memory or {}

    def operand(name):
        name = name.strip()
        if re.fullmatch(r"#?-?(\d+|0x[0-9a-f]+)", name):
            return words.constant(int(name.lstrip("#"), 0))
        return registers[name]

    for line in lines:
        name, _, rest = line.strip().partition(" ")
        if name in ("b", "bne", "beq", "beqz", "cbz", "cmp", "bgez", "bhs", "bltu"):
            continue
        if name == "ldm":
            # whatever they are called, in order
            registers |= memory
            continue
        if name == "stm":
            continue
        if name in ("lw", "ldr", "lb", "ldrsb", "ldrh", "lbu"):
            target, _, address = rest.partition(",")
            registers[target.strip()] = memory[address.strip()]
            continue
        target, *operands = [part.strip() for part in rest.split(",")]
        # the last operand may be shifted
        shifted = re.fullmatch(r"(lsl|asr|lsr) #(\d+)", operands[-1])
        if shifted:
            last = operand(operands[-2])
            places = int(shifted[2])
            last = {"lsl": last << places, "asr": last.arithmetic(places), "lsr": last.logical(places)}[shifted[1]]
            values = [operand(part) for part in operands[:-2]] + [last]
        else:
            values = [operand(part) for part in operands]
        if len(values) == 1 and name not in ("mov", "movs", "mvns", "not", "sxtb", "sxth", "sxtb16"):
            values = [registers[target], *values]
        registers[target] = result(name, values)
    return registers


def result(name, values):
    """What an instruction gives."""
    one, *others = values
    other = others[0] if others else None
    match name:
        case "mov" | "movs":
            return one
        case "mvns" | "not":
            return ~one
        case "add" | "adds":
            return one + other
        case "sub" | "subs":
            return one - other
        case "rsb":
            return other - one
        case "mul" | "muls":
            return one * other
        case "mla":
            return one * other + others[1]
        case "and":
            return one & other
        case "bic" | "bics":
            return one & ~other
        case "slli" | "lsls" | "lsl":
            return one << other
        case "srai" | "asrs" | "asr" | "sra":
            return one.arithmetic(other)
        case "srli" | "lsrs" | "lsr":
            return one.logical(other)
        case "sxtb":
            return one.low(8).signed()
        case "sxth":
            return one.low(16).signed()
        case "sbfx":
            # from bit 0 on, as wide as the kernels have it
            return (one << 11).arithmetic(11)
        case "sxtb16":
            low, high = one.low(8).signed(), one.logical(16).low(8).signed()
            return (low & 0xFFFF) | (high << 16)
        case "smlad":
            low = one.low(16).signed() * other.low(16).signed()
            high = one.logical(16).low(16).signed() * other.logical(16).low(16).signed()
            return others[1] + (low + high)
    raise SystemExit(f"error: proofs/machine.py does not know the instruction {name}: teach it")
