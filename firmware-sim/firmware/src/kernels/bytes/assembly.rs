//! Safe calls of the target's assembly.
//!
//! What each checks is what the assembly relies on: that nothing is empty, and that all slices are as long as is asked.
//! The assembly reads and writes these, in their bounds, and no more.
#![allow(unsafe_code)]

use super::{Block, Triple, Window, chosen, fits};
#[cfg(not(bytes_kernels = "v6m"))]
use super::{STRIP, Strip};
use crate::kernels::words::Scaling;

/// Weights that the target cannot load four at a time, where it does so: these are left to portable code.
fn are_unaligned(weights: &[Block]) -> bool {
    cfg!(bytes_kernels = "v6m") && !weights.as_ptr().addr().is_multiple_of(size_of::<u32>())
}

/// See [`super::three_places`].
pub fn three_places(
    weights: &[Block],
    stride: usize,
    patch: &[Triple],
    sums: &mut [[[i32; 3]; 4]],
    new: bool,
) {
    if are_unaligned(weights) {
        return super::portable::three_places(weights, stride, patch, sums, new);
    }
    let fits = !patch.is_empty() && fits(weights, stride, patch.len(), sums.len());
    if new && (!fits || cfg!(bytes_kernels = "v6m")) {
        sums.fill([[0; 3]; 4]);
    }
    if !fits || sums.is_empty() {
        return;
    }
    let stride_bytes = stride.wrapping_mul(size_of::<Block>());
    let (patch, sums) = (patch.as_ptr_range(), sums.as_mut_ptr_range());
    // SAFETY: neither the patch nor the sums are empty. It reads the patch and, for each block of sums, as many weights
    // from a multiple of the stride on: these are there.
    unsafe {
        chosen::three_places_blocks(
            weights.as_ptr(),
            stride_bytes,
            patch.start,
            patch.end,
            sums.start,
            sums.end,
            new.into(),
        );
    }
}

/// See [`super::one_place`].
pub fn one_place(weights: &[Block], stride: usize, patch: &[u8], sums: &mut [[i32; 4]]) {
    if are_unaligned(weights) {
        return super::portable::one_place(weights, stride, patch, sums);
    }
    if patch.is_empty() || sums.is_empty() || !fits(weights, stride, patch.len(), sums.len()) {
        return;
    }
    let stride_bytes = stride.wrapping_mul(size_of::<Block>());
    let (patch, sums) = (patch.as_ptr_range(), sums.as_mut_ptr_range());
    // SAFETY: as in `three_places`.
    unsafe {
        chosen::one_place_blocks(
            weights.as_ptr(),
            stride_bytes,
            patch.start,
            patch.end,
            sums.start,
            sums.end,
        );
    }
}

/// See [`super::depthwise`].
pub fn depthwise(weights: &[Block], stride: usize, window: &Window<'_>, sums: &mut [[i32; 4]]) {
    if !window.fits(weights, stride, sums) {
        return;
    }
    let &Window { map, offsets, place_bytes, places, blocks } = window;
    let offsets = offsets.as_ptr_range();
    // SAFETY: there are places, blocks and offsets. It reads the offsets and, for each block, as many weights, and
    // four bytes of the map for each block at each place and offset; and it has a sum for each channel and place. All
    // of these are there.
    unsafe {
        chosen::depthwise_places(
            weights.as_ptr(),
            stride.wrapping_mul(size_of::<Block>()),
            map.as_ptr(),
            offsets.start,
            offsets.end,
            sums.as_mut_ptr(),
            place_bytes,
            blocks.wrapping_mul(size_of::<[i32; 4]>()),
            places,
        );
    }
}

#[cfg(bytes_kernels = "v6m")]
pub use super::portable::strip;

/// See [`super::strip`].
#[cfg(not(bytes_kernels = "v6m"))]
pub fn strip(weights: &[Block], stride: usize, strip: &Strip<'_>, sums: &mut [[[i32; STRIP]; 4]]) {
    if !strip.fits(weights, stride, sums) {
        return;
    }
    let &Strip { map, rows, place_bytes, places, blocks } = strip;
    let Some(sums) = sums.get_mut(..blocks) else { return };
    // from a row to the next, of which the last comes last
    let mut down = [0; 2];
    for (down, rows) in down.iter_mut().rev().zip(rows.windows(2).rev()) {
        if let [above, below] = rows {
            *down = below.wrapping_sub(*above) as usize;
        }
    }
    let Some(&first) = rows.first() else { return };
    let sums = sums.as_mut_ptr_range();
    // SAFETY: there are one to three rows, one to five places, and blocks. It reads as many weights for each block, and
    // of each row four bytes for each block in two columns more than there are places, and writes all sums. All of these
    // are there.
    unsafe {
        chosen::strip_places(
            weights.as_ptr(),
            map.as_ptr().wrapping_add(first as usize),
            place_bytes,
            places,
            sums.start,
            sums.end,
            stride.wrapping_mul(size_of::<Block>()),
            rows.len(),
            down[0],
            down[1],
        );
    }
}

/// See [`super::activations`].
pub fn activations(
    sums: &[i32],
    step: usize,
    scalings: &[Scaling],
    zero: u8,
    bytes: &mut [u8],
) -> usize {
    let Some(last) = bytes.len().checked_sub(1) else { return 0 };
    let has_sums = last.checked_mul(step).is_some_and(|last| last < sums.len());
    if !has_sums || last >= scalings.len() {
        return 0;
    }
    let bytes = bytes.as_mut_ptr_range();
    let rounding = 1 + 2 * u32::from(zero);
    // SAFETY: there are bytes. It writes these, and for each reads a scaling and, every `step`, a sum: all are there.
    unsafe {
        let end = chosen::activations_of(
            sums.as_ptr(),
            scalings.as_ptr(),
            bytes.start,
            step.wrapping_mul(size_of::<i32>()),
            bytes.end,
            rounding,
        );
        end.offset_from_unsigned(bytes.start)
    }
}
