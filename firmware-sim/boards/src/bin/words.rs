//! Compares the kernels of the layout Words with the portable ones, on random layers, and prints what they take: for
//! each a line with instructions, products (or bytes), and bytes of stack.
#![no_std]
#![no_main]

use core::ffi::CStr;

use boards::clock::Clock;
use boards::console::{self, FAILED};
use boards::machine::{self, entry};
use boards::memory;
use firmware::kernels::Pair;
use firmware::kernels::bytes::STRIP;
use firmware::kernels::unpack_accumulators;
use firmware::kernels::words::{
    self, ChannelWeights, Depthwise, Fours, MAX_BLOCK, Offsets, Scaling, Strip, Tile, Twin, Word,
    portable,
};
use firmware::multiplier::Multiplier;
use zerocopy::{FromBytes, IntoBytes};

/// Random layers of each kind.
const ROUNDS: u32 = 200;
/// Pairs of outputs at most: those of LeNet's second convolution.
const PAIRS: usize = 25;

/// What [`main`] works in, too large for the stack.
struct Work {
    fast: [Tile; PAIRS],
    plain: [Tile; PAIRS],
    /// Four patches of 6×6.
    patch: [Pair; 144],
    bytes: [u8; 600],
}

static mut WORK: Work =
    Work { fast: [[0; 8]; PAIRS], plain: [[0; 8]; PAIRS], patch: [0; 144], bytes: [0; 600] };

#[entry]
fn main() -> ! {
    machine::guard_stack();
    let work = &raw mut WORK;
    // SAFETY: the program starts here, once, and nothing else uses it.
    let work = unsafe { &mut *work };
    let mut random = Random(1);
    let mut equal = 0;
    for _ in 0..ROUNDS {
        equal += i32::from(places_are_equal(work, &mut random));
        equal += i32::from(windows_are_equal(work, &mut random));
        equal += i32::from(dense_is_equal(work, &mut random));
        equal += i32::from(depthwise_is_equal(work, &mut random));
        equal += i32::from(strip_is_equal(work, &mut random));
        equal += i32::from(gathered_is_equal(work, &mut random));
    }
    console::line(c"equal", &[equal]);
    measure_places(work, &mut random);
    measure_dense(work, &mut random);
    measure_depthwise(work, &mut random);
    semihosting::process::exit(if equal == 6 * ROUNDS.cast_signed() { 0 } else { FAILED })
}

/// Sums that are there before, the same for both: they wrap around, and must do so alike.
fn start(work: &mut Work, random: &mut Random) {
    for (fast, plain) in work.fast.as_flattened_mut().iter_mut().zip(work.plain.as_flattened_mut())
    {
        let start = random.next();
        (*fast, *plain) = (start, start);
    }
}

#[inline(never)]
fn places_are_equal(work: &mut Work, random: &mut Random) -> bool {
    start(work, random);
    work.patch.fill_with(|| random.pair());
    let len = random.below(37);
    // a sixth have fewer words than they should
    let stride = 2 * len + random.below(3);
    let missing = random.below(6) / 5 * stride;
    let words = random.words(stride * (PAIRS / 2) - missing);
    let Work { fast, plain, patch, .. } = work;
    let Some(patch) = patch.as_chunks().0.get(..len) else { return false };
    let fours = Fours { words, stride, patch };
    let [fast, plain] = [fast, plain].map(|tiles| tiles.as_flattened_mut().as_chunks_mut().0);
    let step = 1 + random.below(2);
    words::add_fours(&fours, fast, step);
    portable::add_fours(&fours, plain, step);
    fast == plain && activations_are_equal(&fours, plain, random)
}

/// Of what the portable kernel sums up, by the definition; with sums that are there, and without.
#[inline(never)]
fn activations_are_equal(fours: &Fours<'_>, sums: &[Twin], random: &mut Random) -> bool {
    let mut scalings = [[[0; 4]; 4]; PAIRS / 2];
    let zero = some_scalings(scalings.as_flattened_mut(), random);
    let sums = if random.below(2) == 0 { &[] } else { sums };
    let step = [0, 4 * PAIRS / 2][random.below(2) % 2];
    let mut bytes = [7; 4 * PAIRS];
    let room = bytes.len() - random.below(9);
    let Some(bytes) = bytes.get_mut(..room) else { return false };
    let done = words::activate_fours(fours, sums, &scalings, zero, bytes, step);
    for (number, channels) in scalings.iter().enumerate().take(done) {
        let mut twins = [[0; 4]; 2];
        if let Some(sums) = sums.get(2 * number..).and_then(<[Twin]>::first_chunk) {
            twins = *sums;
        }
        portable::add_fours(&fours.from(number), &mut twins, 1);
        for (output, scaling) in channels.iter().enumerate() {
            // of one place the kernel takes the second
            for place in usize::from(step == 0)..2 {
                let twin = twins.get(output / 2).map_or(&[0; 4], |twin| twin);
                let sums = twin.as_chunks().0.get(place).map_or([0; 2], unpack_accumulators);
                let sum = sums[output % 2];
                let whole = sum.wrapping_add(scaling[0].cast_signed());
                // beyond 24 bits nothing is promised
                let is_exact = (whole << 8) >> 8 == whole;
                let byte = bytes.get(place * step + 4 * number + output).copied();
                if is_exact && activation(sum, scaling, zero) != byte {
                    return false;
                }
            }
        }
    }
    true
}

#[inline(never)]
fn windows_are_equal(work: &mut Work, random: &mut Random) -> bool {
    start(work, random);
    work.patch.fill_with(|| random.pair());
    let (len, kernel) = (random.below(5), 3 + 2 * random.below(2));
    let stride = len * kernel * kernel + random.below(3);
    let missing = random.below(6) / 5 * stride;
    let words = random.words(stride * PAIRS - missing);
    let Work { fast, plain, patch, .. } = work;
    if kernel == 5 {
        let Some(patches) = patch.as_chunks().0.as_chunks().0.get(..len) else { return false };
        words::window5(words, stride, patches, fast);
        portable::window5(words, stride, patches, plain);
    } else {
        let Some(patches) = patch.as_chunks().0.as_chunks().0.get(..len) else { return false };
        words::window3(words, stride, patches, fast);
        portable::window3(words, stride, patches, plain);
    }
    fast == plain
}

#[inline(never)]
fn dense_is_equal(work: &mut Work, random: &mut Random) -> bool {
    start(work, random);
    work.bytes.fill_with(|| random.byte());
    let (inputs, width) = (random.below(200), random.below(MAX_BLOCK + 2));
    let words = random.words(inputs.div_ceil(4) * 2 * width.min(MAX_BLOCK));
    let Work { fast, plain, bytes, .. } = work;
    let start = random.below(4);
    let (Some(inputs), Some(fast), Some(plain)) = (
        bytes.get(start..start + inputs),
        fast.as_flattened_mut().as_chunks_mut().0.get_mut(..width),
        plain.as_flattened_mut().as_chunks_mut().0.get_mut(..width),
    ) else {
        return false;
    };
    words::dense(words, inputs, fast);
    portable::dense(words, inputs, plain);
    fast == plain
}

#[inline(never)]
fn depthwise_is_equal(work: &mut Work, random: &mut Random) -> bool {
    work.bytes.fill_with(|| random.byte());
    let mut offsets = [0; 27];
    offsets.fill_with(|| random.below(580) as u32);
    let (len, groups) = ([9, 27, random.below(27)][random.below(3) % 3], random.below(6));
    let stride = len + random.below(4) % 3;
    let weights = random.words(2 * stride * groups).as_chunks().0;
    let Some(offsets) = offsets.get(..len) else { return false };
    let taps = Offsets::new(offsets);
    let [columns, across] = [random.below(4), random.below(9)];
    let fours = Depthwise { weights, stride, pixels: &work.bytes, taps, columns, across };
    let mut scalings = [[[0; 4]; 4]; 6];
    let zero = some_scalings(scalings.as_flattened_mut(), random);
    let start = if random.below(2) == 0 { 0 } else { 7 };
    let sums = if start == 0 { &[][..] } else { &[[7; 4]; 6] };
    let mut bytes = [7; 72];
    let done = words::activate_depthwise(&fours, sums, &scalings, zero, &mut bytes, 24);
    let mut column = fours;
    let mut is_equal = done <= groups;
    for bytes in bytes.chunks(24).take(columns) {
        let mut found = [[start; 4]; 6];
        portable::depthwise(&column, &mut found);
        column.pixels = column.pixels.get(across..).unwrap_or_default();
        let sums = found.as_flattened().iter().zip(scalings.as_flattened()).zip(bytes);
        for ((&sum, scaling), &byte) in sums.take(4 * done) {
            is_equal &= activation(sum, scaling, zero) == Some(byte);
        }
    }
    is_equal
}

#[inline(never)]
fn strip_is_equal(work: &mut Work, random: &mut Random) -> bool {
    work.bytes.fill_with(|| random.byte());
    let (channels, across) = (random.below(13), 12 + random.below(8));
    let weights = random.words(5 * channels).as_chunks().0;
    // seldom beyond the end
    let rows = [(); 3].map(|()| random.below(510) as u32);
    let are_inside = [(); 3].map(|()| random.below(5) > 0);
    let (pixels, places) = (&work.bytes, random.below(STRIP + 2));
    let mut strip = Strip { weights, pixels, rows, are_inside, across, places };
    let mut scalings = [[0; 4]; 12];
    let zero = some_scalings(&mut scalings, random);
    let start = if random.below(2) == 0 { 0 } else { 7 };
    let sums = if start == 0 { &[][..] } else { &[7; 12] };
    let mut bytes = [7; 100];
    let done = words::activate_strips(&strip, sums, &scalings, zero, &mut bytes);
    let mut is_equal = done <= channels;
    for (number, scaling) in scalings.iter().enumerate().take(done) {
        for place in 0..places {
            let sum = strip.sum(place).wrapping_add(start);
            let byte = bytes.get(place * across + number).copied();
            // beyond 24 bits nothing is promised
            let whole = sum.wrapping_add(scaling[0].cast_signed());
            let is_exact = (whole << 8) >> 8 == whole;
            is_equal &= !is_exact || activation(sum, scaling, zero) == byte;
        }
        strip.skip(1);
    }
    is_equal
}

/// Random ones; few are so small that kernels leave them. Gives a zero point.
fn some_scalings(scalings: &mut [Scaling], random: &mut Random) -> u8 {
    for [bias, mantissa, _, shift] in scalings {
        let bits = random.next();
        *bias = (bits.cast_signed() >> 12).cast_unsigned();
        *mantissa = bits >> 2 | 1 << 30;
        *shift = 33 + random.below(20) as u32 - (bits & 63) / 63;
    }
    [0, 128][random.below(2) % 2]
}

/// By the definition; `None` if nothing is promised.
fn activation(sum: i32, &[bias, mantissa, _, shift]: &Scaling, zero: u8) -> Option<u8> {
    let multiplier = Multiplier::from_parts(mantissa.cast_signed(), shift as u8)?;
    Some(multiplier.requantize_around(sum.wrapping_add(bias.cast_signed()), zero))
}

#[inline(never)]
fn gathered_is_equal(work: &mut Work, random: &mut Random) -> bool {
    start(work, random);
    work.bytes.fill_with(|| random.byte());
    let Work { fast, plain, bytes, .. } = work;
    let (rows, run) = (random.below(6), random.below(21));
    // a sixth begin too late
    let last = 580 + random.below(6) / 5 * 40;
    let mut starts = [[0; 2]; 6];
    starts.as_flattened_mut().fill_with(|| random.below(last) as u32);
    let missing = random.below(6) / 5;
    let [fast, plain] = [fast, plain].map(|tiles| tiles.as_flattened_mut());
    let len = (words::gathered_pairs(rows, run)).saturating_sub(missing);
    let (Some(places), Some(plain_places), Some(starts)) = (
        fast.as_chunks_mut().0.get_mut(..len),
        plain.as_chunks_mut().0.get_mut(..len),
        starts.get(..rows),
    ) else {
        return false;
    };
    let offsets = Offsets::of_places(starts);
    words::gather_places(bytes, offsets, run, places);
    portable::gather_places(bytes, offsets, run, plain_places);
    let places_are_equal = fast == plain;
    let (step, rows) = (random.below(70), 4 + random.below(6) / 5);
    let starts = starts.as_flattened();
    let Some(starts) = starts.get(..rows) else { return places_are_equal };
    let offsets = Offsets::new(starts);
    words::gather_window::<4>(bytes, offsets, step, fast.as_chunks_mut().0.as_chunks_mut().0);
    portable::gather_window::<4>(bytes, offsets, step, plain.as_chunks_mut().0.as_chunks_mut().0);
    let windows_are_equal = fast == plain;
    let starts = [5, 3, 100, 17, 90, 21];
    let offsets = Offsets::new(&starts);
    words::gather_window::<6>(bytes, offsets, step, fast.as_chunks_mut().0.as_chunks_mut().0);
    portable::gather_window::<6>(bytes, offsets, step, plain.as_chunks_mut().0.as_chunks_mut().0);
    places_are_equal && windows_are_equal && fast == plain
}

/// Prints the instructions of an action, what it did, and its stack.
#[inline(never)]
fn measure(name: &CStr, products: usize, action: &mut dyn FnMut()) {
    let empty = measured(&mut || {});
    let full = measured(action);
    // an instruction is 64 ns
    let instructions = (full.0 - empty.0) * machine::TICK_NS / 64;
    console::line(name, &[instructions, products as i32, full.1 - empty.1]);
}

/// Ticks, and bytes of stack.
#[inline(never)]
fn measured(action: &mut dyn FnMut()) -> (i32, i32) {
    let clock = Clock::start();
    memory::paint_stack();
    let before = clock.now();
    action();
    let ticks = clock.since(before);
    (ticks.cast_signed(), memory::stack_high_water() as i32)
}

#[inline(never)]
fn measure_places(work: &mut Work, random: &mut Random) {
    work.patch.fill_with(|| random.pair());
    let Work { fast, patch, bytes, .. } = &mut *work;
    let flash = random.words(4 * 25 * PAIRS);
    let places = patch.as_chunks().0;
    let scalings = [[[0, 1 << 30, 0, 40]; 4]; PAIRS / 2];
    for (names, len) in [
        ([c"add_fours(32)", c"activate_fours(32)"], 32),
        ([c"add_fours(36)", c"activate_fours(36)"], 36),
        ([c"add_fours(8)", c"activate_fours(8)"], 8),
        ([c"add_fours(5)", c"activate_fours(5)"], 5),
    ] {
        let Some(patch) = places.get(..len) else { return };
        let (fours, products) = (Fours { words: flash, stride: 2 * len, patch }, len * 16 * 12);
        let sums = fast.as_flattened_mut().as_chunks_mut().0.get_mut(..24);
        let sums = sums.unwrap_or_default();
        measure(names[0], products, &mut || words::add_fours(&fours, sums, 1));
        measure(names[1], products, &mut || {
            let _ = words::activate_fours(&fours, &[], &scalings, 0, bytes, 48);
        });
    }
    let patches = patch.as_chunks().0.as_chunks().0;
    for (name, len) in [(c"window5(1)", 1), (c"window5(2)", 2), (c"window5(4)", 4)] {
        let Some(patches) = patches.get(..len) else { return };
        measure(name, len * 25 * 16 * PAIRS, &mut || {
            words::window5(flash, len * 25, patches, fast);
        });
    }
    let patches = patch.as_chunks().0.as_chunks().0;
    for (name, len) in [(c"window3(1)", 1), (c"window3(2)", 2), (c"window3(4)", 4)] {
        let Some(patches) = patches.get(..len) else { return };
        measure(name, len * 9 * 16 * PAIRS, &mut || words::window3(flash, len * 9, patches, fast));
    }
    measure_gather(work, random);
}

#[inline(never)]
fn measure_gather(work: &mut Work, random: &mut Random) {
    let Work { patch, bytes, .. } = work;
    bytes.fill_with(|| random.byte());
    let starts: [[u32; 2]; 5] =
        core::array::from_fn(|row| [0, 20].map(|place| (50 * row + place) as u32));
    let places = patch.as_chunks_mut().0;
    for (name, rows, run) in [
        (c"gather-1x64", 1, 64),
        (c"gather-3x24", 3, 24),
        (c"gather-3x9", 3, 9),
        (c"gather-5x5", 5, 5),
        (c"gather-5x12", 5, 12),
        (c"gather-1x12", 1, 12),
    ] {
        let Some(starts) = starts.get(..rows) else { return };
        let offsets = Offsets::of_places(starts);
        measure(name, 2 * rows * run, &mut || words::gather_places(bytes, offsets, run, places));
    }
    let starts = [0, 50, 100, 150, 200, 250];
    for (name, len) in [(c"gather-window5(2)", 2), (c"gather-window5(4)", 4)] {
        let patches = patch.as_chunks_mut().0.as_chunks_mut().0;
        let Some(patches) = patches.get_mut(..len) else { return };
        let offsets = Offsets::new(&starts);
        measure(name, len * 72, &mut || {
            words::gather_window::<6>(bytes, offsets, 20, patches);
        });
    }
    for (name, len) in [(c"gather-window3(2)", 2), (c"gather-window3(8)", 8)] {
        let patches = patch.as_chunks_mut().0.as_chunks_mut().0;
        let Some(patches) = patches.get_mut(..len) else { return };
        let offsets = Offsets::new(starts.first_chunk::<4>().map_or(&[], |starts| starts));
        measure(name, len * 32, &mut || {
            words::gather_window::<4>(bytes, offsets, 20, patches);
        });
    }
}

#[inline(never)]
fn measure_dense(work: &mut Work, random: &mut Random) {
    let Work { fast, bytes, .. } = work;
    let Some(inputs) = bytes.first_chunk_mut::<400>() else { return };
    let sums = fast.as_flattened_mut().as_chunks_mut().0;
    let flash = random.words(5 * 200);
    for (names, zeros) in [
        ([c"dense_8(26%)", c"dense_6(26%)", c"dense_4(26%)", c"dense_2(26%)"], 17),
        ([c"dense_8(50%)", c"dense_6(50%)", c"dense_4(50%)", c"dense_2(50%)"], 32),
        ([c"dense_8(0%)", c"dense_6(0%)", c"dense_4(0%)", c"dense_2(0%)"], 0),
    ] {
        // pairs of zeros, and no others: of 64, this many
        for four in inputs.as_chunks_mut::<4>().0 {
            let keep = [(); 2].map(|()| u8::from(random.next() >> 26 >= zeros));
            *four = [keep[0], keep[1], keep[0], keep[1]].map(|keep| keep * 200);
        }
        for (name, width) in names.into_iter().zip([4, 3, 2, 1]) {
            let Some(sums) = sums.get_mut(..width) else { return };
            measure(name, 400 * 2 * width, &mut || words::dense(flash, inputs, sums));
        }
    }
}

#[inline(never)]
fn measure_depthwise(work: &mut Work, random: &mut Random) {
    let Work { fast, bytes, .. } = work;
    bytes.fill_with(|| random.byte());
    let offsets: [u32; 25] = core::array::from_fn(|tap| (tap * 20) as u32);
    let weights: &[ChannelWeights] = random.words(2 * 25 * 16).as_chunks().0;
    for (name, len, channels) in [
        (c"depthwise(9x64)", 9, 64),
        (c"depthwise(9x8)", 9, 8),
        (c"depthwise(6x64)", 6, 64),
        (c"depthwise(25x64)", 25, 64),
    ] {
        let Some(offsets) = offsets.get(..len) else { return };
        let taps = Offsets::new(offsets);
        let fours = Depthwise { weights, stride: len, pixels: bytes, taps, columns: 5, across: 1 };
        let scalings = [[[0, 1 << 30, 0, 40]; 4]; 16];
        let Some(scalings) = scalings.get(..channels / 4) else { return };
        let activations = fast.as_mut_bytes();
        measure(name, 5 * len * channels, &mut || {
            let _ = words::activate_depthwise(&fours, &[], scalings, 0, activations, channels);
        });
    }
    let weights = random.words(5 * 64).as_chunks().0;
    for (name, places) in [(c"strips(5x64)", 5), (c"strips(3x64)", 3), (c"strips(1x64)", 1)] {
        let (rows, are_inside) = ([0, 1, 2], [true; 3]);
        let strip = Strip { weights, pixels: bytes, rows, are_inside, across: 64, places };
        let activations = fast.as_mut_bytes();
        measure(name, 9 * 64 * places, &mut || {
            let _ = words::activate_strips(&strip, &[], &[[0, 1 << 30, 0, 40]; 64], 0, activations);
        });
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

    /// 0 to below `end`, which is not zero.
    fn below(&mut self, end: usize) -> usize {
        ((u64::from(self.next()) * end as u64) >> 32) as usize
    }

    /// Two activations; a fourth are pairs of zeros, and a fourth of the others the maximum.
    fn pair(&mut self) -> Pair {
        let bits = self.next();
        match bits >> 28 {
            0..4 => 0,
            4..7 => 0x00ff_00ff,
            _ => bits & 0x00ff_00ff,
        }
    }

    fn byte(&mut self) -> u8 {
        self.pair() as u8
    }

    /// Any bytes are weights: those of the model from anywhere on, whatever they mean there.
    fn words(&mut self, len: usize) -> &'static [Word] {
        let model = boards::model();
        let start = self.below(model.len() / 4 - len) * 4;
        let bytes = model.get(start..start + 4 * len).unwrap_or_default();
        <[Word]>::ref_from_bytes(bytes).unwrap_or_default()
    }
}
