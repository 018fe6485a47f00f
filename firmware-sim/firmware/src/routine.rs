//! What computes a layer: a model may be linked with only those that it uses.

use super::record::{Geometry, Kind};
use super::schedule::Layers;
use super::weights::Order;

/// A routine of the engine, for one kind of layer with one order of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Routine {
    /// Convolutions in [`Order::Grey`].
    Grey,
    /// Convolutions in [`Order::Windows`], of 3×3.
    Window3,
    /// Convolutions in [`Order::Windows`], of 5×5.
    Window5,
    /// Convolutions in [`Order::Fours`].
    Fours,
    /// Convolutions in [`Order::Blocks`].
    Threes,
    /// Dense layers in [`Order::DenseWords`] and [`Order::DenseColumns`].
    DenseWords,
    /// Dense layers in [`Order::Blocks`].
    DenseBlocks,
    /// Depthwise layers in [`Order::Halves`].
    DepthwiseHalves,
    /// Depthwise layers in [`Order::Blocks`].
    DepthwiseBlocks,
    /// Depthwise layers in [`Order::Taps`].
    DepthwiseTaps,
    /// The largest of each window.
    MaxPool,
    /// The mean of each window.
    AveragePool,
    /// The mean of each window, of rows as they come.
    StreamedPool,
    /// The sum of two values.
    Add,
    /// Depthwise layers in [`Order::Strips`].
    DepthwiseStrips,
    /// No layer's: gives the outputs of a last dense layer out as they are computed, of
    /// [too many to hold](Layers::holds_outputs).
    OutputBlocks,
}

/// Routines of the layout Words.
const WORDS: u16 = Routine::Grey.bit()
    | Routine::Window3.bit()
    | Routine::Window5.bit()
    | Routine::Fours.bit()
    | Routine::DenseWords.bit()
    | Routine::DepthwiseHalves.bit()
    | Routine::DepthwiseStrips.bit();
/// Routines of the layout Bytes.
const BYTES: u16 =
    Routine::Threes.bit() | Routine::DenseBlocks.bit() | Routine::DepthwiseBlocks.bit();

/// Routines that this core has, as bits: those of the layout that its kernels are for. A host has all.
pub const OF_THIS_CORE: u16 = if cfg!(kernels = "dsp") {
    !BYTES
} else if cfg!(bytes_kernels = "portable") {
    u16::MAX
} else {
    !WORDS
};

impl Routine {
    /// Its bit in [`super::format::Header::routines`].
    #[must_use]
    pub const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// What computes a layer with weights in this order.
    #[inline]
    #[must_use]
    pub fn of(geometry: &Geometry, order: Option<Order>) -> Self {
        match (order, geometry.kind) {
            (Some(Order::Factors), _) => Self::Add,
            (Some(Order::Blocks), Kind::Conv) => Self::Threes,
            (Some(Order::Blocks), Kind::Dense) => Self::DenseBlocks,
            (Some(Order::Blocks), _) => Self::DepthwiseBlocks,
            (Some(Order::Grey), _) => Self::Grey,
            (Some(Order::Windows(3)), _) => Self::Window3,
            (Some(Order::Windows(_)), _) => Self::Window5,
            (Some(Order::Fours), _) => Self::Fours,
            (Some(Order::DenseWords | Order::DenseColumns), _) => Self::DenseWords,
            (Some(Order::Halves), _) => Self::DepthwiseHalves,
            (Some(Order::Strips), _) => Self::DepthwiseStrips,
            (Some(Order::Taps), _) => Self::DepthwiseTaps,
            (None, Kind::MaxPool) => Self::MaxPool,
            (None, _) if geometry.is_streamed() => Self::StreamedPool,
            (None, _) => Self::AveragePool,
        }
    }
}

impl Layers<'_> {
    /// What computes a layer.
    #[must_use]
    pub fn routine(&self, layer: usize) -> Option<Routine> {
        let order = self.weights(layer).map(|weights| weights.order);
        Some(Routine::of(&self.geometry(layer)?, order))
    }

    /// What computes all layers, as bits.
    #[must_use]
    pub fn routines(&self) -> u16 {
        let routines = (0..self.records.len()).filter_map(|layer| self.routine(layer));
        let outputs = if self.holds_outputs() { 0 } else { Routine::OutputBlocks.bit() };
        routines.fold(outputs, |bits, routine| bits | routine.bit())
    }
}
