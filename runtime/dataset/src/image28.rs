//! The one picture that every model here understands.

/// Width and height of a network's input, in pixels.
pub const IMAGE_SIDE: usize = 28;

/// Pixels of a network's input.
pub const PIXELS: usize = IMAGE_SIDE * IMAGE_SIDE;

/// A 28×28 picture as MNIST stores it: row by row, 0 = background, 255 = ink.
#[derive(Clone, PartialEq, Eq)]
pub struct Image28(pub [u8; PIXELS]);

impl AsRef<[u8]> for Image28 {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Image28 {
    /// Draws the picture, a character a pixel, so that a failing test shows what it saw.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for row in self.0.chunks_exact(IMAGE_SIDE) {
            let line: String = row
                .iter()
                .map(|&ink| char::from(b" .:-=+*#%@"[usize::from(ink) * 10 / 256]))
                .collect();
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
