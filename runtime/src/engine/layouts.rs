//! Which values of a program have their channels last.

use network::Layer;

use super::layer::Layouts;
use crate::kernels::{Instructions, Layout};

/// A step, for the purpose of layouts: a layer, or what takes and gives channels first.
pub(super) struct Step<'a> {
    pub(super) layer: Option<&'a Layer>,
    /// Indices of the values that it takes: 0 is the input, `n` what the `n`th step makes.
    pub(super) sources: &'a [usize],
}

/// The layout of each value: of the input, and of what each step makes.
///
/// The channels are last where the kernel that makes a value puts them there and all that take it can do with that; so
/// values are copied from one layout to the other only between layers that differ. The input and the last value have
/// their channels first, as everybody has them.
pub(super) fn assign(steps: &[Step<'_>], instructions: Instructions) -> Vec<Layout> {
    let layouts_of = |step: &Step<'_>| match step.layer {
        Some(layer) => Layouts::of_fastest(layer, instructions),
        None => Layouts::First,
    };
    let mut last: Vec<bool> = vec![false];
    last.extend(steps.iter().map(|step| matches!(layouts_of(step), Layouts::Last | Layouts::Same)));
    if let Some(scores) = last.last_mut() {
        *scores = false;
    }
    // each round makes at least one value's channels first
    loop {
        let before = last.clone();
        for (index, step) in steps.iter().enumerate() {
            let made = index + 1;
            let is_pixel = step.layer.is_some_and(|layer| layer.output()[1..] == [1; 2]);
            let layouts = layouts_of(step);
            let mut tied = step.sources.to_vec();
            if !is_pixel {
                tied.push(made);
            }
            let differ = layouts == Layouts::Same && tied.iter().any(|&value| !last[value]);
            for &source in step.sources {
                let shape = source.checked_sub(1).and_then(|step| steps[step].layer);
                let reshaped = shape.map(Layer::output) != step.layer.map(Layer::input);
                last[source] &= !(differ || reshaped || layouts == Layouts::First);
            }
            last[made] &= is_pixel || !differ;
        }
        if before == last {
            break;
        }
    }
    let layout = |last| if last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
    last.into_iter().map(layout).collect()
}

#[cfg(test)]
mod tests {
    use network::{Activation, Architecture, Conv, Kind, Padding, Pool, PoolMode};

    use super::*;

    fn assigned(architecture: &Architecture) -> String {
        let sources: Vec<Vec<usize>> =
            architecture.layers().iter().map(|layer| layer.sources().collect()).collect();
        let steps = architecture.layers().iter().zip(&sources);
        let steps: Vec<Step<'_>> =
            steps.map(|(layer, sources)| Step { layer: Some(layer), sources }).collect();
        let letter = |layout| if layout == Layout::ChannelsLast { 'l' } else { 'f' };
        assign(&steps, Instructions::default()).into_iter().map(letter).collect()
    }

    fn padded(maps: usize) -> Kind {
        Kind::Conv(Conv { padding: Padding::even(1), ..Conv::new(maps, [3, 3]) })
    }

    fn dense(outputs: usize) -> Kind {
        Kind::Dense { outputs, activation: Activation::None }
    }

    #[test]
    fn channels_are_last_between_layers_that_can_do_with_it() {
        assert_eq!(assigned(&Architecture::lenet(10)), "fflff");
        let pool = Kind::Pool(Pool::new(PoolMode::Average, [8, 8]));
        let plain = Kind::Conv(Conv::new(4, [3, 3]));
        let of = |kinds| assigned(&Architecture::new([3, 8, 8], kinds).unwrap());
        assert_eq!(of(vec![padded(8), padded(8), pool, dense(4)]), "flllf");
        assert_eq!(of(vec![padded(8), plain, padded(8), dense(4)]), "ffflf");
        assert_eq!(of(vec![padded(8), plain]), "fff");
    }

    #[test]
    fn values_that_are_added_lie_alike() {
        let add = |other| Kind::Add { other, activation: Activation::None };
        let of = |kinds: Vec<(usize, Kind)>| {
            assigned(&Architecture::connected([8, 8, 8], kinds).unwrap())
        };
        assert_eq!(of(vec![(0, padded(8)), (1, padded(8)), (2, add(1)), (3, dense(2))]), "flllf");
        // the input is not last
        assert_eq!(of(vec![(0, padded(8)), (1, padded(8)), (2, add(0)), (3, dense(2))]), "flfff");
    }
}
