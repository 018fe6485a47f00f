//! Sizes of the network; everything else is derived from these.

/// Side of the image, in pixels.
pub const IMAGE_SIDE: usize = 28;
/// Side of both convolutions' kernels; no padding, stride 1.
pub const KERNEL: usize = 5;
/// Side and stride of both poolings.
pub const POOL: usize = 2;
/// Feature maps after the first stage.
pub const MAPS1: usize = 20;
/// Feature maps after the second stage.
pub const MAPS2: usize = 50;
/// Features between the two dense layers.
pub const HIDDEN: usize = 500;
/// Classes.
pub const CLASSES: usize = 10;

/// Weights of a kernel, for one input map.
pub const KERNEL_ELEMENTS: usize = KERNEL * KERNEL;
/// Side of a map after the first convolution.
pub const CONV1_SIDE: usize = convolved(IMAGE_SIDE);
/// Side of a map after the first stage.
pub const SIDE1: usize = CONV1_SIDE / POOL;
/// Side of a map after the second convolution.
pub const CONV2_SIDE: usize = convolved(SIDE1);
/// Side of a map after the second stage.
pub const SIDE2: usize = CONV2_SIDE / POOL;
/// Weights of one map of the second convolution.
pub const FAN_IN2: usize = MAPS1 * KERNEL_ELEMENTS;
/// Features that enter the first dense layer: `[map][row][column]`.
pub const FLAT: usize = MAPS2 * SIDE2 * SIDE2;
/// Side of the square of inputs that one pooled output needs.
pub const WINDOW: usize = KERNEL + POOL - 1;
/// Pixels of an image.
pub const PIXELS: usize = IMAGE_SIDE * IMAGE_SIDE;

const _: () =
    assert!(CONV1_SIDE == 24 && SIDE1 == 12 && CONV2_SIDE == 8 && SIDE2 == 4 && FLAT == 800);

const fn convolved(side: usize) -> usize {
    side - KERNEL + 1
}
