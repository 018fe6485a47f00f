//! Runs inference on images that come row by row, as from a camera, and prints the logits and instruction counts.
#![no_std]
#![no_main]

use core::cell::RefCell;
use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering};

use boards::clock::Clock;
use boards::console::{self, FAILED};
use boards::machine::{self, entry};
use boards::memory::{self, PixelRow, TestImages};
use boards::{DIMENSIONS, WAITING};
use critical_section::Mutex;
use firmware::Progress;
use firmware::camera::{self, Place};

/// With what this one model needs, or what any does.
type Model = firmware::Model<'static, ROUTINES>;
const ROUTINES: u16 = if cfg!(feature = "every_kind") { u16::MAX } else { DIMENSIONS.routines };

type Frame<'m> = firmware::Frame<'static, 'm, ROUTINES>;

type Camera = camera::Camera<{ DIMENSIONS.row_len }, { DIMENSIONS.height }, WAITING>;

/// What the row clock's interrupt and the main loop share.
static CAMERA: Mutex<RefCell<Camera>> = Mutex::new(RefCell::new(Camera::new()));

/// Uses the camera, with interrupts held back for a few dozen instructions.
fn with_camera<T>(action: impl FnOnce(&mut Camera) -> T) -> Option<T> {
    critical_section::with(|token| {
        CAMERA.borrow(token).try_borrow_mut().ok().map(|mut camera| action(&mut camera))
    })
}

/// What the sensor sees after the last image: a row of a blank frame. Aligned as the images are, so that a row of whole
/// words is copied without a call, which would need more of the stack.
static BLANK_ROW: Aligned = Aligned([0; DIMENSIONS.row_len]);

#[repr(align(4))]
struct Aligned(PixelRow);

boards::on_row!(take_row);

/// The row clock: the sensor sees the images that the host loaded into memory, and then blank frames, so that
/// whoever waits for a row that was dropped sees that it is over.
fn take_row() {
    // only changed here: an interrupt, which nothing interrupts
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let seen = SEEN.load(Ordering::Relaxed);
    let pixels = TestImages::loaded().rows.get(seen).unwrap_or(&BLANK_ROW.0);
    SEEN.store(seen + 1, Ordering::Relaxed);
    with_camera(|camera| camera.on_row(pixels));
}

/// What [`main`] has inference work in.
static mut SCRATCH: [u32; DIMENSIONS.scratch_words] = [0; DIMENSIONS.scratch_words];

#[entry]
fn main() -> ! {
    machine::guard_stack();
    let Some(model) = model() else { fail(c"no-model") };
    let clock = Clock::start();
    measure_clock(clock);
    let images = TestImages::loaded();
    let scratch = &raw mut SCRATCH;
    // SAFETY: the program starts here, once, and nothing else uses it.
    let scratch = unsafe { &mut *scratch };
    machine::start_row_clock(images.row_period);
    Board { clock, model, scratch }.run(images.count);
    semihosting::process::exit(0)
}

#[inline(never)] // its locals must not lie on the stack during inference
fn model() -> Option<Model> {
    if cfg!(feature = "any_file") {
        Model::parse_linked(boards::model()).ok()
    } else {
        // the build script has checked the rest
        Model::parse_embedded(boards::model()).ok()
    }
}

fn fail(reason: &CStr) -> ! {
    console::line(reason, &[]);
    semihosting::process::exit(FAILED)
}

/// Prints how many ticks a loop of known length takes: the host converts ticks to instructions by it.
fn measure_clock(clock: Clock) {
    for turns in [1_000, 101_000] {
        let before = clock.now();
        machine::spin(turns);
        let ticks = clock.since(before);
        console::line(c"spin", &[2 * turns.cast_signed(), ticks.cast_signed()]);
    }
}

/// Ticks of the layers, and of taking rows in.
type Ticks = [u32; DIMENSIONS.layers + 1];

struct Board<'m> {
    clock: Clock,
    model: Model,
    scratch: &'m mut [u32],
}

impl Board<'_> {
    /// Reads `frames` frames and prints the results.
    #[expect(clippy::inline_always, reason = "who calls it leaves less on the stack")]
    #[inline(always)]
    fn run(mut self, frames: u16) {
        let mut stack = 0;
        while let Place { frame, row } = next_place()
            && frame < frames
        {
            // the rest of a frame whose beginning was dropped
            if row > 0 {
                with_camera(|camera| camera.take(|_| ()));
                continue;
            }
            memory::paint_stack();
            let mut ticks: Ticks = [0; DIMENSIONS.layers + 1];
            let is_read = self.read(frame, &mut ticks).is_some();
            stack = memory::stack_high_water().max(stack);
            if is_read {
                // as they are: the host takes them for what they are
                console::ticks(&ticks);
            } else {
                console::line(c"lost", &[frame.into()]);
            }
        }
        let dropped = with_camera(|camera| camera.dropped()).unwrap_or(u32::MAX).cast_signed();
        let [flash, statics, stack] =
            [memory::flash(), memory::statics(), stack].map(|bytes| bytes as i32);
        console::line(c"end", &[dropped, flash, statics, stack]);
    }

    /// Reads frame `number` and prints its outputs, unless a row of it is missing.
    #[inline(never)] // the stack that is measured is that of this call
    fn read(&mut self, number: u16, ticks: &mut Ticks) -> Option<()> {
        let mut frame = self.model.start(self.scratch)?;
        let mut expected = Place { frame: number, row: 0 };
        loop {
            let before = self.clock.now();
            match frame.step() {
                Progress::Computed(layer) => {
                    if let Some(ticks) = ticks.get_mut(layer) {
                        *ticks += self.clock.since(before);
                    }
                }
                Progress::Ready => return print(frame, number, self.clock, ticks),
                Progress::NeedsRow => {
                    if next_place() != expected {
                        return None;
                    }
                    let before = self.clock.now();
                    // nothing is due: it is only copied while interrupts are held back
                    let push = |camera: &mut Camera| camera.take(|pixels| frame.push_row(pixels));
                    with_camera(push).flatten().flatten()?;
                    ticks[DIMENSIONS.layers] += self.clock.since(before);
                    expected.row += 1;
                }
            }
        }
    }
}

/// Prints the outputs of a frame. Where they are computed one block after another, that counts for the last layer.
#[inline(never)] // its locals must not lie on the stack during inference
fn print(frame: Frame<'_>, number: u16, clock: Clock, ticks: &mut Ticks) -> Option<()> {
    let is_computed = ticks.get(DIMENSIONS.layers - 1).is_some_and(|&ticks| ticks > 0);
    let mut before = clock.now();
    frame.finish_in_blocks(|first, outputs| {
        if !is_computed && let Some(ticks) = ticks.get_mut(DIMENSIONS.layers - 1) {
            *ticks += clock.since(before);
        }
        if first == 0 {
            console::line(c"image", &[number.into()]);
        }
        console::numbers(if first == 0 { c"logits" } else { c"" }, outputs);
        if first + outputs.len() == DIMENSIONS.outputs {
            console::line(c"", &[]);
        }
        before = clock.now();
    })
}

/// Sleeps until the camera has a row, and tells which.
#[inline(never)]
fn next_place() -> Place {
    loop {
        if let Some(place) = with_camera(|camera| camera.next()).flatten() {
            return place;
        }
        // A row that comes just before it is looked for again at the next one.
        machine::sleep();
    }
}
