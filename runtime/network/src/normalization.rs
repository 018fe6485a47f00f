//! What happens to pixels before the first layer.

/// The first layer takes `(pixel − offset) · scale` of each pixel, 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalization {
    /// Subtracted from the pixel.
    pub offset: f32,
    /// Multiplies the difference.
    pub scale: f32,
}

impl Normalization {
    /// Pixels to −1 to 1: what our trainer's models do.
    pub const CENTRED: Self = Self { offset: 127.5, scale: 1.0 / 127.5 };
}
