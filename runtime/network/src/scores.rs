//! What the outputs of a network mean.

/// What the outputs of a network mean, one for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scores {
    /// Logits: unbounded; their softmax are probabilities. Logarithms of probabilities are such scores too.
    #[default]
    Logits,
    /// Probabilities of sum 1, as a softmax gives them.
    Probabilities,
    /// Logits of which each stands for itself: its sigmoid is the probability of its class.
    Independent,
}
