//! A model on a Raspberry Pi Pico 2: answers `firmware-sim board --serial` over the USB cable.
#![no_std]
#![no_main]

use cortex_m::peripheral::DWT;
use cortex_m::singleton;
use firmware::Dimensions;
use firmware::link::{Buffers, Chip, Counter, Device};
use panic_halt as _;
use rp235x_hal::block::ImageDef;
use rp235x_hal::clocks::init_clocks_and_plls;
use rp235x_hal::usb::UsbBus;
use rp235x_hal::{Clock, Watchdog, entry, pac};
use usb_device::UsbError;
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbVidPid};
use usbd_serial::{SerialPort, USB_CLASS_CDC};

/// Words of weights are read in place, so the file must lie at a multiple of four.
#[repr(C, align(4))]
struct Aligned<T: ?Sized>(T);

/// Stays in flash, where it is used in place.
static FLASH: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("MODEL_Q8")));
const SIZES: Dimensions = Dimensions::of(&FLASH.0);
const _: () = assert!(
    SIZES.routines & !firmware::format::OF_THIS_CORE == 0,
    "MODEL_Q8 is made for other cores: quantize with --for m33"
);

/// With the routines that this one model needs: others take no flash.
type Model = firmware::Model<'static, { SIZES.routines }>;

/// Tells the boot ROM that this is a program.
#[unsafe(link_section = ".start_block")]
#[used]
static IMAGE: ImageDef = ImageDef::secure_exe();

/// Hertz of the crystal on the board.
const CRYSTAL_HZ: u32 = 12_000_000;
/// Test identifiers of a serial port that anybody may use on their own desk: <https://pid.codes/1209/0001/>.
const USB_ID: UsbVidPid = UsbVidPid(0x1209, 0x0001);

#[entry]
fn main() -> ! {
    let mut core = cortex_m::Peripherals::take().expect("they are taken once, here");
    let mut chip = pac::Peripherals::take().expect("they are taken once, here");

    let mut watchdog = Watchdog::new(chip.WATCHDOG);
    let resets = &mut chip.RESETS;
    let (usb, system) = (chip.PLL_USB, chip.PLL_SYS);
    let clocks = init_clocks_and_plls(
        CRYSTAL_HZ,
        chip.XOSC,
        chip.CLOCKS,
        system,
        usb,
        resets,
        &mut watchdog,
    );
    let Ok(clocks) = clocks else { panic!("the crystal is not that of a Pico 2") };
    let clock_hz = clocks.system_clock.freq().to_Hz();
    let bus = UsbBus::new(chip.USB, chip.USB_DPRAM, clocks.usb_clock, true, resets);
    let bus = UsbBusAllocator::new(bus);
    let mut port = SerialPort::new(&bus);
    let name = StringDescriptors::default().product("firmware-sim board");
    let usb =
        UsbDeviceBuilder::new(&bus, USB_ID).strings(&[name]).expect("there is room for a name");
    let mut usb = usb.device_class(USB_CLASS_CDC).build();
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
    let chip = Chip { clock_hz, counter: Counter::Dwt, ..Chip::named("RP2350, Cortex-M33") };
    let mut device =
        Device::new(model, chip, buffers).expect("the buffers are of the model's sizes");
    let mut packet = [0; 64];
    loop {
        usb.poll(&mut [&mut port]);
        let Ok(count) = port.read(&mut packet) else { continue };
        for &byte in packet.iter().take(count) {
            let mut answer = device.on_byte(byte, &mut DWT::cycle_count);
            while !answer.is_empty() {
                match port.write(answer) {
                    Ok(count) => answer = answer.get(count..).unwrap_or_default(),
                    Err(UsbError::WouldBlock) => _ = usb.poll(&mut [&mut port]),
                    Err(_) => break, // the computer asks again
                }
            }
        }
    }
}
