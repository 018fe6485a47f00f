//! What outputs mean.

use core::slice;

use firmware::{Logits, Verdict};

use crate::memory::{check, check_mut, status};
use crate::model::{lnq_model, parsed};
use crate::status::{LNQ_OK, LNQ_OUTPUTS, lnq_status};

/// Verdict: so confident as to be hardly ever wrong.
pub const LNQ_SURE: u32 = 0;
/// Verdict: the most likely class, but look again.
pub const LNQ_UNSURE: u32 = 1;
/// Verdict: none of the classes.
pub const LNQ_NONE: u32 = 2;

/// What outputs mean. The limits of its verdict are those of the model in float.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnq_answer {
    /// The most likely class, counted from 0; of equals the first.
    pub best: u32,
    /// `LNQ_SURE`, `LNQ_UNSURE` or `LNQ_NONE`: whether to act on it.
    pub verdict: u32,
    /// 1 if the model in float surely gives the same class, be it right or wrong; else 0.
    pub agrees: u32,
    /// By how much its output is above the next.
    pub margin: u32,
}

/// Says what the outputs of a model mean, as `lnq_finish` gives them, or collected from `lnq_finish_in_blocks`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnq_answer(
    model: *const lnq_model,
    outputs: *const i32,
    count: usize,
    answer: *mut lnq_answer,
) -> lnq_status {
    status(|| {
        // SAFETY: the same is asked for.
        let model = unsafe { parsed(model) }?;
        let (outputs, answer) = (check(outputs)?, check_mut(answer)?);
        if count != model.outputs() {
            return Err(LNQ_OUTPUTS);
        }
        // SAFETY: C says that these numbers are there.
        let logits = Logits(unsafe { slice::from_raw_parts(outputs, count) });
        let found = logits.answer(model);
        let said = lnq_answer {
            best: found.class.into(),
            verdict: match found.verdict {
                Verdict::Sure => LNQ_SURE,
                Verdict::Unsure => LNQ_UNSURE,
                Verdict::None => LNQ_NONE,
            },
            agrees: found.agrees.into(),
            margin: logits.margin(),
        };
        // SAFETY: it is there and aligned.
        unsafe { answer.write(said) };
        Ok(LNQ_OK)
    })
}
