//! An image that is coming in.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::slice;
use core::sync::atomic::{Ordering, compiler_fence};

use firmware::{Frame, Progress};

use crate::ROUTINES;
use crate::memory::{check, check_mut, overlap, span, status};
use crate::model::{lnq_model, parsed};
use crate::status::{
    LNQ_BUSY, LNQ_NEEDS_ROW, LNQ_NOT_HELD, LNQ_NOT_STARTED, LNQ_NULL, LNQ_OK, LNQ_OVERLAP,
    LNQ_READY, LNQ_ROW_LENGTH, LNQ_ROWS_MISSING, LNQ_SCRATCH, lnq_status,
};

/// Words of a `struct lnq_frame`.
pub const LNQ_FRAME_WORDS: usize = 16;

/// An image that is coming in, and how far its inference is.
///
/// Its memory is yours, such as a static; begin with zeros, of which each function knows that nothing was begun.
/// Do not copy it: every function refuses a copy.
#[repr(C)]
pub struct lnq_frame {
    /// Of this library alone.
    words: [MaybeUninit<usize>; LNQ_FRAME_WORDS],
}

/// What a `lnq_frame` holds.
struct Started {
    /// [`State::mark`], or there is no image.
    mark: usize,
    image: Image,
}

/// An image that was begun.
pub(crate) struct Image {
    frame: Frame<'static, 'static, ROUTINES>,
    /// Addresses of its scratch.
    scratch: Range<usize>,
    row_bytes: u16,
    holds_outputs: bool,
}

const _: () = assert!(size_of::<Started>() <= size_of::<lnq_frame>());
const _: () = assert!(align_of::<Started>() <= align_of::<lnq_frame>());
const _: () = assert!(firmware::format::MAX_CHANNELS as usize <= u16::MAX as usize);

/// Whether a frame may be used.
#[derive(Clone, Copy)]
#[repr(usize)]
enum State {
    /// "lnqf"
    Started = 0x6c6e_7166,
    /// Its complement in 32 bits: no address turns the mark of one into that of the other.
    Busy = 0x9391_8e99,
}

impl State {
    /// What stands for it in the handle at this address, and in no copy of it.
    fn mark(self, handle: *const Started) -> usize {
        self as usize ^ handle.addr()
    }
}

/// A frame in use: whoever interrupts finds it busy.
pub(crate) struct Guard {
    handle: *mut Started,
    /// What is left when it is no longer in use: begun, unless it was finished.
    is_finished: bool,
}

impl Guard {
    /// # Safety
    /// The pointer is NULL, or there is a `lnq_frame` of zeros, or one that was begun.
    pub(crate) unsafe fn of(frame: *mut lnq_frame) -> Result<Self, lnq_status> {
        let started = check_mut(frame)?.cast::<Started>();
        // SAFETY: it is there and aligned, and its first word is written, by C or by `lnq_start`.
        let mark = unsafe { (&raw const (*started).mark).read_volatile() };
        if mark == State::Busy.mark(started) {
            return Err(LNQ_BUSY);
        }
        if mark != State::Started.mark(started) {
            return Err(LNQ_NOT_STARTED);
        }
        let guard = Self { handle: started, is_finished: false };
        guard.set(State::Busy.mark(started));
        Ok(guard)
    }

    fn set(&self, mark: usize) {
        // SAFETY: whoever has a guard has checked it. Volatile: an interrupt looks at it.
        unsafe { (&raw mut (*self.handle).mark).write_volatile(mark) };
    }

    fn image(&mut self) -> &mut Image {
        // SAFETY: only `lnq_start` writes the mark, with what belongs to it, and nobody else is in here. Not borrowed with
        // it: the mark, at which an interrupt looks.
        unsafe { &mut (*self.handle).image }
    }

    /// The frame, which is finished; it stays busy until nobody uses it.
    fn take(&mut self) -> Frame<'static, 'static, ROUTINES> {
        self.is_finished = true;
        // SAFETY: as above. It is not used twice: the handle will say that it is not begun.
        unsafe { (&raw const (*self.handle).image.frame).read() }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.set(if self.is_finished { 0 } else { State::Started.mark(self.handle) });
    }
}

/// Begins an image; what `scratch` holds does not matter, nor whether another image was begun and not finished.
///
/// `words` are those of `scratch`, at least `lnq_scratch_words`. Until the image is finished, and its outputs read,
/// nobody else may use these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnq_start(
    frame: *mut lnq_frame,
    model: *const lnq_model,
    scratch: *mut u32,
    words: usize,
) -> lnq_status {
    status(|| {
        // SAFETY: the same is asked for.
        let parsed = unsafe { parsed(model) }?;
        let started = check_mut(frame)?.cast::<Started>();
        let scratch = check_mut(scratch)?;
        // no more than are used
        let needed = parsed.scratch_words();
        if words < needed {
            return Err(LNQ_SCRATCH);
        }
        let range = span(scratch, needed).ok_or(LNQ_SCRATCH)?;
        let file = parsed.bytes();
        let others = [span(frame, 1), span(model, 1), span(file.as_ptr(), file.len())];
        if others.iter().flatten().any(|other| overlap(other, &range)) {
            return Err(LNQ_OVERLAP);
        }
        // SAFETY: it is there and aligned.
        let mark = unsafe { (&raw const (*started).mark).read_volatile() };
        if mark == State::Busy.mark(started) {
            return Err(LNQ_BUSY);
        }
        // busy before scratch is touched; a start that fails leaves no image
        let mut guard = Guard { handle: started, is_finished: true };
        guard.set(State::Busy.mark(started));
        // SAFETY: C says that these words are there and nobody else's; numbers of any value are numbers.
        let scratch = unsafe { slice::from_raw_parts_mut(scratch, needed) };
        let image = Image {
            frame: parsed.start(scratch).ok_or(LNQ_SCRATCH)?,
            scratch: range,
            row_bytes: parsed.header().input.row_len() as u16,
            holds_outputs: parsed.holds_outputs(),
        };
        // SAFETY: it is there and aligned, and there is room for it.
        unsafe { (&raw mut (*started).image).write(image) };
        // an interrupt that finds it begun finds all of it
        compiler_fence(Ordering::Release);
        guard.is_finished = false;
        drop(guard);
        Ok(LNQ_NEEDS_ROW)
    })
}

/// Takes the next row of the image from the top, `[column][channel]`, `length` bytes, after computing what the rows before
/// it have made possible. Rows after the last are ignored.
///
/// Gives `LNQ_NEEDS_ROW`, or `LNQ_READY` after the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnq_push_row(
    frame: *mut lnq_frame,
    row: *const u8,
    length: usize,
) -> lnq_status {
    status(|| {
        // SAFETY: the same is asked for.
        let mut guard = unsafe { Guard::of(frame) }?;
        let image = guard.image();
        let row = check(row)?;
        if length != image.row_bytes.into() {
            return Err(LNQ_ROW_LENGTH);
        }
        if span(row, length).is_none_or(|range| overlap(&range, &image.scratch)) {
            return Err(LNQ_OVERLAP);
        }
        // SAFETY: C says that these bytes are there.
        let row = unsafe { slice::from_raw_parts(row, length) };
        image.frame.push_row(row).ok_or(LNQ_ROW_LENGTH)?;
        Ok(if image.frame.is_complete() { LNQ_READY } else { LNQ_NEEDS_ROW })
    })
}

/// Computes one row of one layer, if one is due. Not needed, since the others do all that is due; it is for those who do
/// something in between, or measure.
///
/// Gives `LNQ_OK` if it did, and writes the layer, counted from 0, to `layer`, unless that is NULL; `LNQ_NEEDS_ROW` or
/// `LNQ_READY` if nothing was due.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnq_step(frame: *mut lnq_frame, layer: *mut u32) -> lnq_status {
    status(|| {
        let layer = if layer.is_null() { None } else { Some(check_mut(layer)?) };
        // SAFETY: the same is asked for.
        let mut guard = unsafe { Guard::of(frame) }?;
        match guard.image().frame.step() {
            Progress::Computed(computed) => {
                if let Some(layer) = layer {
                    // SAFETY: it is there and aligned.
                    unsafe { layer.write(computed as u32) };
                }
                Ok(LNQ_OK)
            }
            Progress::NeedsRow => Ok(LNQ_NEEDS_ROW),
            Progress::Ready => Ok(LNQ_READY),
        }
    })
}

/// Computes what is left and gives the outputs, scores of the classes or other numbers `[channel][row][column]`. They lie
/// in the scratch that the image was begun with, until the next is begun.
///
/// Writes where they are to `outputs`, and how many to `count`, unless that is NULL. The image is finished then. While
/// rows are missing, it gives `LNQ_ROWS_MISSING`, and more may be pushed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnq_finish(
    frame: *mut lnq_frame,
    outputs: *mut *const i32,
    count: *mut usize,
) -> lnq_status {
    status(|| {
        let outputs = check_mut(outputs)?;
        let count = if count.is_null() { None } else { Some(check_mut(count)?) };
        // SAFETY: the same is asked for.
        let mut guard = unsafe { Guard::of(frame) }?;
        let image = guard.image();
        if !image.frame.is_complete() {
            return Err(LNQ_ROWS_MISSING);
        }
        if !image.holds_outputs {
            return Err(LNQ_NOT_HELD);
        }
        let logits = guard.take().finish().ok_or(LNQ_ROWS_MISSING)?;
        // SAFETY: they are there and aligned.
        unsafe {
            outputs.write(logits.0.as_ptr());
            if let Some(count) = count {
                count.write(logits.0.len());
            }
        }
        Ok(LNQ_OK)
    })
}

/// What takes outputs: `context` is yours, `first` is the number of the first of `count` outputs, counted from 0.
pub type lnq_take = Option<
    unsafe extern "C" fn(context: *mut c_void, first: usize, outputs: *const i32, count: usize),
>;

/// Gives the outputs of any model in order to `take`, some dozens at a time, as soon as they are computed; those that
/// are held, all at once. `take` may not use the frame, and what it is given is there until it returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnq_finish_in_blocks(
    frame: *mut lnq_frame,
    take: lnq_take,
    context: *mut c_void,
) -> lnq_status {
    status(|| {
        let take = take.ok_or(LNQ_NULL)?;
        // SAFETY: the same is asked for.
        let mut guard = unsafe { Guard::of(frame) }?;
        if !guard.image().frame.is_complete() {
            return Err(LNQ_ROWS_MISSING);
        }
        let give = |first, outputs: &[i32]| {
            // SAFETY: C says that it can be called with these.
            unsafe { take(context, first, outputs.as_ptr(), outputs.len()) }
        };
        guard.take().finish_in_blocks(give).ok_or(LNQ_ROWS_MISSING)?;
        Ok(LNQ_OK)
    })
}
