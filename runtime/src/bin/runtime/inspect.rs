//! `runtime inspect`: what a model takes, gives, holds and costs, and all that keeps it from running here.

mod firmware;
mod json;
mod report;
mod text;

use std::collections::BTreeMap;
use std::io::{self, Write};

use network::lowering::{Lowered, Step, WholeNetwork, lower};
use network::onnx::{Graph, GraphFault};
use runtime::preprocess::Preparation;
use runtime::{Baked, Classifier, Options};
use sha2::{Digest, Sha256};

use crate::cli;
use crate::model::{Content, File};

pub(crate) fn run(arguments: &cli::Inspect) -> anyhow::Result<()> {
    let file = match arguments.model() {
        Some(path) => File::read(path)?,
        None => File::embedded_onnx(),
    };
    let description = Description::of(&file)?;
    let mut output = io::stdout().lock();
    if arguments.json {
        writeln!(output, "{}", description.json())?;
    } else {
        write!(output, "{description}")?;
    }
    Ok(())
}

/// What is known of a model file, whether it runs or not.
struct Description {
    name: String,
    bytes: usize,
    /// SHA-256.
    identity: String,
    holds: Holds,
    /// Names of the classes; `None` if neither the file nor its scores tell.
    classes: Option<Vec<String>>,
    /// How a picture becomes what the model takes.
    preparation: Option<Preparation>,
    /// How pixels become its input; `None` if it takes them as they are, or does not run.
    normalization: Option<String>,
    /// What runs; `None` if nothing can.
    lowered: Option<Lowered>,
    /// Everything that keeps it from running; nothing if it runs.
    faults: Vec<Fault>,
}

/// What the file holds.
enum Holds {
    Onnx {
        /// All that is in the file.
        graph: Box<Graph>,
        /// The part of it that makes the scores.
        used: Option<Box<Graph>>,
    },
    Baked(Box<Baked>),
}

/// Why a model does not run.
enum Fault {
    /// Its graph cannot.
    Graph(GraphFault),
    /// Its graph could, but is no model of pictures, or its metadata are damaged.
    Model(String),
}

impl Description {
    fn of(file: &File) -> anyhow::Result<Self> {
        if file.is_baked() { Self::of_baked(file) } else { Self::of_onnx(file) }
    }

    fn new(file: &File, holds: Holds) -> Self {
        Self {
            name: file.name.clone(),
            bytes: file.bytes.len(),
            identity: base16ct::lower::encode_string(&Sha256::digest(&file.bytes)),
            holds,
            classes: None,
            preparation: None,
            normalization: None,
            lowered: None,
            faults: vec![],
        }
    }

    fn of_onnx(file: &File) -> anyhow::Result<Self> {
        let (graph, faults) = file.diagnose()?;
        let checked = if faults.is_empty() { Some(graph.clone().checked()?) } else { None };
        let classes = graph.class_names();
        let used = checked.map(Box::new);
        let mut description =
            Self::new(file, Holds::Onnx { graph: Box::new(graph), used: used.clone() });
        description.classes = classes;
        description.faults = faults.into_iter().map(Fault::Graph).collect();
        if let Some(graph) = used {
            description.lowered = lower(&graph).ok();
            description.run(Classifier::new(&graph, Options::default()));
        }
        Ok(description)
    }

    fn of_baked(file: &File) -> anyhow::Result<Self> {
        let Content::Baked(baked) = file.content()? else { unreachable!("it is baked") };
        let whole = WholeNetwork {
            network: baked.network().clone(),
            takes_pixels: baked.takes_pixels(),
            scores: baked.scores(),
        };
        let classifier = Classifier::of_baked(&baked, Options::default());
        let mut description = Self::new(file, Holds::Baked(baked));
        description.lowered = Some(whole.into());
        description.run(classifier);
        Ok(description)
    }

    /// Adds what building its engine tells.
    fn run(&mut self, classifier: Result<Classifier, runtime::Error>) {
        match classifier {
            Ok(classifier) => {
                self.classes = Some(classifier.classes().to_vec());
                self.preparation = Some(*classifier.preparation());
                self.normalization = normalization(&classifier);
            }
            Err(error) => {
                self.faults.push(Fault::Model(format!("{:#}", anyhow::Error::from(error))));
            }
        }
    }

    fn runs(&self) -> bool {
        self.faults.is_empty()
    }

    /// What the file says about itself, such as how the model was trained.
    fn metadata(&self) -> &BTreeMap<String, String> {
        match &self.holds {
            Holds::Onnx { graph, .. } => &graph.metadata,
            Holds::Baked(baked) => baked.metadata(),
        }
    }

    /// Weights and biases in the file.
    fn parameters(&self) -> usize {
        match &self.holds {
            Holds::Onnx { graph, used } => used.as_ref().unwrap_or(graph).parameters(),
            Holds::Baked(baked) => baked.network().architecture().parameters(),
        }
    }

    /// The steps with their names.
    fn steps(&self) -> Vec<(String, &Step)> {
        let steps = self.lowered.iter();
        steps.flat_map(|lowered| lowered.names().into_iter().zip(&lowered.steps)).collect()
    }

    /// Names of the steps that are no layers.
    fn no_layers(&self) -> Vec<String> {
        let steps = self.steps().into_iter().filter(|(_, step)| step.needs_tract());
        steps.map(|(name, _)| name).collect()
    }
}

/// How pixels become what a model with float input takes.
fn normalization(classifier: &Classifier) -> Option<String> {
    if classifier.takes_pixels() {
        return None;
    }
    if classifier.assumes_normalization() {
        let unknown = "given as 0 to 1, since the file does not say; --mean and --std do";
        return Some(unknown.into());
    }
    let [(_, mean), (_, std)] = classifier.float_input().emit();
    Some(format!("given as (pixel / 255 − mean) / std, mean {mean}, std {std}"))
}

/// What runs a step.
fn engine(step: &Step) -> &'static str {
    if step.needs_tract() { "tract" } else { "native" }
}
