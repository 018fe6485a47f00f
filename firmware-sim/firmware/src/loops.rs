//! What keeps code small where speed does not matter.

/// In a loop: keeps the compiler from laying its body out several times, which it does for all that are short. Costs no
/// instruction.
#[expect(clippy::inline_always, reason = "there is nothing in it to call")]
#[inline(always)]
pub(crate) fn keep_rolled() {
    core::hint::black_box(());
}
