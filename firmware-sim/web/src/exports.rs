//! What the page's script calls: numbers in, numbers out, and memory that both see.
//!
//! The script writes what a call takes to where [`input`] says, and reads what it gave from [`output`] before the next call.
//! A call gives [`REFUSED`] where it has nothing to give; the output is the reason, as text.
//! Numbers in the output are little-endian, as WebAssembly's are.
#![allow(unsafe_code)] // `no_mangle` alone, by which the script finds a function

use std::cell::RefCell;

use super::models::{Answer, Models};

/// Most bytes that a call takes.
const MAX_INPUT_BYTES: usize = 80 << 20;
const REFUSED: i32 = -1;

thread_local! {
    /// WebAssembly has one thread, and the page one of these.
    static PAGE: RefCell<Page> = RefCell::default();
}

#[derive(Default)]
struct Page {
    models: Models,
    input: Vec<u8>,
    output: Vec<u8>,
    /// The verdict of the last answer, in words.
    words: String,
}

impl Page {
    fn result(&mut self, result: Result<i32, String>) -> i32 {
        result.unwrap_or_else(|reason| {
            self.output = reason.into_bytes();
            REFUSED
        })
    }

    fn answer(&mut self, answer: Option<Answer>) -> i32 {
        let Some(answer) = answer else {
            return self.result(Err("there is no such model, or no picture".into()));
        };
        self.output = answer.logits;
        self.output.extend(answer.probabilities.iter().flat_map(|value| value.to_le_bytes()));
        self.words = answer.words;
        answer.class as i32
    }
}

fn with<T>(call: impl FnOnce(&mut Page) -> T) -> T {
    PAGE.with_borrow_mut(call)
}

/// Room for `len` bytes that the next call takes; null if they are too many.
#[unsafe(no_mangle)]
extern "C" fn input(len: usize) -> *mut u8 {
    if len > MAX_INPUT_BYTES {
        return std::ptr::null_mut();
    }
    with(|page| {
        page.input.clear();
        page.input.resize(len, 0);
        page.input.as_mut_ptr()
    })
}

/// Where the output of the last call is.
#[unsafe(no_mangle)]
extern "C" fn output() -> *const u8 {
    with(|page| page.output.as_ptr())
}

/// Its bytes.
#[unsafe(no_mangle)]
extern "C" fn output_len() -> usize {
    with(|page| page.output.len())
}

/// Opens a model, whose file is the input: gives 0 for a float model, 1 for an int8 model.
#[unsafe(no_mangle)]
extern "C" fn open() -> i32 {
    with(|page| {
        let file = std::mem::take(&mut page.input);
        let opened = page.models.open(&file).map(|opened| opened as i32);
        page.result(opened)
    })
}

/// Outputs the models in words: [`Models::description`].
#[unsafe(no_mangle)]
extern "C" fn describe() -> i32 {
    with(|page| {
        page.output = page.models.description().into_bytes();
        0
    })
}

/// Prepares a picture, whose pixels are the input: red, green, blue and alpha of each.
#[unsafe(no_mangle)]
extern "C" fn prepare(width: usize, height: usize) -> i32 {
    with(|page| {
        let pixels = std::mem::take(&mut page.input);
        let prepared = page.models.prepare(pixels, width, height).map(|()| 0);
        page.result(prepared)
    })
}

/// Takes an image of the models' own size, which is the input: `[row][column][channel]`.
#[unsafe(no_mangle)]
extern "C" fn take() -> i32 {
    with(|page| {
        let taken = page.models.take(&page.input).map(|()| 0);
        page.result(taken)
    })
}

/// Outputs what the models see: red, green, blue and alpha of each pixel.
#[unsafe(no_mangle)]
extern "C" fn seen() -> i32 {
    with(|page| {
        page.output = page.models.seen().unwrap_or_default().into_raw();
        0
    })
}

/// Gives the float model's class; outputs logits, `f32`, then probabilities, `f32`.
#[unsafe(no_mangle)]
extern "C" fn classify_float() -> i32 {
    with(|page| {
        let answer = page.models.classify_float();
        page.answer(answer)
    })
}

/// Gives the int8 model's class; outputs logits, `i32`, then probabilities, `f32`.
#[unsafe(no_mangle)]
extern "C" fn classify_int8() -> i32 {
    with(|page| {
        let answer = page.models.classify_int8();
        page.answer(answer)
    })
}

/// Outputs the verdict of the last answer: [`Answer::words`].
#[unsafe(no_mangle)]
extern "C" fn verdict() -> i32 {
    with(|page| {
        page.output = page.words.clone().into_bytes();
        0
    })
}
