//! The order in which one image's values lie in memory, and copies of them with their padding.
//!
//! Vectors over neighbouring pixels want each channel as a picture of its own; vectors over channels want the channels
//! of a pixel beside each other. A layer whose windows reach over the border reads a **frame**: its input with the
//! padding around it, so that no window is a special case.

use network::{Conv, Padding, Shape};

/// Order of one image's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[channel][row][column]`
    ChannelsFirst,
    /// `[row][column][channel]`
    ChannelsLast,
}

/// Writes `[channel][pixel]` of `[pixel][channel]`.
pub(crate) fn channels_first(from: &[f32], channels: usize, to: &mut [f32]) {
    /// Channels that are written together: as many as a line of the cache holds.
    const BLOCK: usize = 16;
    let pixels = from.len() / channels;
    for (to, first) in to.chunks_mut(BLOCK * pixels).zip((0..).step_by(BLOCK)) {
        let width = to.len() / pixels;
        for (pixel, from) in from.chunks_exact(channels).enumerate() {
            for (to, value) in to[pixel..].iter_mut().step_by(pixels).zip(&from[first..][..width]) {
                *to = *value;
            }
        }
    }
}

/// For each place of `[row][column][channel]`, where `[channel][row][column]` has that value.
pub(crate) fn places_of_channels_last(
    [channels, height, width]: Shape,
) -> impl Iterator<Item = usize> {
    let pixels = height * width;
    (0..pixels).flat_map(move |pixel| (0..channels).map(move |channel| channel * pixels + pixel))
}

/// An input with its padding around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    input: Shape,
    input_layout: Layout,
    layout: Layout,
    /// Rows above the input and columns on its left.
    before: [usize; 2],
    /// Rows and columns: as far as windows reach.
    size: [usize; 2],
    /// A row holds its columns number 0, `step`, 2 · `step`, … first, then those from 1, and so on.
    step: usize,
    /// Each channel is there this many times.
    repeat: usize,
}

impl Frame {
    /// What `windows` windows down and to the right see, in the order in which the input lies.
    pub(crate) const fn new(
        input: Shape,
        input_layout: Layout,
        conv: &Conv,
        windows: [usize; 2],
    ) -> Self {
        let [_, height, width] = input;
        let Padding { top, left, .. } = conv.padding;
        let mut size = [
            (windows[0] - 1) * conv.stride[0] + conv.kernel[0],
            (windows[1] - 1) * conv.stride[1] + conv.kernel[1],
        ];
        if conv.padding.is_none() {
            // then it is the input itself
            size = [height, width];
        }
        let layout = input_layout;
        Self { input, input_layout, layout, before: [top, left], size, step: 1, repeat: 1 }
    }

    /// The same with the channels last, each of them `repeat` times, and columns that are `step` apart side by side.
    pub(crate) const fn with_channels_last(self, step: usize, repeat: usize) -> Self {
        Self { layout: Layout::ChannelsLast, step, repeat, ..self }
    }

    /// Whether it is the input itself.
    pub(crate) const fn is_input(&self) -> bool {
        let [_, height, width] = self.input;
        self.before[0] == 0
            && self.before[1] == 0
            && self.size[0] == height
            && self.size[1] == width
            && self.is_in_order()
    }

    /// Whether rows lie in it as in the input.
    const fn is_in_order(&self) -> bool {
        let both = matches!(
            (self.input_layout, self.layout),
            (Layout::ChannelsFirst, Layout::ChannelsFirst)
                | (Layout::ChannelsLast, Layout::ChannelsLast)
        );
        both && self.step == 1 && self.repeat == 1
    }

    /// Floats of a pixel that lie together.
    const fn pixel_length(&self) -> usize {
        match self.layout {
            Layout::ChannelsFirst => 1,
            Layout::ChannelsLast => self.input[0] * self.repeat,
        }
    }

    /// Floats from one row to the next.
    const fn row_length(&self) -> usize {
        self.size[1].next_multiple_of(self.step) * self.pixel_length()
    }

    /// Rows, with those of the padding.
    pub(crate) const fn rows(&self) -> usize {
        self.size[0]
    }

    /// Floats in it.
    pub(crate) const fn length(&self) -> usize {
        let plane = self.size[0] * self.row_length();
        match self.layout {
            Layout::ChannelsFirst => self.input[0] * plane,
            Layout::ChannelsLast => plane,
        }
    }

    /// Where this value lies.
    pub(crate) const fn offset(&self, channel: usize, row: usize, column: usize) -> usize {
        let beside = self.size[1].div_ceil(self.step);
        let place = column % self.step * beside + column / self.step;
        let in_plane = row * self.row_length() + place * self.pixel_length();
        match self.layout {
            Layout::ChannelsFirst => channel * self.size[0] * self.row_length() + in_plane,
            Layout::ChannelsLast => in_plane + channel,
        }
    }

    /// Copies `input` into `frame`, and zeros around it. Longer vectors would not copy faster.
    #[inline(never)]
    pub(crate) fn fill(&self, input: &[f32], frame: &mut [f32]) {
        if self.is_in_order() {
            self.fill_rows(input, frame);
        } else {
            self.fill_pixels(input, frame);
        }
    }

    fn fill_rows(&self, input: &[f32], frame: &mut [f32]) {
        let [channels, height, width] = self.input;
        let pixel = self.pixel_length();
        let row_length = self.row_length();
        // windows a large step apart may not reach the input
        let left = (self.before[1] * pixel).min(row_length);
        let inside = (width * pixel).min(row_length - left);
        let top = self.before[0].min(self.size[0]);
        let rows = height.min(self.size[0] - top);
        let planes = frame.chunks_exact_mut(self.size[0] * row_length);
        for (plane, to) in input.chunks_exact(height * width * pixel).zip(planes) {
            // zeros as far as the first row's values, and after each row as far as the next one's
            let (border, mut to) = to.split_at_mut((top * row_length + left).min(to.len()));
            border.fill(0.0);
            for from in plane.chunks_exact(width * pixel).take(rows) {
                to[..inside].copy_from_slice(&from[..inside]);
                let between = row_length.min(to.len());
                to[inside..between].fill(0.0);
                to = &mut to[between..];
            }
            to.fill(0.0);
        }
        debug_assert_eq!(self.length(), channels / pixel * self.size[0] * row_length);
    }

    fn fill_pixels(&self, input: &[f32], frame: &mut [f32]) {
        let [channels, height, width] = self.input;
        let [top, left] = self.before;
        frame[..self.length()].fill(0.0);
        let rows = height.min(self.size[0].saturating_sub(top));
        let columns = width.min(self.size[1].saturating_sub(left));
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)))
        {
            let to = &mut frame[self.offset(0, top + row, left + column)..];
            let pixel = row * width + column;
            match self.input_layout {
                Layout::ChannelsLast => {
                    let from = &input[pixel * channels..][..channels];
                    for (to, value) in to.chunks_exact_mut(self.repeat).zip(from) {
                        to.fill(*value);
                    }
                }
                Layout::ChannelsFirst => {
                    let from = input[pixel..].iter().step_by(height * width);
                    for (to, value) in to.chunks_exact_mut(self.repeat).zip(from) {
                        to.fill(*value);
                    }
                }
            }
        }
    }
}
