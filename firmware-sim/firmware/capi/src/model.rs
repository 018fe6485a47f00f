//! A parsed model.

use core::mem::MaybeUninit;
use core::slice;

use firmware::{FormatError, Model};

use crate::ROUTINES;
use crate::memory::{check, check_mut, span, status};
use crate::status::{LNQ_FILE_LENGTH, LNQ_NOT_PARSED, LNQ_NULL, LNQ_OK, lnq_status, of_format};

/// Words of a `struct lnq_model`.
pub const LNQ_MODEL_WORDS: usize = 8;

/// A parsed model: refers to the file, of which it copies nothing, so that the file must stay where it is.
///
/// Its memory is yours, such as a static; begin with zeros, of which each function knows that nothing was parsed.
/// It may be copied.
#[repr(C)]
pub struct lnq_model {
    /// Of this library alone.
    words: [MaybeUninit<usize>; LNQ_MODEL_WORDS],
}

/// What a `lnq_model` holds.
#[derive(Clone, Copy)]
struct Parsed {
    /// [`MARK`], or there is none.
    mark: usize,
    model: Model<'static, ROUTINES>,
}

/// What no memory holds by chance: "lnq8".
const MARK: usize = 0x6c6e_7138;

const _: () = assert!(size_of::<Parsed>() <= size_of::<lnq_model>());
const _: () = assert!(align_of::<Parsed>() <= align_of::<lnq_model>());

/// The model that a handle holds.
///
/// # Errors
/// [`LNQ_NULL`], [`LNQ_NOT_PARSED`] and those of [`check`].
///
/// # Safety
/// The pointer is NULL, or there is a `lnq_model` of zeros, or one that was parsed.
pub(crate) unsafe fn parsed(
    model: *const lnq_model,
) -> Result<Model<'static, ROUTINES>, lnq_status> {
    let parsed = check(model)?.cast::<Parsed>();
    // SAFETY: it is there and aligned, and its first word is written, by C or by `parse`.
    if unsafe { (&raw const (*parsed).mark).read() } != MARK {
        return Err(LNQ_NOT_PARSED);
    }
    // SAFETY: only `parse` writes the mark, behind a model.
    Ok(unsafe { parsed.read() }.model)
}

/// # Safety
/// As [`lnq_parse`].
unsafe fn parse(
    model: *mut lnq_model,
    file: *const u8,
    length: usize,
    parse: fn(&'static [u8]) -> Result<Model<'static, ROUTINES>, FormatError>,
) -> lnq_status {
    status(|| {
        let parsed = check_mut(model)?.cast::<Parsed>();
        // SAFETY: it is there and aligned.
        unsafe { (&raw mut (*parsed).mark).write(0) };
        if file.is_null() {
            return Err(LNQ_NULL);
        }
        span(file, length).ok_or(LNQ_FILE_LENGTH)?;
        // SAFETY: C says that these bytes are there, and that they stay as they are.
        let bytes = unsafe { slice::from_raw_parts(file, length) };
        let model = parse(bytes).map_err(of_format)?;
        // SAFETY: as above, and there is room for it.
        unsafe { parsed.write(Parsed { mark: MARK, model }) };
        Ok(LNQ_OK)
    })
}

/// Checks the file of a model, a `.q8`, once, so that inference has nothing left to fail on. The file must lie at a
/// multiple of four, and stay as it is for as long as the model is used.
///
/// Gives `LNQ_OK`, or what is wrong with the file, whatever its bytes; then `model` holds none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnq_parse(
    model: *mut lnq_model,
    file: *const u8,
    length: usize,
) -> lnq_status {
    // SAFETY: the same is asked for.
    unsafe { parse(model, file, length, Model::parse_linked) }
}

/// As `lnq_parse`, of a file that was checked on a computer, and is in flash beside the program: looks only whether all
/// of it is there and undamaged, aligned, and for this core. A program that calls only this one is 7 KB smaller.
///
/// Of a file that was made to mislead, what an inference gives may be wrong, or it may not end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnq_parse_embedded(
    model: *mut lnq_model,
    file: *const u8,
    length: usize,
) -> lnq_status {
    // SAFETY: the same is asked for.
    unsafe { parse(model, file, length, Model::parse_embedded) }
}

/// Words of scratch that an inference needs, of 32 bits; 0 of what is no model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnq_scratch_words(model: *const lnq_model) -> usize {
    // SAFETY: the same is asked for.
    unsafe { parsed(model) }.map_or(0, |model| model.scratch_words())
}

/// What goes into a model and what comes out.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnq_info {
    /// Rows of an image.
    pub rows: u32,
    /// Columns of an image.
    pub columns: u32,
    /// Bytes of a pixel, one for each channel.
    pub channels: u32,
    /// Bytes of a row, `[column][channel]`.
    pub row_bytes: u32,
    /// The byte that stands for 0 in the input.
    pub input_zero: u32,
    /// What a step of a byte stands for: the bits of a `float`. Of pixels it need not be known.
    pub input_scale: u32,
    /// How many numbers come out.
    pub outputs: u32,
    /// By what an output is multiplied to be as the model in float gives it: the bits of a `float`.
    pub output_scale: u32,
    /// 1 if all outputs lie in scratch at the end, for `lnq_finish`; 0 if they are too many, for `lnq_finish_in_blocks`.
    pub holds_outputs: u32,
    /// Layers.
    pub layers: u32,
    /// Words of scratch.
    pub scratch_words: u32,
    /// SHA-256 of the ONNX file that the model was made from.
    pub identity: [u8; 32],
}

/// Says what goes into a model and what comes out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnq_info(model: *const lnq_model, info: *mut lnq_info) -> lnq_status {
    status(|| {
        // SAFETY: the same is asked for.
        let model = unsafe { parsed(model) }?;
        let info = check_mut(info)?;
        let header = model.header();
        let input = &header.input;
        let last = model.layers().records.last();
        let said = lnq_info {
            rows: input.height.get().into(),
            columns: input.width.get().into(),
            channels: input.channels.get().into(),
            row_bytes: input.row_len() as u32,
            input_zero: input.zero.into(),
            input_scale: input.scale.get(),
            outputs: model.outputs() as u32,
            output_scale: last.map_or(0, |record| record.output.scale.get()),
            holds_outputs: model.holds_outputs().into(),
            layers: header.layers.into(),
            scratch_words: model.scratch_words() as u32,
            identity: header.identity,
        };
        // SAFETY: it is there and aligned.
        unsafe { info.write(said) };
        Ok(LNQ_OK)
    })
}
