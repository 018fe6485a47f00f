//! Each clause of the check that a model passes before tract sees it: our model, with one part changed.

mod edit;
mod second_file;

use runtime::{Classifier, EMBEDDED_MODEL, Error};
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto,
};

use edit::*;

#[test]
fn unchanged_it_loads() {
    assert_eq!(refusal(|_| ()), "it loads");
}

#[test]
fn a_file_over_64_mib_is_not_read_on() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len((64 << 20) + 1).unwrap();
    let refusal = Classifier::load(file.path()).unwrap_err().to_string();
    assert!(refusal.contains("holds more than 67108864 bytes"), "{refusal}");
    file.as_file().set_len(64 << 20).unwrap();
    let Err(Error::Model(refusal)) = Classifier::load(file.path()) else { panic!() };
    let network::Error::File { source, .. } = refusal else { panic!("{refusal}") };
    assert!(matches!(*source, network::Error::NotOnnx(_)), "{source}");
}

#[test]
fn operators_are_known_ones_of_onnx_in_a_known_version() {
    let opset = |version| move |model: &mut ModelProto| model.opset_import[0].version = version;
    assert_refused("operator set 6, expected 7 to 28", opset(6));
    assert_refused("operator set 29, expected 7 to 28", opset(29));
    assert_refused("operator set -9223372036854775808", opset(i64::MIN));
    assert_refused("no operator set", |model| model.opset_import.clear());
    assert_refused("no operator set", |model| {
        model.opset_import =
            vec![OperatorSetIdProto { domain: "com.microsoft".into(), version: 1 }];
    });
    assert_node_refused("com.microsoft.Relu", "Relu", |node| node.domain = "com.microsoft".into());
    for op in ["If", "Loop", "Scan", "NonZero", "Resize", "Where", "relu", ""] {
        let reason = format!("is a {op}, which is not supported");
        assert_node_refused(&reason, "Relu", |node| node.op_type = op.into());
    }
    assert_node_refused("control flow", "Relu", |node| {
        let g = Some(GraphProto::default());
        node.attribute.push(AttributeProto { g, ..int("then_branch", 0) });
    });
}

#[test]
fn the_file_format_is_of_a_known_version() {
    let version = |version| move |model: &mut ModelProto| model.ir_version = version;
    for unknown in [i64::MIN, 0, 2, 16, 999] {
        assert_refused(&format!("IR version {unknown}, expected 3 to 15"), version(unknown));
    }
    for known in [3, 15] {
        assert_eq!(refusal(version(known)), "it loads");
    }
}

#[test]
fn quantised_models_and_training_outputs_are_named_as_such() {
    for op in ["DynamicQuantizeLinear", "ConvInteger", "QLinearAdd"] {
        let reason =
            format!("is a {op}, which is not supported: these int8 operators are not read");
        assert_node_refused(&reason, "Relu", |node| node.op_type = op.into());
    }
    // the second output of a Dropout is its mask, for training
    let with_mask = |graph: &mut GraphProto| {
        append(graph, "Dropout", &[], &[]);
        let dropout = graph.node.last_mut().unwrap();
        dropout.output = vec!["dropped".into(), "mask".into()];
        graph.output[0].name = "dropped".into();
    };
    let unread = |model: &mut ModelProto| with_mask(model.graph.as_mut().unwrap());
    assert_eq!(refusal(unread), "it loads");
    assert_graph_refused("(Dropout) has 2 outputs, of which only the first is computed", |graph| {
        with_mask(graph);
        append(graph, "Add", &["mask"], &[]);
    });
}

#[test]
fn what_is_declared_of_the_output_is_true() {
    assert_graph_refused(
        "its output is declared as int64 [batch, 10], but is float32 [1, 10]",
        |graph| tensor_type(&mut graph.output[0]).elem_type = DataType::Int64.into(),
    );
    for declared in [vec![symbol("batch"), length(11)], vec![length(11)], vec![length(1); 3]] {
        assert_graph_refused("its output is declared as float32 [", |graph| {
            *axes(&mut graph.output[0]) = declared.clone();
        });
    }
    assert_eq!(
        refusal(|model| model.graph.as_mut().unwrap().output[0].r#type = None),
        "it loads",
        "it may be left out"
    );
}

#[test]
fn every_class_has_a_name() {
    for (names, class) in [(",,,,,,,,,", 0), ("0,1,2,3, ,5,6,7,8,9", 4), ("0,1,2,3,4,5,6,7,8,", 9)]
    {
        assert_refused(&format!("its metadata name class {class} \"\""), |model| {
            model.metadata_props.retain(|pair| pair.key != "classes");
            let pair = StringStringEntryProto { key: "classes".into(), value: names.into() };
            model.metadata_props.push(pair);
        });
    }
}

#[test]
fn data_outside_the_file_is_never_looked_for() {
    let location =
        |path: &str| StringStringEntryProto { key: "location".into(), value: path.into() };
    for path in ["weights.bin", "../weights.bin", "/etc/passwd"] {
        assert_graph_refused("lies in a second file", |graph| {
            let weights = weights(graph);
            weights.raw_data.clear();
            weights.external_data = vec![location(path)];
            weights.data_location = Some(DataLocation::External.into());
        });
        // a file may leave out where its data lie
        assert_graph_refused("lies in a second file", |graph| {
            weights(graph).external_data = vec![location(path)];
        });
    }
}

#[test]
fn every_constant_is_there_and_finite() {
    let refused = |reason: &str, change: fn(&mut TensorProto)| {
        assert_graph_refused(reason, |graph| change(weights(graph)));
    };
    refused("not as long as its shape", |weights| weights.raw_data.truncate(1_999));
    refused("not as long as its shape", |weights| weights.raw_data.truncate(96));
    refused("not as long as its shape", |weights| weights.raw_data.clear());
    refused("not as long as its shape", |weights| weights.raw_data.extend([0; 4]));
    refused("NaN or infinity", |weights| {
        weights.raw_data[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    refused("NaN or infinity", |weights| {
        weights.raw_data[4..8].copy_from_slice(&f32::NEG_INFINITY.to_le_bytes());
    });
    refused("not as long as its shape", |weights| weights.data_type = DataType::Double.into());
    refused(
        "reads `conv1.weight`, whose elements are complex64, which is not supported",
        |weights| {
            weights.data_type = DataType::Complex64.into();
        },
    );
    refused("whose elements are undefined", |weights| weights.data_type = 99);
    assert_node_refused("`beta` is out of range", "Gemm", |node| {
        set(node, float("beta", f32::NAN));
    });
    assert_graph_refused("attribute `value_float` is out of range", |graph| {
        append(graph, "Add", &["infinite"], &[]);
        let made = NodeProto {
            op_type: "Constant".into(),
            output: vec!["infinite".into()],
            attribute: vec![float("value_float", f32::NAN)],
            ..NodeProto::default()
        };
        graph.node.insert(0, made);
    });
}

#[test]
fn shapes_of_constants_are_positive_and_few_and_do_not_overflow() {
    let refused = |reason: &str, dims: &[i64]| {
        assert_graph_refused(reason, |graph| weights(graph).dims = dims.to_vec());
    };
    refused("negative length", &[-20, 1, 5, 5]);
    refused("not as long as its shape", &[20, 0, 5, 5]);
    refused("overflows", &[1 << 62, 1 << 62]);
    refused("overflows", &[i64::MAX, 3]);
    refused("not as long as its shape", &[i64::MAX]);
    refused("too many axes", &[1; 9]);
    refused("must be [out, in, rows, columns]", &[500]);
}

#[test]
fn every_value_is_made_once_before_it_is_read() {
    assert_graph_refused("made by nothing", |graph| {
        graph.output[0].name = "nowhere".into();
    });
    // neither is a constant an output, nor the input
    assert_graph_refused("made by nothing", |graph| {
        graph.output[0].name = weights(graph).name.clone();
    });
    assert_graph_refused("made by nothing", |graph| {
        graph.output[0].name = graph.input[0].name.clone();
    });
    // a cycle
    assert_graph_refused("made by nothing before it", |graph| {
        let last = graph.output[0].name.clone();
        node(graph, "Conv").input[0] = last;
    });
    let reversed = |model: &mut ModelProto| model.graph.as_mut().unwrap().node.reverse();
    assert_eq!(refusal(reversed), "it loads");
    assert_graph_refused("made twice", |graph| {
        let input = graph.input[0].name.clone();
        node(graph, "Conv").output[0] = input;
    });
    assert_graph_refused("made twice", |graph| {
        let twice = graph.initializer[0].clone();
        graph.initializer.push(twice);
    });
    assert_graph_refused("made twice", |graph| {
        let name = weights(graph).name.clone();
        node(graph, "Relu").output[0] = name;
    });
    assert_graph_refused("made twice", |graph| {
        let twice = NodeProto {
            op_type: "Constant".into(),
            output: vec![weights(graph).name.clone()],
            attribute: vec![float("value_float", 1.0)],
            ..NodeProto::default()
        };
        graph.node.insert(0, twice);
    });
    assert_graph_refused("made twice", |graph| {
        let twice = graph.input[0].clone();
        graph.input.push(twice);
    });
    assert_node_refused("has 2 outputs", "Relu", |node| node.output.push("mask".into()));
    assert_node_refused("made by nothing before it", "Relu", |node| node.output.clear());
    // inputs at the end may be left out, others not
    let unnamed = |model: &mut ModelProto| {
        let graph = model.graph.as_mut().unwrap();
        node(graph, "Conv").input[2].clear();
        node(graph, "Relu").input.push(String::new());
    };
    assert_eq!(refusal(unnamed), "it loads");
    assert_node_refused("has 3 inputs", "Conv", |node| node.input[1].clear());
    assert_node_refused("has 1 inputs", "Conv", |node| node.input.truncate(1));
}

#[test]
fn the_input_is_one_image_a_batch_entry() {
    let shaped = |shape: &[Dimension]| {
        let shape = shape.to_vec();
        move |graph: &mut GraphProto| *axes(&mut graph.input[0]) = shape
    };
    let refused = |reason: &str, shape: &[Dimension]| assert_graph_refused(reason, shaped(shape));
    let side = || length(28);
    refused("cannot take inputs", &[symbol("batch"), length(3), side(), side()]);
    let fixed = |model: &mut ModelProto| {
        axes(&mut model.graph.as_mut().unwrap().input[0])[0] = length(4);
    };
    assert_eq!(refusal(fixed), "it loads");
    assert_graph_refused("its batch is fixed to 4, and its shapes do not fit", |graph| {
        axes(&mut graph.input[0])[0] = length(4);
        whole_numbers(graph, "shape", &[2, 20]);
        append(graph, "Reshape", &["shape"], &[]);
    });
    refused("expected uint8 or float32 [batch, ", &[length(1), symbol("maps"), side(), side()]);
    refused("cannot take inputs", &[symbol("batch"), length(1), length(27), side()]);
    refused("sides up to 256", &[symbol("batch"), length(1), side(), length(i64::MAX)]);
    refused("expected uint8 or float32", &[]);
    assert_graph_refused("has 2 inputs", |graph| {
        let mut second = graph.input[0].clone();
        second.name = "second".into();
        graph.input.push(second);
    });
    assert_graph_refused("has 0 inputs", |graph| graph.input.clear());
}

#[test]
fn the_output_is_a_row_a_batch_entry_and_a_column_a_class() {
    let ends_at = |op: &'static str| {
        move |graph: &mut GraphProto| graph.output[0].name = node(graph, op).output[0].clone()
    };
    assert_graph_refused("its output is [1, 20, 12, 12]", ends_at("MaxPool"));
    assert_graph_refused("but is float32 [1, 800]", ends_at("Flatten"));
    assert_graph_refused("but is float32 [1, 500]", ends_at("Gemm"));
    // axes of length 1 say nothing
    for shape in [&[0, 10, 1][..], &[10, 1, 1], &[-1], &[1, -1]] {
        let reshaped = |model: &mut ModelProto| {
            let graph = model.graph.as_mut().unwrap();
            whole_numbers(graph, "shape", shape);
            append(graph, "Reshape", &["shape"], &[]);
        };
        assert_eq!(refusal(reshaped), "it loads");
    }
    assert_graph_refused("its output is [1]", |graph| {
        append(graph, "MatMul", &["column"], &[]);
        constant(graph, "column", &[10, 1], &[0.5; 10]);
        graph.output[0].name = "appended".into();
        let last = graph.node.last_mut().unwrap();
        last.output[0] = "columns".into();
        whole_numbers(graph, "shape", &[1]);
        graph.output[0].name = "columns".into();
        append(graph, "Reshape", &["shape"], &[]);
    });
    // of several outputs the first that can be scores is read
    let several = |model: &mut ModelProto| {
        let graph = model.graph.as_mut().unwrap();
        let mut maps = graph.output[0].clone();
        maps.name = node(graph, "MaxPool").output[0].clone();
        graph.output.insert(0, maps);
    };
    assert_eq!(refusal(several), "it loads");
    assert_graph_refused("has 1 inputs and 0 outputs", |graph| graph.output.clear());
    assert_refused("its metadata name 3 classes, its output has 10", |model| {
        model.metadata_props.retain(|pair| pair.key != "classes");
        let pair = StringStringEntryProto { key: "classes".into(), value: "a,b,c".into() };
        model.metadata_props.push(pair);
    });
}

#[test]
fn settings_are_in_range_of_one_type_and_given_once() {
    let refused = |op: &str, attribute: AttributeProto| {
        let reason = format!("attribute `{}` is out of range", attribute.name);
        assert_node_refused(&reason, op, |node| set(node, attribute));
    };
    refused("MaxPool", ints("strides", &[0, 2]));
    refused("MaxPool", ints("strides", &[2, 2, 2]));
    refused("MaxPool", ints("kernel_shape", &[-2, 2]));
    refused("MaxPool", ints("kernel_shape", &[257, 2]));
    refused("MaxPool", ints("pads", &[0, 0, 0, -1]));
    refused("MaxPool", int("kernel_shape", 2));
    refused("Conv", int("group", 0));
    refused("Conv", ints("dilations", &[i64::MAX, 1]));
    refused("Flatten", int("axis", i64::MIN));
    let unfit = "cannot take inputs of such types and shapes";
    assert_node_refused(unfit, "MaxPool", |node| set(node, ints("strides", &[2])));
    // whole numbers overflow, and a division of them by 0 panics
    for element in [DataType::Int64, DataType::Uint8, DataType::Bool, DataType::String] {
        assert_node_refused(unfit, "Cast", |node| set(node, int("to", i32::from(element).into())));
    }
    assert_node_refused(unfit, "Cast", |node| set(node, int("to", 99)));
    assert_node_refused("attribute `strides` is out of range", "MaxPool", |node| {
        node.attribute.push(ints("strides", &[0, 0]));
    });
    // settings that the operator has not, or not in this operator set
    assert_node_refused("Relu has no attribute `alpha`", "Relu", |node| {
        set(node, float("alpha", 0.5));
    });
    assert_graph_refused("Clip has no attribute `min` in this operator set", |graph| {
        append(graph, "Clip", &[], &[float("min", 0.5)]);
    });
    assert_graph_refused("MatMul has no attribute `transB`", |graph| {
        constant(graph, "square", &[10, 10], &[0.5; 100]);
        append(graph, "MatMul", &["square"], &[int("transB", 1)]);
    });
    assert_node_refused("attribute `kernel_shape` is out of range", "MaxPool", |node| {
        node.attribute.retain(|attribute| attribute.name != "kernel_shape");
    });
}

#[test]
fn operators_take_the_types_and_shapes_that_they_are_defined_for() {
    let appended = |op: &str, dims: &[i64], attributes: &[AttributeProto]| {
        assert_graph_refused("cannot take inputs of such types and shapes", |graph| {
            constant(graph, "more", dims, &vec![1.0; dims.iter().product::<i64>() as usize]);
            append(graph, op, &["more"], attributes);
        });
    };
    appended("Add", &[9], &[]);
    appended("Add", &[1, 1, 10, 9], &[]);
    appended("MatMul", &[9, 2], &[]);
    appended("MatMul", &[10], &[]);
    appended("Gemm", &[9, 10], &[]);
    appended("PRelu", &[3, 1], &[]);
    appended("Concat", &[1, 9], &[int("axis", 0)]);
    appended("Concat", &[1, 10], &[int("axis", 2)]);
    appended("Clip", &[10], &[]);
    let alone = |op: &str, attributes: &[AttributeProto]| {
        assert_graph_refused("cannot take inputs of such types and shapes", |graph| {
            append(graph, op, &[], attributes);
        });
    };
    alone("Softmax", &[int("axis", 2)]);
    alone("LogSoftmax", &[int("axis", -3)]);
    alone("Flatten", &[int("axis", 3)]);
    alone("Transpose", &[ints("perm", &[0, 2, 1])]);
    alone("GlobalAveragePool", &[]);
    alone("MaxPool", &[ints("kernel_shape", &[1, 1])]);
    let unfit = |op: &str, change: &dyn Fn(&mut NodeProto)| {
        assert_node_refused("cannot take inputs of such types and shapes", op, |node| change(node));
    };
    unfit("Conv", &|node| set(node, ints("kernel_shape", &[4, 5])));
    unfit("Conv", &|node| set(node, int("group", 3)));
    unfit("Gemm", &|node| node.input.swap(1, 2));
    unfit("Cast", &|node| {
        node.op_type = "Identity".into();
        node.attribute.clear();
    });
    // a background of 0 divided by itself, as bytes
    assert_graph_refused("cannot take inputs of such types and shapes", |graph| {
        let image = graph.input[0].name.clone();
        node(graph, "Cast").input[0] = "divided".into();
        let division = NodeProto {
            op_type: "Div".into(),
            input: vec![image.clone(), image],
            output: vec!["divided".into()],
            ..NodeProto::default()
        };
        graph.node.insert(0, division);
    });
    // `int64` divided by 0, before any image is seen
    assert_graph_refused("cannot take inputs of such types and shapes", |graph| {
        whole_numbers(graph, "zero", &[0]);
        append(graph, "Div", &["zero"], &[]);
        graph.node.last_mut().unwrap().input[0] = "zero".into();
    });
}

#[test]
fn a_constant_without_elements_cannot_be_sliced() {
    for step in [-1, 1] {
        assert_graph_refused("cannot take inputs of such types and shapes", |graph| {
            whole_numbers(graph, "none", &[]);
            whole_numbers(graph, "zero", &[0]);
            whole_numbers(graph, "step", &[step]);
            append(graph, "Slice", &["zero", "zero", "zero", "step"], &[]);
            graph.node.last_mut().unwrap().input[0] = "none".into();
        });
    }
}

#[test]
fn what_takes_too_much_memory_or_time_is_refused_by_its_shape() {
    let refused = |dims: &[i64], attributes: &[AttributeProto]| {
        assert_graph_refused("too much memory or time", |graph| {
            let conv = node(graph, "Conv");
            for attribute in attributes {
                set(conv, attribute.clone());
            }
            conv.attribute.retain(|attribute| attribute.name != "kernel_shape");
            conv.input.truncate(2);
            conv.input[1] = "large".into();
            constant(graph, "large", dims, &vec![1.0; dims.iter().product::<i64>() as usize]);
        });
    };
    refused(&[21_400, 1, 1, 1], &[]);
    refused(&[700, 1, 1, 1], &[ints("pads", &[64; 4])]);
    assert_graph_refused("too much memory or time", |graph| {
        // what the window of each output covers
        let conv = node(graph, "Conv");
        set(conv, ints("pads", &[64; 4]));
        let pool = node(graph, "MaxPool");
        set(pool, ints("kernel_shape", &[64; 2]));
        set(pool, ints("strides", &[1; 2]));
        set(pool, ints("pads", &[32; 4]));
    });
    assert_graph_refused("too much memory or time", |graph| {
        constant(graph, "column", &[5_000, 1], &vec![1.0; 5_000]);
        constant(graph, "row", &[5_000], &vec![1.0; 5_000]);
        append(graph, "Add", &["row"], &[]);
        graph.node.last_mut().unwrap().input[0] = "column".into();
    });
    assert_graph_refused("more than 1000", |graph| {
        for index in 0..1_000 {
            append(graph, "Relu", &[], &[]);
            graph.node.last_mut().unwrap().output[0] = format!("appended{index}");
            graph.output[0].name = format!("appended{index}");
        }
    });
}

#[test]
fn formulas_for_lengths_are_names_only() {
    // each exhausts the stack of tract's parser, were it shown to it
    let deep = "(".repeat(100_000);
    for formula in [&deep, "0/0", "9223372036854775807*9", "", "?", "unk__1", "max()", "é"] {
        let bytes = changed(|model| {
            let graph = model.graph.as_mut().unwrap();
            axes(&mut graph.input[0])[0] = symbol(formula);
            axes(&mut graph.output[0])[0] = symbol(formula);
            let mut value = graph.output[0].clone();
            value.name = node(graph, "Relu").output[0].clone();
            graph.value_info.push(value);
        });
        assert!(Classifier::parse(&bytes).is_ok(), "{formula:.20}");
    }
    // some exporters write -1 for a length that the caller chooses
    let free = |model: &mut ModelProto| {
        let graph = model.graph.as_mut().unwrap();
        axes(&mut graph.input[0])[0] = length(-1);
        axes(&mut graph.output[0])[0] = length(-1);
    };
    assert_eq!(refusal(free), "it loads");
    for none in [0, -2, i64::MIN] {
        let reason = format!("declares an axis of length {none}");
        assert_graph_refused(&reason, |graph| axes(&mut graph.input[0])[0] = length(none));
        assert_graph_refused(&reason, |graph| axes(&mut graph.output[0])[1] = length(none));
    }
}

#[test]
fn messages_in_messages_do_not_exhaust_the_stack() {
    // groups, an encoding that is no longer in use: unknown field 1000, begun again and again
    let group = tag(1000, 3).repeat(100_000);
    assert!(Classifier::parse(&group).is_err());
    assert!(Classifier::parse(&[EMBEDDED_MODEL, &group].concat()).is_err());
    // types of sequences of sequences, as the input's type
    let mut kind = vec![];
    for _ in 0..2_000 {
        kind = field(4, &field(1, &kind));
    }
    let deep = field(7, &field(11, &field(2, &kind)));
    assert!(Classifier::parse(&deep).is_err());
    // the engine knows no sequences, and the decoder leaves them out
    assert!(
        Classifier::parse(&[EMBEDDED_MODEL, &field(7, &field(13, &field(2, &kind)))].concat())
            .is_ok()
    );
}

fn described(key: &'static str, value: &'static str) -> impl Fn(&mut ModelProto) {
    move |model| {
        model.metadata_props.retain(|pair| pair.key != key);
        model.metadata_props.push(StringStringEntryProto { key: key.into(), value: value.into() });
    }
}

#[test]
fn metadata_are_whole_and_say_one_thing() {
    assert_refused("name two classes `a`", described("classes", "a,1,2,3,a,5,6,7,8,9"));
    for garbage in ["abc", "-1", "NaN", ""] {
        assert_refused("calibration is damaged", described("calibration.temperature", garbage));
    }
    assert_refused("calibration is damaged", |model| {
        model.metadata_props.retain(|pair| pair.key != "calibration.sure_from");
    });
    assert_refused("two versions of the operator set", |model| {
        model.opset_import.push(OperatorSetIdProto { domain: "ai.onnx".into(), version: 11 });
    });
}

#[test]
fn a_constant_is_no_output_and_what_is_not_finite_no_score() {
    assert_graph_refused("`fixed`, read by the graph's output, is made by nothing", |graph| {
        graph.node.push(NodeProto {
            op_type: "Constant".into(),
            output: vec!["fixed".into()],
            attribute: vec![AttributeProto {
                name: "value_floats".into(),
                floats: vec![0.0; 10],
                r#type: 6,
                ..AttributeProto::default()
            }],
            ..NodeProto::default()
        });
        axes(&mut graph.input[0])[0] = length(1);
        graph.output[0].name = "fixed".into();
    });
    assert_graph_refused("not finite", |graph| {
        constant(graph, "tiny", &[1], &[f32::from_bits(1)]);
        append(graph, "Div", &["tiny"], &[]);
    });
}
