//! The model on a serial line, for `firmware-sim board --serial`.
#![no_std]
#![no_main]

use boards::clock::Clock;
use boards::machine::{self, entry};
use boards::{DIMENSIONS, memory};
use firmware::link::{Board, Buffers, Chip, Device};

type Model = firmware::Model<'static, { DIMENSIONS.routines }>;

/// What [`main`] has inference work in.
static mut SCRATCH: [u32; DIMENSIONS.scratch_words] = [0; DIMENSIONS.scratch_words];
/// Where a row of an image is put together.
static mut ROW: [u8; DIMENSIONS.row_len] = [0; DIMENSIONS.row_len];
/// Cycles of each layer, and of taking rows in.
static mut CYCLES: [u32; DIMENSIONS.layers + 1] = [0; DIMENSIONS.layers + 1];

#[entry]
fn main() -> ! {
    machine::guard_stack();
    machine::start_serial();
    let (scratch, row, cycles) = (&raw mut SCRATCH, &raw mut ROW, &raw mut CYCLES);
    // SAFETY: the program starts here, once, and nothing else uses them.
    let buffers =
        unsafe { Buffers { scratch: &mut *scratch, row: &mut *row, cycles: &mut *cycles } };
    // the build script has checked the rest; a file for another core is refused, and nothing is answered
    if let Ok(model) = Model::parse_embedded(boards::model())
        && let Some(mut device) = Device::new(model, chip(), buffers)
    {
        let mut meter = Meter(Clock::start());
        loop {
            for &byte in device.on_byte(machine::read_byte(), &mut meter) {
                machine::write_byte(byte);
            }
        }
    }
    loop {
        machine::sleep();
    }
}

fn chip() -> Chip<'static> {
    Chip {
        core: machine::CHIP,
        clock_hz: machine::CLOCK_HZ,
        counter: machine::COUNTER,
        statics: memory::statics() as u32,
        stack: memory::stack_len() as u32,
        flash: memory::flash() as u32,
    }
}

struct Meter(Clock);

impl Board for Meter {
    fn cycles(&mut self) -> u32 {
        self.0.now()
    }

    fn paint_stack(&mut self) {
        memory::paint_stack();
    }

    fn used_stack(&mut self) -> u32 {
        memory::stack_high_water() as u32
    }
}
