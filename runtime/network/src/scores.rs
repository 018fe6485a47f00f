//! What the outputs of a network mean.

/// What the outputs of a network mean, one for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scores {
    /// Unbounded; their softmax are probabilities. Logarithms of probabilities are such scores too.
    #[default]
    Logits,
    /// A softmax of the logits: probabilities of sum 1.
    Probabilities,
    /// A sigmoid of each logit: each class has a probability of its own.
    Independent,
}
