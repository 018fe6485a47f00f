//! A model on a Raspberry Pi Pico, as a task of Embassy: answers `firmware-sim board --serial` on the pins 0 and 1.
#![no_std]
#![no_main]

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use embassy_executor::Spawner;
use embassy_rp::bind_interrupts;
use embassy_rp::clocks::clk_sys_freq;
use embassy_rp::peripherals::UART0;
use embassy_rp::uart::{BufferedInterruptHandler, BufferedUart, Config};
use embedded_io_async::{Read, Write};
use firmware::Dimensions;
use firmware::link::{Buffers, Chip, Counter, Device, MAX_FRAME};
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
/// Bytes on their way to and from the line, a frame each: more are never under way.
static SENT: ConstStaticCell<[u8; MAX_FRAME]> = ConstStaticCell::new([0; MAX_FRAME]);
static RECEIVED: ConstStaticCell<[u8; MAX_FRAME]> = ConstStaticCell::new([0; MAX_FRAME]);

bind_interrupts!(struct Interrupts {
    UART0_IRQ => BufferedInterruptHandler<UART0>;
});

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    let chip = embassy_rp::init(embassy_rp::config::Config::default());
    // 115,200 baud by default
    let (sent, received) = (SENT.take(), RECEIVED.take());
    let mut line = BufferedUart::new(
        chip.UART0,
        chip.PIN_0,
        chip.PIN_1,
        Interrupts,
        sent,
        received,
        Config::default(),
    );
    start_counter();

    let model = Model::parse_embedded(&FLASH.0).expect("the flash holds what was built");
    let buffers = Buffers { scratch: SCRATCH.take(), row: ROW.take(), cycles: CYCLES.take() };
    let chip = Chip {
        clock_hz: clk_sys_freq(),
        counter: Counter::SysTick,
        ..Chip::named("RP2040, Cortex-M0+")
    };
    let mut device =
        Device::new(model, chip, buffers).expect("the buffers are of the model's sizes");
    let mut bytes = [0; MAX_FRAME];
    loop {
        // a byte that was lost or damaged does no harm: the computer asks again
        let Ok(count) = line.read(&mut bytes).await else { continue };
        for &byte in bytes.iter().take(count) {
            let answer = device.on_byte(byte, &mut cycles);
            let _ = line.write_all(answer).await;
        }
    }
}

/// This core has no cycle counter but `SysTick`, which counts 24 bits down.
fn start_counter() {
    let core = cortex_m::Peripherals::take().expect("they are taken once, here");
    let mut timer = core.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(0xff_ffff);
    timer.clear_current();
    timer.enable_counter();
}

fn cycles() -> u32 {
    !SYST::get_current()
}
