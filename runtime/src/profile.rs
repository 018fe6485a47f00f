//! Where the time of a run goes.

use std::time::{Duration, Instant};

use crate::classifier::Classifier;
use crate::engine::Buffers;
use crate::input::Input;

/// Time that one operator took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorTime {
    /// What it does.
    pub name: String,
    /// Multiply-accumulates for one image; of what tract runs, those of convolutions and products of matrices.
    pub macs: usize,
    /// For all images together.
    pub time: Duration,
}

impl Classifier {
    /// Times each operator of the network over `images`, `batch` at a time, on one thread.
    ///
    /// # Panics
    /// As [`Self::predict`].
    #[must_use]
    pub fn profile(&self, images: &[impl Input], batch: usize) -> Vec<OperatorTime> {
        self.check_shapes(images);
        let operators = self.program().operators().into_iter();
        let mut times: Vec<OperatorTime> = operators
            .map(|operator| OperatorTime {
                name: operator.name,
                macs: operator.macs,
                time: Duration::ZERO,
            })
            .collect();
        let (mut buffers, mut scores) = (Buffers::default(), vec![]);
        for images in images.chunks(batch.max(1)) {
            let observer = &mut |number: usize, run: &mut dyn FnMut()| {
                let started = Instant::now();
                run();
                times[number].time += started.elapsed();
            };
            self.program().run(images, self.float_input(), &mut buffers, &mut scores, observer);
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use network::onnx::Graph;

    use crate::{Classifier, EMBEDDED_MODEL, Image, Kernels, Options, PIXELS};

    #[test]
    fn our_layers_and_tracts_operators_are_timed() {
        let images = vec![Image::mnist([9; PIXELS]); 3];
        let ours = Classifier::embedded().profile(&images, 2);
        let names: Vec<&str> = ours.iter().map(|operator| operator.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "Conv 5x5 1→20 + ReLU + MaxPool 2x2",
                "Conv 5x5 20→50 + ReLU + MaxPool 2x2",
                "Dense 800→500 + ReLU",
                "Dense 500→10",
            ]
        );
        assert_eq!(ours.iter().map(|operator| operator.macs).sum::<usize>(), 2_293_000);
        assert!(ours.iter().all(|operator| !operator.time.is_zero()));
        let graph = Graph::parse(EMBEDDED_MODEL).unwrap();
        let options = Options { kernels: Kernels::Tract, ..Options::default() };
        let tracts = Classifier::new(&graph, options).unwrap().profile(&images, 2);
        assert!(
            matches!(&tracts[..], [all] if all.name.starts_with("tract: Cast → Sub → Mul → Conv"))
        );
        assert_eq!(tracts[0].macs, 2_293_000);
        assert!(!tracts[0].time.is_zero());
    }
}
