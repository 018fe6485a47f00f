//! Each clause of the check that a model passes before tract sees it: our model, with one part changed.

mod constants;
mod edit;
mod operators;
mod second_file;

use runtime::{Classifier, EMBEDDED_MODEL, Error};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
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
