//! Steps in order, each of which makes one value of earlier ones, in memory that is planned when a model is loaded.

use std::mem;
use std::sync::Arc;

use network::{Affine, Architecture, Kind, Layer, Network};

use super::layer::{CompiledLayer, Workspace};
use super::{Observer, Operator, Weights, layouts};
use crate::input::FloatInput;
use crate::kernels::{Aligned, Instructions};

/// Maximum images that go through a step together, so that a dense layer's weights are read once for all of them.
const MAX_MICRO_BATCH: usize = 32;

/// Floats of the largest value of a micro-batch, at most: values stay in the cache from one step to the next.
const MAX_MICRO_BATCH_FLOATS: usize = 1 << 17;

/// Minimum maps for a thread of its own: with fewer, waking it takes longer than its work.
const MIN_MAPS: usize = 8;

/// What a model does to its input, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    steps: Vec<Step>,
    instructions: Instructions,
    /// Images that go through a step together.
    micro_batch: usize,
    /// Values of one image that go in.
    inputs: usize,
    /// Whether the pixels go in as they are.
    takes_pixels: bool,
    /// Whether the first step alone reads the input, and can read bytes.
    first_reads_bytes: bool,
    /// Buffers for values: one is used again when its value is not needed any more.
    slots: usize,
}

/// One step, with the places of its values.
#[derive(Debug, Clone)]
struct Step {
    work: Work,
    sources: Vec<Place>,
    slot: usize,
    /// Values of one image that it makes.
    outputs: usize,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Input,
    Slot(usize),
}

/// What a step computes.
#[derive(Debug, Clone)]
enum Work {
    Layer(Arc<CompiledLayer>),
    #[cfg(feature = "tract")]
    Plan(Arc<network::plan::Plan>),
}

/// What is to be compiled to a step.
enum Source<'a> {
    Layer(&'a Layer, Weights<'a>),
    #[cfg(feature = "tract")]
    Plan(&'a Arc<network::plan::Plan>),
}

/// Memory for runs, which is kept from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    workspace: Workspace,
    pixels: Vec<u8>,
    /// The pixels as numbers.
    input: Vec<f32>,
    slots: Vec<Aligned>,
}

impl Program {
    /// Compiles the layers of a network.
    pub(crate) fn of_network(
        network: &Network,
        takes_pixels: bool,
        instructions: Instructions,
    ) -> Self {
        let weights = network.layers().map(|(_, affine)| Weights::Floats(affine));
        Self::of_layers(network.architecture(), weights, takes_pixels, instructions)
    }

    /// Compiles layers that follow each other, of which each has its weights.
    pub(crate) fn of_layers<'a>(
        architecture: &'a Architecture,
        weights: impl IntoIterator<Item = Weights<'a>>,
        takes_pixels: bool,
        instructions: Instructions,
    ) -> Self {
        let steps = architecture.layers().iter().zip(weights).map(|(layer, weights)| {
            let outputs = layer.output().iter().product();
            (Source::Layer(layer, weights), layer.sources().collect(), outputs)
        });
        let inputs = architecture.input().iter().product();
        Self::new(steps.collect(), inputs, takes_pixels, instructions)
    }

    /// Compiles the layers of a lowered graph; the rest of it runs in tract.
    #[cfg(feature = "tract")]
    pub(crate) fn of_lowered(
        lowered: &network::lowering::Lowered,
        instructions: Instructions,
    ) -> Self {
        use network::lowering::Operation;
        let steps = lowered.steps.iter().map(|step| {
            let source = match &step.operation {
                Operation::Layer(layer, affine) => Source::Layer(layer, Weights::Floats(affine)),
                Operation::Plan(plan) => Source::Plan(plan),
            };
            (source, step.sources.clone(), step.outputs)
        });
        let inputs = lowered.input.iter().product();
        Self::new(steps.collect(), inputs, lowered.takes_pixels, instructions)
    }

    /// Steps with the indices of the values that each takes: 0 is the input, `n` what the `n`th step makes.
    fn new(
        steps: Vec<(Source<'_>, Vec<usize>, usize)>,
        inputs: usize,
        takes_pixels: bool,
        instructions: Instructions,
    ) -> Self {
        let steps = compile(steps, instructions);
        let last = steps.len();
        let largest = steps.iter().map(|(_, _, outputs)| *outputs).max().unwrap_or_default();
        let last_use = |value: usize| {
            let takes = |(_, sources, _): &(Work, Vec<usize>, usize)| sources.contains(&value);
            let used = steps.iter().rposition(takes).map_or(0, |step| step + 1);
            if value == last { usize::MAX } else { used }
        };
        let last_uses: Vec<usize> = (0..=last).map(last_use).collect();
        let first_reads_bytes = last_uses[0] <= 1
            && matches!(steps.first(), Some((Work::Layer(layer), ..)) if layer.reads_bytes());
        // of each slot, the step after which it is free
        let mut busy_until: Vec<usize> = vec![];
        let mut slots = vec![0; last + 1];
        for number in 1..=last {
            let free = busy_until.iter().position(|&until| until < number);
            let slot = free.unwrap_or(busy_until.len());
            busy_until.resize(busy_until.len().max(slot + 1), 0);
            busy_until[slot] = last_uses[number].max(number);
            slots[number] = slot;
        }
        let place = |value: usize| match value {
            0 => Place::Input,
            value => Place::Slot(slots[value]),
        };
        let steps = steps.into_iter().enumerate().map(|(index, (work, sources, outputs))| Step {
            work,
            sources: sources.into_iter().map(place).collect(),
            slot: slots[index + 1],
            outputs,
        });
        let steps = steps.collect();
        let slots = busy_until.len();
        let micro_batch = (MAX_MICRO_BATCH_FLOATS / largest.max(1)).clamp(1, MAX_MICRO_BATCH);
        Self { steps, instructions, micro_batch, inputs, takes_pixels, first_reads_bytes, slots }
    }

    /// Pixels of one image.
    pub(crate) const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Whether pixels go in as they are.
    pub(crate) const fn takes_pixels(&self) -> bool {
        self.takes_pixels
    }

    /// Scores of one image.
    pub(crate) fn outputs(&self) -> usize {
        self.steps.last().map_or(self.inputs, |step| step.outputs)
    }

    /// The steps in the order in which they run.
    pub(crate) fn operators(&self) -> Vec<Operator> {
        let operator = |step: &Step| match &step.work {
            Work::Layer(compiled) => {
                let layer = compiled.layer();
                Operator { name: layer.to_string(), macs: layer.macs() }
            }
            #[cfg(feature = "tract")]
            Work::Plan(plan) => Operator { name: plan.to_string(), macs: plan.macs() },
        };
        self.steps.iter().map(operator).collect()
    }

    /// Writes `[image][score]`; pixels are normalised where the network takes floats.
    ///
    /// Each step is run by a call of `observer`, which gets its number.
    pub(crate) fn run(
        &self,
        images: &[impl AsRef<[u8]>],
        float_input: FloatInput,
        buffers: &mut Buffers,
        scores: &mut Vec<f32>,
        observer: &mut Observer,
    ) {
        scores.clear();
        buffers.slots.resize_with(self.slots.max(buffers.slots.len()), Aligned::default);
        for images in images.chunks(self.micro_batch) {
            let Buffers { workspace, pixels, input, slots } = buffers;
            let bytes = self.takes_pixels && self.first_reads_bytes;
            pixels.clear();
            input.resize(if bytes { 0 } else { images.len() * self.inputs }, 0.0);
            let mut numbers = input.chunks_exact_mut(self.inputs);
            for image in images {
                let image = image.as_ref();
                assert_eq!(image.len(), self.inputs, "pixels of an image");
                match numbers.next() {
                    None => pixels.extend_from_slice(image),
                    Some(numbers) if self.takes_pixels => {
                        for (number, pixel) in numbers.iter_mut().zip(image) {
                            *number = f32::from(*pixel);
                        }
                    }
                    Some(numbers) => float_input.write(image, self.instructions, numbers),
                }
            }
            for (number, step) in self.steps.iter().enumerate() {
                let mut output = mem::take(&mut slots[step.slot]);
                output.set_length(images.len() * step.outputs);
                let value = |place: Place| match place {
                    Place::Input => &input[..],
                    Place::Slot(slot) => &slots[slot],
                };
                observer(number, &mut || match (&step.work, &step.sources[..]) {
                    (Work::Layer(layer), _) if bytes && number == 0 => {
                        layer.run_bytes(pixels, workspace, &mut output);
                    }
                    (Work::Layer(layer), &[source]) => {
                        layer.run(value(source), workspace, &mut output);
                    }
                    (Work::Layer(layer), &[source, other]) => {
                        layer.add(value(source), value(other), &mut output);
                    }
                    (Work::Layer(_), _) => unreachable!("layers take one value or two"),
                    #[cfg(feature = "tract")]
                    (Work::Plan(plan), sources) => {
                        for (image, output) in output.chunks_mut(step.outputs).enumerate() {
                            let inputs = sources.iter().map(|&source| {
                                let values = value(source);
                                let length = values.len() / images.len();
                                &values[image * length..][..length]
                            });
                            let ran = plan.run(inputs, output);
                            ran.expect("none of its operators depends on the values");
                        }
                    }
                });
                slots[step.slot] = output;
            }
            scores.extend_from_slice(self.steps.last().map_or(input, |step| &slots[step.slot]));
        }
    }

    /// Lets `buffers` grow to all that [`Self::run`] will ever need of them.
    pub(crate) fn grow(&self, float_input: FloatInput, buffers: &mut Buffers) {
        let blank = vec![0; self.inputs];
        let images = vec![blank; self.micro_batch];
        self.run(&images, float_input, buffers, &mut vec![], &mut |_, run| run());
    }

    /// Cuts the network for at most `max_parts` threads to work on one image; `None` where that does not pay.
    ///
    /// Each thread computes some maps of the last convolution, after all that is before it, and then what those maps
    /// add to the sums of the dense layer that follows. So the threads meet once, and add up:
    ///
    /// ```text
    /// thread 0:  conv1 ─▶ conv2, maps  0..25 ─▶ dense1, of those inputs ─┐
    /// thread 1:  conv1 ─▶ conv2, maps 25..50 ─▶ dense1, of those inputs ─┴▶ + ─▶ bias, ReLU ─▶ dense2
    /// ```
    pub(crate) fn split(&self, max_parts: usize) -> Option<(Vec<Self>, Reduction)> {
        let layers = self.sequence()?;
        let is_dense =
            |layer: &Arc<CompiledLayer>| matches!(layer.layer().kind(), Kind::Dense { .. });
        let first_dense = layers.iter().position(is_dense)?;
        let (before, [conv, dense, rest @ ..]) =
            layers.split_at_checked(first_dense.checked_sub(1)?)?
        else {
            return None;
        };
        let shape @ [maps, ..] = conv.layer().output();
        let parts = max_parts.min(maps / MIN_MAPS);
        // what is before is done by each
        let repeated: usize = before.iter().map(|layer| layer.layer().macs()).sum();
        if parts < 2 || 2 * repeated > conv.layer().macs() + dense.layer().macs() {
            return None;
        }
        let before: Vec<(Layer, Affine)> =
            before.iter().map(|layer| (layer.layer().clone(), layer.affine())).collect();
        let part = |number: usize| {
            let maps = maps * number / parts..maps * (number + 1) / parts;
            let own = [conv.of_maps(maps.clone())?, dense.of_channels(maps, shape)?];
            let steps = before.iter().chain(&own).enumerate().map(|(index, (layer, affine))| {
                let outputs = layer.output().iter().product();
                (Source::Layer(layer, Weights::Floats(affine)), vec![index], outputs)
            });
            Some(Self::new(steps.collect(), self.inputs, self.takes_pixels, self.instructions))
        };
        let reduction = Reduction { dense: Arc::clone(dense), rest: rest.to_vec() };
        Some(((0..parts).map(part).collect::<Option<_>>()?, reduction))
    }

    /// The layers, if each takes what the one before it gives and there is nothing else.
    fn sequence(&self) -> Option<Vec<Arc<CompiledLayer>>> {
        let mut place = Place::Input;
        let mut layers = vec![];
        for step in &self.steps {
            match &step.work {
                Work::Layer(layer) if step.sources == [place] => layers.push(Arc::clone(layer)),
                _ => return None,
            }
            place = Place::Slot(step.slot);
        }
        Some(layers)
    }
}

/// The steps with their weights packed for the layouts of their values.
fn compile(
    steps: Vec<(Source<'_>, Vec<usize>, usize)>,
    instructions: Instructions,
) -> Vec<(Work, Vec<usize>, usize)> {
    let layers = steps.iter().map(|(source, sources, _)| {
        let layer = match source {
            Source::Layer(layer, _) => Some(*layer),
            #[cfg(feature = "tract")]
            Source::Plan(_) => None,
        };
        layouts::Step { layer, sources }
    });
    let layouts = layouts::assign(&layers.collect::<Vec<_>>(), instructions);
    let compiled = steps.into_iter().enumerate().map(|(index, (source, sources, outputs))| {
        let work = match source {
            Source::Layer(layer, weights) => {
                let layouts = [layouts[sources[0]], layouts[index + 1]];
                let layer = CompiledLayer::fastest(layer, weights, instructions, layouts);
                Work::Layer(Arc::new(layer))
            }
            #[cfg(feature = "tract")]
            Source::Plan(plan) => Work::Plan(Arc::clone(plan)),
        };
        (work, sources, outputs)
    });
    compiled.collect()
}

/// What happens to the added sums of all parts of a network.
#[derive(Debug)]
pub(crate) struct Reduction {
    /// The layer whose sums they are.
    dense: Arc<CompiledLayer>,
    rest: Vec<Arc<CompiledLayer>>,
}

impl Reduction {
    /// Puts the scores into `scores`; the sums are used up.
    pub(crate) fn finish(&self, sums: &mut Vec<f32>, buffers: &mut Buffers, scores: &mut Vec<f32>) {
        self.dense.finish(sums);
        mem::swap(sums, scores);
        for layer in &self.rest {
            mem::swap(sums, scores);
            scores.resize(layer.outputs(), 0.0);
            layer.run(sums, &mut buffers.workspace, scores);
        }
    }
}
