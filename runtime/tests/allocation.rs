//! What a session allocates: nothing after its first batches.

use std::alloc::System;

use runtime::{Classifier, Image};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let classifier = Classifier::embedded();
    let images: Vec<Image> =
        (0..64).map(|i| Image::mnist(std::array::from_fn(|at| (at * i % 251) as u8))).collect();
    for threads in [1, 2] {
        let mut session = classifier.session(threads).unwrap();
        for _ in 0..2 {
            session.scores(&images);
            session.scores(&images[..1]);
        }
        let region = Region::new(MEMORY);
        for _ in 0..10 {
            session.scores(&images);
            session.scores(&images[..1]);
        }
        let change = region.change();
        assert_eq!((change.allocations, change.reallocations), (0, 0), "with {threads} threads");
    }
}
