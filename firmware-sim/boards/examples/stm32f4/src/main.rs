//! A model on a NUCLEO-F446RE: answers `firmware-sim board --serial` over the USB cable, by the ST-Link's serial port.
#![no_std]
#![no_main]

use cortex_m::peripheral::DWT;
use cortex_m::singleton;
use cortex_m_rt::entry;
use firmware::Dimensions;
use firmware::link::{Buffers, Chip, Counter, Device};
use panic_halt as _;
use stm32f4xx_hal::nb::block;
use stm32f4xx_hal::prelude::*;
use stm32f4xx_hal::rcc::Config;
use stm32f4xx_hal::{pac, serial::Serial};

/// Words of weights are read in place, so the file must lie at a multiple of four.
#[repr(C, align(4))]
struct Aligned<T: ?Sized>(T);

/// Stays in flash, where it is used in place.
static FLASH: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("MODEL_Q8")));
const SIZES: Dimensions = Dimensions::of(&FLASH.0);
const _: () = assert!(
    SIZES.routines & !firmware::format::OF_THIS_CORE == 0,
    "MODEL_Q8 is made for other cores: quantize with --for m4"
);

/// With the routines that this one model needs: others take no flash.
type Model = firmware::Model<'static, { SIZES.routines }>;

#[entry]
fn main() -> ! {
    let mut core = cortex_m::Peripherals::take().expect("they are taken once, here");
    let chip = pac::Peripherals::take().expect("they are taken once, here");

    // from the internal oscillator, so that no board's crystal matters
    let clocks =
        if cfg!(feature = "qemu") { Config::hsi() } else { Config::hsi().sysclk(180.MHz()) };
    let mut rcc = chip.RCC.freeze(clocks);
    let pins = chip.GPIOA.split(&mut rcc);
    let usart = (pins.pa2, pins.pa3);
    let usart: Serial<_> =
        chip.USART2.serial(usart, 115_200.bps(), &mut rcc).expect("the speed can be had");
    let (mut sender, mut receiver) = usart.split();
    core.DCB.enable_trace();
    core.DWT.enable_cycle_counter();

    let model = Model::parse_embedded(&FLASH.0).expect("the flash holds what was built");
    let buffers = Buffers {
        scratch: singleton!(: [u32; SIZES.scratch_words] = [0; SIZES.scratch_words])
            .expect("it is taken once"),
        row: singleton!(: [u8; SIZES.row_len] = [0; SIZES.row_len]).expect("it is taken once"),
        cycles: singleton!(: [u32; SIZES.layers + 1] = [0; SIZES.layers + 1])
            .expect("it is taken once"),
    };
    let chip = Chip {
        clock_hz: rcc.clocks.sysclk().raw(),
        counter: Counter::Dwt,
        ..Chip::named("STM32F446, Cortex-M4")
    };
    let mut device =
        Device::new(model, chip, buffers).expect("the buffers are of the model's sizes");
    loop {
        // a byte that was lost or damaged does no harm: the computer asks again
        let Ok(byte) = block!(receiver.read()) else { continue };
        for &byte in device.on_byte(byte, &mut DWT::cycle_count) {
            let _ = block!(sender.write(byte));
        }
    }
}
