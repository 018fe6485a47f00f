// Runs a board's program on rp2040js's Cortex-M0+ and prints, for each instruction in the layers, how often it was executed
// and how many cycles that took: lines of `address executed cycles`.
//
// node cycles.js PROGRAM.elf IMAGES PIECES: as `firmware_sim::board::BoardBuilder::write_run` writes them.
//
// The program is for another board, mps2-an385, so memory is that board's: flash at 0, RAM at 0x20000000, the images at
// 0x21000000, and a timer whose value is the number of instructions. A row comes whenever the program sleeps.
import { readFileSync } from 'node:fs';
import { RP2040 } from 'rp2040js';

const [elfPath, imagesPath, piecesPath] = process.argv.slice(2);
const elf = readFileSync(elfPath);
const images = readFileSync(imagesPath);
const pieces = readFileSync(piecesPath);
const NOTHING = 0x7f;

// what is loaded, by the program headers of the ELF file
const flash = Buffer.alloc(4 << 20);
const headers = elf.readUInt32LE(28);
for (let i = 0; i < elf.readUInt16LE(44); i++) {
    const at = headers + i * elf.readUInt16LE(42);
    const [type, offset, , address, length] = [0, 4, 8, 12, 16].map((field) => elf.readUInt32LE(at + field));
    if (type === 1) elf.copy(flash, address, offset, offset + length);
}
const words = new Uint32Array(flash.buffer, flash.byteOffset, flash.length / 4);

const chip = new RP2040();
const { core } = chip;
const silent = () => {};
chip.logger = { debug: silent, info: silent, warn: silent, error: console.error };
chip.bootrom = words;

const IMAGES = 0x21000000;
const TIMER_VALUE = 0x40000004;
let executed = 0;
let piece = 0;
let measured = new Map();
let current = [];
function endPiece() {
    const kind = piece < pieces.length ? pieces[piece++] : NOTHING;
    if ((kind & NOTHING) !== NOTHING) {
        for (const [address, cycles] of current) {
            const sum = measured.get(address) ?? [0, 0];
            measured.set(address, [sum[0] + 1, sum[1] + cycles]);
        }
    }
    current = [];
}

let isRead = false;
const readUint32 = chip.readUint32.bind(chip);
chip.readUint32 = (address) => {
    address >>>= 0;
    if (address === TIMER_VALUE) {
        isRead = true;
        return -executed >>> 0;
    }
    if (address >= IMAGES && address < IMAGES + images.length + 4) {
        const offset = address - IMAGES;
        return offset + 4 <= images.length ? images.readUInt32LE(offset) : images[offset] ?? 0;
    }
    return readUint32(address);
};
const writeUint32 = chip.writeUint32.bind(chip);
chip.writeUint32 = (address, value) => {
    address >>>= 0;
    // the timer, the clock of rows, and the memory protection unit
    const isDevice = address >>> 12 === 0x40000 || address >>> 4 === 0xe000e01 || address >>> 4 === 0xe000ed9;
    if (!isDevice) writeUint32(address, value);
};

let isOver = false;
chip.onBreak = (code) => {
    if (code !== 0xab) throw new Error(`breakpoint ${code}`);
    const [operation] = core.registers;
    // writes a string; ends
    if (operation === 4) core.registers[0] = 0;
    else isOver = true;
};

core.registers[13] = words[0];
core.PC = words[1] & ~1;
while (!isOver) {
    if (core.waiting) {
        core.pendingSystick = true;
        core.interruptsUpdated = true;
    }
    const address = core.PC & ~1;
    const cycles = core.executeInstruction();
    executed++;
    current.push([address, cycles]);
    if (isRead) {
        isRead = false;
        endPiece();
    }
}
for (const [address, [count, cycles]] of [...measured].sort((a, b) => a[0] - b[0])) {
    console.log(`${address} ${count} ${cycles}`);
}
