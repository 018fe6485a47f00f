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
        match (geometry.kind, order) {
            (Kind::MaxPool, _) => Self::MaxPool,
            (Kind::AveragePool, _) if geometry.is_streamed() => Self::StreamedPool,
            (Kind::AveragePool, _) => Self::AveragePool,
            (Kind::Add, _) => Self::Add,
            (Kind::Dense, Some(Order::Blocks)) => Self::DenseBlocks,
            (Kind::Dense, _) => Self::DenseWords,
            (Kind::Depthwise, Some(Order::Blocks)) => Self::DepthwiseBlocks,
            (Kind::Depthwise, Some(Order::Halves)) => Self::DepthwiseHalves,
            (Kind::Depthwise, Some(Order::Strips)) => Self::DepthwiseStrips,
            (Kind::Depthwise, _) => Self::DepthwiseTaps,
            (Kind::Conv, Some(Order::Blocks)) => Self::Threes,
            (Kind::Conv, Some(Order::Grey)) => Self::Grey,
            (Kind::Conv, Some(Order::Windows(3))) => Self::Window3,
            (Kind::Conv, Some(Order::Windows(_))) => Self::Window5,
            (Kind::Conv, _) => Self::Fours,
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
        routines.fold(0, |bits, routine| bits | routine.bit())
    }
}
