//! The operators of ONNX that are taken, with the inputs and settings that each has.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/docs/Changelog.md>.

/// Name, minimum and maximum number of inputs, and names of settings, of operators whose work depends on shapes alone, never
/// on the pixels.
///
/// So a model that ran once, on any picture, runs on every other.
pub(super) const OPERATORS: &[(&str, usize, usize, &[&str])] = &[
    ("Abs", 1, 1, &[]),
    ("Acos", 1, 1, &[]),
    ("Acosh", 1, 1, &[]),
    ("Add", 2, 2, &[]),
    ("Asin", 1, 1, &[]),
    ("Asinh", 1, 1, &[]),
    ("Atan", 1, 1, &[]),
    ("Atanh", 1, 1, &[]),
    (
        "AveragePool",
        1,
        1,
        &[
            "auto_pad",
            "dilations",
            "kernel_shape",
            "pads",
            "strides",
            "ceil_mode",
            "count_include_pad",
        ],
    ),
    ("BatchNormalization", 5, 5, &["epsilon", "momentum", "spatial", "training_mode"]),
    ("Cast", 1, 1, &["to", "saturate"]),
    ("Ceil", 1, 1, &[]),
    ("Celu", 1, 1, &["alpha"]),
    ("Clip", 1, 3, &["min", "max"]),
    ("Concat", 1, 64, &["axis"]),
    ("Constant", 0, 0, &["value", "value_float", "value_floats", "value_int", "value_ints"]),
    ("ConstantOfShape", 1, 1, &["value"]),
    ("Conv", 2, 3, &["auto_pad", "dilations", "kernel_shape", "pads", "strides", "group"]),
    ("Cos", 1, 1, &[]),
    ("Cosh", 1, 1, &[]),
    ("DequantizeLinear", 2, 3, &["axis"]),
    ("Div", 2, 2, &[]),
    ("Dropout", 1, 3, &["ratio", "seed"]),
    ("Elu", 1, 1, &["alpha"]),
    ("Erf", 1, 1, &[]),
    ("Exp", 1, 1, &[]),
    ("Expand", 2, 2, &[]),
    ("Flatten", 1, 1, &["axis"]),
    ("Floor", 1, 1, &[]),
    ("Gather", 2, 2, &["axis"]),
    ("Gelu", 1, 1, &["approximate"]),
    ("Gemm", 2, 3, &["alpha", "beta", "transA", "transB"]),
    ("GlobalAveragePool", 1, 1, &[]),
    ("GlobalMaxPool", 1, 1, &[]),
    ("HardSigmoid", 1, 1, &["alpha", "beta"]),
    ("HardSwish", 1, 1, &[]),
    ("Identity", 1, 1, &[]),
    ("InstanceNormalization", 3, 3, &["epsilon"]),
    ("LRN", 1, 1, &["alpha", "beta", "bias", "size"]),
    ("LayerNormalization", 2, 3, &["axis", "epsilon", "stash_type"]),
    ("LeakyRelu", 1, 1, &["alpha"]),
    ("Log", 1, 1, &[]),
    ("LogSoftmax", 1, 1, &["axis"]),
    ("MatMul", 2, 2, &[]),
    ("Max", 1, 64, &[]),
    (
        "MaxPool",
        1,
        1,
        &["auto_pad", "dilations", "kernel_shape", "pads", "strides", "ceil_mode", "storage_order"],
    ),
    ("Mean", 1, 64, &[]),
    ("MeanVarianceNormalization", 1, 1, &["axes"]),
    ("Min", 1, 64, &[]),
    ("Mish", 1, 1, &[]),
    ("Mul", 2, 2, &[]),
    ("Neg", 1, 1, &[]),
    ("PRelu", 2, 2, &[]),
    ("Pad", 1, 4, &["mode", "pads", "value"]),
    ("Pow", 2, 2, &[]),
    ("QLinearConv", 8, 9, &["auto_pad", "dilations", "kernel_shape", "pads", "strides", "group"]),
    ("QLinearMatMul", 8, 8, &[]),
    ("QuantizeLinear", 2, 3, &["axis", "saturate"]),
    ("Reciprocal", 1, 1, &[]),
    ("ReduceL2", 1, 2, &["axes", "keepdims", "noop_with_empty_axes"]),
    ("ReduceMax", 1, 2, &["axes", "keepdims", "noop_with_empty_axes"]),
    ("ReduceMean", 1, 2, &["axes", "keepdims", "noop_with_empty_axes"]),
    ("ReduceMin", 1, 2, &["axes", "keepdims", "noop_with_empty_axes"]),
    ("ReduceSum", 1, 2, &["axes", "keepdims", "noop_with_empty_axes"]),
    ("Relu", 1, 1, &[]),
    ("Reshape", 2, 2, &["allowzero"]),
    ("Round", 1, 1, &[]),
    ("Selu", 1, 1, &["alpha", "gamma"]),
    ("Shape", 1, 1, &["start", "end"]),
    ("Shrink", 1, 1, &["bias", "lambd"]),
    ("Sigmoid", 1, 1, &[]),
    ("Sign", 1, 1, &[]),
    ("Sin", 1, 1, &[]),
    ("Sinh", 1, 1, &[]),
    ("Slice", 1, 5, &["axes", "starts", "ends"]),
    ("Softmax", 1, 1, &["axis"]),
    ("Softplus", 1, 1, &[]),
    ("Softsign", 1, 1, &[]),
    ("Split", 1, 2, &["axis", "split", "num_outputs"]),
    ("Sqrt", 1, 1, &[]),
    ("Squeeze", 1, 2, &["axes"]),
    ("Sub", 2, 2, &[]),
    ("Sum", 1, 64, &[]),
    ("Swish", 1, 1, &["alpha"]),
    ("Tan", 1, 1, &[]),
    ("Tanh", 1, 1, &[]),
    ("ThresholdedRelu", 1, 1, &["alpha"]),
    ("Transpose", 1, 1, &["perm"]),
    ("Unsqueeze", 1, 2, &["axes"]),
];

/// Operators whose settings became inputs, the first operator set in which they are, and the settings.
///
/// A file that says them in the other way is read differently by each program.
pub(super) const SETTINGS_AS_INPUTS: &[(&str, i64, &[&str])] = &[
    ("Clip", 11, &["min", "max"]),
    ("Dropout", 12, &["ratio"]),
    ("Pad", 11, &["pads", "value"]),
    ("ReduceL2", 18, &["axes"]),
    ("ReduceMax", 18, &["axes"]),
    ("ReduceMean", 18, &["axes"]),
    ("ReduceMin", 18, &["axes"]),
    ("ReduceSum", 13, &["axes"]),
    ("Slice", 10, &["starts", "ends", "axes", "steps"]),
    ("Split", 13, &["split"]),
    ("Squeeze", 13, &["axes"]),
    ("Unsqueeze", 13, &["axes"]),
];

/// Operators that lost settings, and the first operator set in which they have them no more.
pub(super) const SETTINGS_LOST: &[(&str, i64, &[&str])] =
    &[("BatchNormalization", 9, &["spatial"])];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_names_all_operators_and_counts_them() {
        let readme = include_str!("../../../README.md");
        let (_, table) = readme.split_once("| runs | operators |").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let is_missing = |name: &&str| !table.contains(&format!("`{name}`"));
        let missing: Vec<&str> =
            OPERATORS.iter().map(|(name, ..)| *name).filter(is_missing).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let known = |name: &&str| OPERATORS.iter().any(|(op, ..)| op == name);
        let is_operator =
            |name: &&str| name.starts_with(|letter: char| letter.is_ascii_uppercase());
        let unknown: Vec<&str> = table
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| is_operator(name) && !known(name))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let count = format!("[{} operators](runtime/README.md", OPERATORS.len());
        assert!(include_str!("../../../../README.md").contains(&count), "{count}");
    }
}
