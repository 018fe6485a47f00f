//! Compares the kernels of the layout Bytes that this target gets with the portable ones, on random tiles, and counts
//! the instructions of both.
#![no_std]
#![no_main]

use core::ffi::CStr;

use boards::clock::Clock;
use boards::console::{self, FAILED};
use boards::machine::{self, entry};
use boards::memory;
use firmware::kernels::bytes::{self, Block, STRIP, Strip, Triple, Window, portable};
use firmware::kernels::words::Scaling;
use firmware::multiplier::Multiplier;
use zerocopy::FromBytes;

/// Tiles of each kind.
const ROUNDS: u32 = 200;
/// Blocks of a tile: 50 outputs, as LeNet's second convolution has.
const BLOCKS: usize = 13;
/// Kernel elements of a tile.
const ELEMENTS: usize = 50;
/// Outputs of which activations are made.
const OUTPUTS: usize = 11;
/// Bytes of a map for the depthwise convolution.
const MAP: usize = 300;
/// Maximum of kernel elements of the depthwise convolution.
const OFFSETS: usize = 12;

/// What [`main`] works in, too large for the stack.
struct Work {
    fast: [[[i32; 3]; 4]; BLOCKS],
    plain: [[[i32; 3]; 4]; BLOCKS],
    triples: [Triple; ELEMENTS],
    places: [u8; ELEMENTS],
    map: [u8; MAP],
    offsets: [u16; OFFSETS],
}

static mut WORK: Work = Work {
    fast: [[[0; 3]; 4]; BLOCKS],
    plain: [[[0; 3]; 4]; BLOCKS],
    triples: [0; ELEMENTS],
    places: [0; ELEMENTS],
    map: [0; MAP],
    offsets: [0; OFFSETS],
};

#[entry]
fn main() -> ! {
    machine::guard_stack();
    let work = &raw mut WORK;
    // SAFETY: the program starts here, once, and nothing else uses it.
    let work = unsafe { &mut *work };
    let mut random = Random(1);
    let mut equal = 0;
    for _ in 0..ROUNDS {
        equal += compare(work, &mut random).unwrap_or(0);
    }
    console::line(c"equal", &[equal]);
    let counter = Counter::start();
    let ran = count(work, &mut random, counter).is_some();
    let all = ran && equal == 5 * ROUNDS.cast_signed();
    semihosting::process::exit(if all { 0 } else { FAILED })
}

/// How many of the five kernels give the same as the portable one, on a tile of random size.
#[inline(never)]
fn compare(work: &mut Work, random: &mut Random) -> Option<i32> {
    let Work { fast, plain, triples, places, map, offsets } = work;
    triples.fill_with(|| match random.below(4) {
        0 => 0,
        _ => bytes::triple([(); 3].map(|()| random.activation())),
    });
    places.fill_with(|| random.activation());
    map.fill_with(|| random.activation());
    let blocks = random.below(BLOCKS + 1);
    let len = random.below(ELEMENTS + 1);
    let stride = len + random.below(4);
    let weights = random.weights(BLOCKS * (ELEMENTS + 4))?;
    let mut equal = 0;

    fill_alike(fast, plain, random);
    let (fast, plain) = (fast.get_mut(..blocks)?, plain.get_mut(..blocks)?);
    let new = random.below(2) == 0;
    bytes::three_places(weights, stride, triples.get(..len)?, fast, new);
    portable::three_places(weights, stride, triples.get(..len)?, plain, new);
    equal += i32::from(fast == plain);

    let (fast, plain) = (fast.as_flattened_mut().as_flattened_mut(), plain.as_flattened_mut());
    let (fast, _) = fast.as_chunks_mut::<4>();
    let (plain, _) = plain.as_flattened_mut().as_chunks_mut::<4>();
    bytes::one_place(weights, stride, places.get(..len)?, fast.get_mut(..blocks)?);
    portable::one_place(weights, stride, places.get(..len)?, plain.get_mut(..blocks)?);
    equal += i32::from(fast == plain);

    // seldom beyond the end of the map
    offsets.fill_with(|| random.below(MAP * 3 / 4) as u16);
    let offsets = offsets.get(..random.below(OFFSETS + 1))?;
    let map = map.get(..MAP - random.below(20))?;
    let [place_bytes, places, blocks] = [12, 8, 6].map(|end| random.below(end));
    let window = Window { map, offsets, place_bytes, places, blocks };
    let stride = offsets.len() + random.below(3);
    bytes::depthwise(weights, stride, &window, fast);
    portable::depthwise(weights, stride, &window, plain);
    equal += i32::from(fast == plain);
    let rows = offsets.as_chunks::<3>().0.first().map(|rows| rows.map(u32::from));
    let rows = rows.unwrap_or_default();
    let rows = rows.get(..random.below(4))?;
    let places = random.below(STRIP + 2);
    let strip = Strip { map, rows, place_bytes, places, blocks };
    let [fast, plain] = [fast.as_flattened_mut(), plain.as_flattened_mut()];
    equal += i32::from(strips_are_equal(&strip, weights, stride, [fast, plain]));
    for sum in fast.iter_mut() {
        *sum >>= 4 + random.below(20);
    }
    Some(equal + i32::from(activations_are_equal(fast, random)))
}

/// Whether both set the sums of the places of a strip alike, and leave what is behind them.
fn strips_are_equal(
    strip: &Strip<'_>,
    weights: &[Block],
    stride: usize,
    sums: [&mut [i32]; 2],
) -> bool {
    let [fast, plain] = sums.map(|sums| sums.as_chunks_mut::<STRIP>().0.as_chunks_mut().0);
    bytes::strip(weights, stride, strip, fast);
    portable::strip(weights, stride, strip, plain);
    let places = strip.places.min(STRIP);
    let count = strip.blocks.min(fast.len());
    let mut same = fast.get(count..) == plain.get(count..);
    let sums = fast.as_flattened_mut().iter_mut().zip(plain.as_flattened());
    for (fast, plain) in sums.take(4 * count) {
        same &= fast.get(..places) == plain.get(..places);
        *fast = *plain;
    }
    same
}

/// Whether the activations of sums, up to one of which the shift is too small, are those that its multiplier makes.
fn activations_are_equal(sums: &[i32], random: &mut Random) -> bool {
    let [step, count, zero] = [1 + random.below(3), random.below(OUTPUTS + 1), random.below(256)];
    let zero = zero as u8;
    // one of many is rare
    let scalings: [Scaling; OUTPUTS] = [(); OUTPUTS].map(|()| {
        let shift = if random.below(40) == 0 { 32 } else { 33 + random.below(30) };
        let mantissa = Multiplier::MIN_MANTISSA.cast_unsigned() | random.next() >> 2;
        [random.next() >> 9, mantissa, 0, shift as u32]
    });
    let mut bytes = [0; OUTPUTS];
    let bytes = bytes.get_mut(..count).unwrap_or_default();
    let done = bytes::activations(sums, step, &scalings, zero, bytes);
    let has_sums = count == 0 || (count - 1) * step < sums.len();
    let count = if has_sums { count } else { 0 };
    let small = scalings.iter().take(count).take_while(|scaling| scaling[3] >= 33).count();
    let expected =
        sums.iter().step_by(step).zip(&scalings).map(|(sum, &[bias, mantissa, _, shift])| {
            let multiplier = Multiplier::from_parts(mantissa.cast_signed(), shift as u8);
            let sum = sum.wrapping_add(bias.cast_signed());
            multiplier.map(|multiplier| multiplier.requantize_around(sum, zero))
        });
    let mut same = bytes.iter().zip(expected).take(done);
    (done == small) && same.all(|(&byte, it)| Some(byte) == it)
}

/// Sums to begin with: they wrap around, and must do so alike.
fn fill_alike(fast: &mut [[[i32; 3]; 4]], plain: &mut [[[i32; 3]; 4]], random: &mut Random) {
    let fast = fast.as_flattened_mut().as_flattened_mut();
    for (fast, plain) in fast.iter_mut().zip(plain.as_flattened_mut().as_flattened_mut()) {
        let start = random.next().cast_signed();
        (*fast, *plain) = (start, start);
    }
}

/// Prints for each kernel, the portable one first: instructions, products, bytes of stack.
#[inline(never)]
fn count(work: &mut Work, random: &mut Random, counter: Counter) -> Option<()> {
    let Work { fast, triples, places, map, offsets, .. } = work;
    let weights = random.weights(BLOCKS * ELEMENTS)?;
    let products = (BLOCKS * 4 * ELEMENTS) as i32;

    // no zeros, then every second one: its products do not count
    for (second, products) in [(bytes::triple([4, 5, 6]), products), (0, products / 2)] {
        for [first, next] in triples.as_chunks_mut().0 {
            (*first, *next) = (bytes::triple([1, 2, 3]), second);
        }
        let run = || portable::three_places(weights, ELEMENTS, triples, fast, false);
        counter.print(c"three_places", 3 * products, run);
        let run = || bytes::three_places(weights, ELEMENTS, triples, fast, false);
        counter.print(c"three_places", 3 * products, run);
    }

    let (sums, _) = fast.as_flattened_mut().as_flattened_mut().as_chunks_mut();
    for (second, products) in [(1, products), (0, products / 2)] {
        for [first, next] in places.as_chunks_mut().0 {
            (*first, *next) = (1, second);
        }
        let sums = sums.get_mut(..BLOCKS)?;
        counter.print(c"one_place", products, || {
            portable::one_place(weights, ELEMENTS, places, sums);
        });
        counter.print(c"one_place", products, || {
            bytes::one_place(weights, ELEMENTS, places, sums);
        });
    }

    // a kernel of 3 by 3 over 32 channels; where they lie makes no difference
    let offsets = offsets.get_mut(..9)?;
    offsets.fill(7);
    for places in [1, 2, 3, 4] {
        let window = Window { map, offsets, place_bytes: 16, places, blocks: 8 };
        let products = 9 * 32 * places as i32;
        let run = || portable::depthwise(weights, 9, &window, sums);
        counter.print(c"depthwise", products, run);
        let run = || bytes::depthwise(weights, 9, &window, sums);
        counter.print(c"depthwise", products, run);
    }
    let strips = fast.as_flattened_mut().as_flattened_mut().as_chunks_mut().0.as_chunks_mut().0;
    for places in 1..=STRIP {
        let strip = Strip { map, rows: &[7; 3], place_bytes: 32, places, blocks: 7 };
        let products = 9 * 28 * places as i32;
        let run = || portable::strip(weights, 9, &strip, strips);
        counter.print(c"strip", products, run);
        let run = || bytes::strip(weights, 9, &strip, strips);
        counter.print(c"strip", products, run);
    }
    Some(())
}

/// Counts instructions and stack.
#[derive(Clone, Copy)]
struct Counter {
    clock: Clock,
    /// Instructions and ticks of a loop that is known.
    known: [u32; 2],
}

impl Counter {
    fn start() -> Self {
        let clock = Clock::start();
        let ticks = [1_000, 101_000].map(|turns| {
            let before = clock.now();
            machine::spin(turns);
            clock.since(before)
        });
        Self { clock, known: [200_000, ticks[1] - ticks[0]] }
    }

    #[inline(never)]
    fn print(self, name: &CStr, products: i32, run: impl FnOnce()) {
        memory::paint_stack();
        let before = self.clock.now();
        run();
        let ticks = self.clock.since(before);
        // the program starts with all of the stack
        let stack = memory::stack_high_water();
        let caller = (memory::stack_end() + memory::stack_len()) - machine::stack_pointer();
        let [instructions, of_ticks] = self.known;
        // in thousands of ticks, so that it stays in 32 bits
        let per_thousand = (instructions * 1000).checked_div(of_ticks).unwrap_or(0);
        let instructions = ticks * per_thousand / 1000;
        let percent = (instructions * 100).checked_div(products.cast_unsigned()).unwrap_or(0);
        let stack = stack as i32 - caller as i32;
        console::line(name, &[instructions.cast_signed(), products, percent.cast_signed(), stack]);
    }
}

/// Marsaglia's xorshift, 32 bits: <https://doi.org/10.18637/jss.v008.i14>.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number below another one.
    fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 16) as usize * end) >> 16
    }

    /// An activation; a fourth are zeros, and a fourth of the others the maximum.
    fn activation(&mut self) -> u8 {
        let bits = self.next();
        match bits >> 28 {
            0..4 => 0,
            4..7 => 255,
            _ => bits as u8,
        }
    }

    /// Any bytes are weights: those of the model from anywhere on, whatever they mean there and, one time in four,
    /// however they are aligned.
    fn weights(&mut self, len: usize) -> Option<&'static [Block]> {
        let mut at = self.below(boards::model().len() - len * size_of::<Block>());
        if self.below(4) != 0 {
            at &= !3;
        }
        let bytes = boards::model().get(at..)?;
        <[Block]>::ref_from_prefix_with_elems(bytes, len).ok().map(|(weights, _)| weights)
    }
}
