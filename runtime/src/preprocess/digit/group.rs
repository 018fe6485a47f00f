//! Strokes that hang together: where they are, and how likely they are the digit.

use std::collections::BTreeMap;

use super::regions::Labels;

/// Minimum height of a digit beside another one, and gap between them, in parts of the other's size: what is less is
/// a stroke of the same digit.
const MIN_BESIDE: [f32; 2] = [0.45, 0.07];
/// Minimum width of a flat stroke, such as an underline, in its heights.
const MIN_FLAT: u32 = 4;

/// Strokes that hang together, or nearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) label: u32,
    pub(super) area: u32,
    pub(super) left: u32,
    pub(super) top: u32,
    /// Inclusive, as is the next.
    pub(super) right: u32,
    pub(super) bottom: u32,
    pub(super) touches_border: bool,
}

/// One group per label.
pub(super) fn groups(labels: &Labels) -> Vec<Group> {
    let mut groups = BTreeMap::<u32, Group>::new();
    for (x, y, label) in labels.enumerate_pixels().filter(|(_, _, label)| label.0[0] > 0) {
        let label = label.0[0];
        groups.entry(label).or_insert(Group::empty(label)).add(x, y, labels.dimensions());
    }
    groups.into_values().collect()
}

impl Group {
    const fn empty(label: u32) -> Self {
        let (left, top) = (u32::MAX, u32::MAX);
        Self { label, area: 0, left, top, right: 0, bottom: 0, touches_border: false }
    }

    fn add(&mut self, x: u32, y: u32, (width, height): (u32, u32)) {
        self.area += 1;
        (self.left, self.right) = (self.left.min(x), self.right.max(x));
        (self.top, self.bottom) = (self.top.min(y), self.bottom.max(y));
        self.touches_border |= x == 0 || y == 0 || x + 1 == width || y + 1 == height;
    }

    /// The smallest group that holds both.
    pub(super) fn with(&self, other: &Self) -> Self {
        Self {
            label: self.label,
            area: self.area + other.area,
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
            touches_border: self.touches_border || other.touches_border,
        }
    }

    pub(super) fn width(&self) -> u32 {
        self.right - self.left + 1
    }

    pub(super) fn height(&self) -> u32 {
        self.bottom - self.top + 1
    }

    pub(super) fn size(&self) -> u32 {
        self.width().max(self.height())
    }

    pub(super) fn is_flat(&self) -> bool {
        self.width() >= MIN_FLAT * self.height()
    }

    pub(super) fn holds(&self, other: &Self) -> bool {
        other.left > self.left
            && other.right < self.right
            && other.top > self.top
            && other.bottom < self.bottom
    }

    /// Whether it stands left or right of `other` as another digit would, `gap` pixels away.
    pub(super) fn stands_beside(&self, other: &Self, gap: f32) -> bool {
        let [height, min_gap] = MIN_BESIDE;
        (self.right < other.left || self.left > other.right)
            && self.height() as f32 > height * other.size() as f32
            && gap > min_gap * other.size() as f32
    }

    /// How likely it is the digit: large, in the middle, and not cut off.
    pub(super) fn score(&self, (width, height): (u32, u32)) -> f32 {
        let x = (self.left + self.right) as f32 / 2.0 / width as f32 - 0.5;
        let y = (self.top + self.bottom) as f32 / 2.0 / height as f32 - 0.5;
        let central = (1.0 - x.hypot(y)).max(0.1);
        // a neighbour that the picture cuts is often the largest
        let whole = if self.touches_border { 0.4 } else { 1.0 };
        // area alone would prefer a blot to a thin digit, size alone a frame
        self.area as f32 * (self.size() as f32).sqrt() * central * whole
    }
}
