//! Chooses the largest activation that a layer's 8 bits reach, from the activations of calibration images.

/// Bins of a [`Histogram`]: eight for each of 256 levels, as `TensorRT` has it.
const BINS: usize = 2048;
/// Levels of an activation that is not below 0.
pub(super) const LEVELS: usize = 256;
/// Levels of the magnitude of one that has both signs.
pub(super) const SIGNED_LEVELS: usize = 128;
/// Share of the active values that [`RangeEstimator::Percentile`] keeps below the limit.
const PERCENTILE: f64 = 0.9999;

/// A rule for the largest value of a layer that its 8 bits reach; what is above saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeEstimator {
    /// The largest value seen: nothing saturates.
    Max,
    /// 99.99 % of the values above 0 are below.
    Percentile,
    /// The smallest mean squared error, of rounding and saturation together.
    MeanSquare,
    /// The least information lost: the Kullback-Leibler divergence of the distribution before from after.
    ///
    /// Source: Migacz, "8-bit inference with `TensorRT`", GTC 2017.
    Divergence,
}

impl RangeEstimator {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Max, Self::Percentile, Self::MeanSquare, Self::Divergence];

    /// What the command line calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Percentile => "percentile",
            Self::MeanSquare => "mse",
            Self::Divergence => "kl",
        }
    }

    /// What it is, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Max => "The largest activation seen",
            Self::Percentile => "What 99.99 % of the activations above 0 are below",
            Self::MeanSquare => "The smallest mean squared error",
            Self::Divergence => "The smallest Kullback-Leibler divergence",
        }
    }

    /// The limit for values distributed like this; 0 if none is above 0.
    pub(super) fn limit(self, histogram: &Histogram) -> f64 {
        let bins = match self {
            Self::Max => BINS,
            Self::Percentile => histogram.percentile(PERCENTILE),
            Self::MeanSquare => cheapest(candidates(), |bins| histogram.squared_error(bins)),
            Self::Divergence => cheapest(candidates(), |bins| histogram.divergence(bins)),
        };
        histogram.edge(bins)
    }
}

/// How often values above 0 come up, by their size.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    /// Upper edge of the last bin: the largest value.
    peak: f64,
    /// Values that 8 bits tell apart.
    levels: usize,
    bins: Vec<u64>,
}

impl Histogram {
    /// For values up to `peak`.
    pub(super) fn new(peak: f32, levels: usize) -> Self {
        Self { peak: peak.into(), levels, bins: vec![0; BINS] }
    }

    /// Counts those of `values` that are above 0; what is above the peak counts as the peak.
    pub(super) fn count(&mut self, values: impl IntoIterator<Item = f32>) {
        for value in values.into_iter().filter(|&value| value > 0.0) {
            let bin = (f64::from(value) / self.peak * BINS as f64) as usize;
            self.bins[bin.min(BINS - 1)] += 1;
        }
    }

    /// Upper edge of the first `bins`.
    fn edge(&self, bins: usize) -> f64 {
        self.peak * bins as f64 / BINS as f64
    }

    fn percentile(&self, share: f64) -> usize {
        let all: u64 = self.bins.iter().sum();
        let mut below = 0;
        let reaches = |&count: &u64| {
            below += count;
            below as f64 >= share * all as f64
        };
        self.bins.iter().position(reaches).map_or(BINS, |bin| bin + 1)
    }

    /// Summed over all values, if they saturate after this number of bins.
    fn squared_error(&self, bins: usize) -> f64 {
        let limit = self.edge(bins);
        let scale = limit / (self.levels - 1) as f64;
        // rounding errors are spread evenly over a quantum
        let rounding = scale * scale / 12.0;
        let (kept, cut) = self.bins.split_at(bins);
        let saturation = cut.iter().enumerate().map(|(bin, &count)| {
            let beyond = self.edge(bins + bin) + self.edge(1) / 2.0 - limit;
            count as f64 * beyond * beyond
        });
        kept.iter().sum::<u64>() as f64 * rounding + saturation.sum::<f64>()
    }

    /// Of what is left of the first `bins` at so many levels, from these bins with all above in the last one.
    fn divergence(&self, bins: usize) -> f64 {
        let (kept, cut) = self.bins.split_at(bins);
        let mut before: Vec<f64> = kept.iter().map(|&count| count as f64).collect();
        let mut after = vec![0.0; bins];
        for level in 0..self.levels {
            let range = level * bins / self.levels..(level + 1) * bins / self.levels;
            let used = before[range.clone()].iter().filter(|&&count| count > 0.0).count();
            let mean = before[range.clone()].iter().sum::<f64>() / used.max(1) as f64;
            for (after, &before) in after[range.clone()].iter_mut().zip(&before[range]) {
                *after = if before > 0.0 { mean } else { 0.0 };
            }
        }
        if let Some(last) = before.last_mut() {
            *last += cut.iter().sum::<u64>() as f64;
        }
        let (all_before, all_after) = (before.iter().sum::<f64>(), after.iter().sum::<f64>());
        let terms = before.iter().zip(&after).map(|(&before, &after)| {
            let (before, after) = (before / all_before, after / all_after);
            match () {
                () if before <= 0.0 => 0.0,
                () if after <= 0.0 => f64::INFINITY,
                () => before * (before / after).ln(),
            }
        });
        terms.sum()
    }
}

/// The limits that are tried, in bins: whole levels of a full range, from a sixteenth of it.
fn candidates() -> impl Iterator<Item = usize> {
    (BINS / 16..=BINS).step_by(BINS / LEVELS)
}

/// The candidate of the lowest cost; of equals the last, which saturates least.
fn cheapest(candidates: impl Iterator<Item = usize>, cost: impl Fn(usize) -> f64) -> usize {
    let costs = candidates.map(|bins| (bins, cost(bins)));
    let best = costs.min_by(|(a_bins, a), (b_bins, b)| a.total_cmp(b).then(b_bins.cmp(a_bins)));
    best.map_or(BINS, |(bins, _)| bins)
}
