//! A model on an ESP32-C3: answers `firmware-sim board --serial` over the USB cable, by the chip's own serial port.
#![no_std]
#![no_main]

use core::arch::asm;

use esp_hal::clock::CpuClock;
use esp_hal::main;
use esp_hal::usb::usb_serial_jtag::UsbSerialJtag;
use firmware::Dimensions;
use firmware::link::{Buffers, Chip, Counter, Device};
use panic_halt as _;
use static_cell::ConstStaticCell;

/// Words of weights are read in place, so the file must lie at a multiple of four.
#[repr(C, align(4))]
struct Aligned<T: ?Sized>(T);

/// Stays in flash, where it is used in place.
static FLASH: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("MODEL_Q8")));
const SIZES: Dimensions = Dimensions::of(&FLASH.0);
const _: () = assert!(
    SIZES.routines & !firmware::format::OF_THIS_CORE == 0,
    "MODEL_Q8 is made for other cores: quantize without --for"
);

/// With the routines that this one model needs: others take no flash.
type Model = firmware::Model<'static, { SIZES.routines }>;

/// Working memory: in statics, so that the linker counts it.
static SCRATCH: ConstStaticCell<[u32; SIZES.scratch_words]> =
    ConstStaticCell::new([0; SIZES.scratch_words]);
static ROW: ConstStaticCell<[u8; SIZES.row_len]> = ConstStaticCell::new([0; SIZES.row_len]);
static CYCLES: ConstStaticCell<[u32; SIZES.layers + 1]> =
    ConstStaticCell::new([0; SIZES.layers + 1]);

// what the bootloader looks for
esp_bootloader_esp_idf::esp_app_desc!();

#[main]
fn main() -> ! {
    let clock = CpuClock::max();
    let chip = esp_hal::init(esp_hal::Config::default().with_cpu_clock(clock));
    let (mut receiver, mut sender) = UsbSerialJtag::new(chip.USB_DEVICE).split();
    start_counter();

    let model = Model::parse_embedded(&FLASH.0).expect("the flash holds what was built");
    let buffers = Buffers { scratch: SCRATCH.take(), row: ROW.take(), cycles: CYCLES.take() };
    let chip = Chip {
        clock_hz: clock as u32 * 1_000_000,
        counter: Counter::Mcycle,
        ..Chip::named("ESP32-C3, RV32IMC")
    };
    let mut device =
        Device::new(model, chip, buffers).expect("the buffers are of the model's sizes");
    loop {
        let Ok(byte) = nb::block!(receiver.read_byte());
        let answer = device.on_byte(byte, &mut cycles);
        // waits until the computer takes it
        let _ = sender.write(answer);
    }
}

/// Lets the chip's own counter, in the place of `mcycle`, count cycles: ESP32-C3 Technical Reference Manual, section 1.9.
fn start_counter() {
    // SAFETY: registers that nothing else uses; the first says what to count, the second whether to.
    unsafe { asm!("csrwi 0x7e0, 1", "csrwi 0x7e1, 1", options(nomem, nostack)) }
}

fn cycles() -> u32 {
    let cycles;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, 0x7e2", out(reg) cycles, options(nomem, nostack)) }
    cycles
}
