//! Networks other than LeNet, run by tract alone and with our kernels: what is fused, and that the scores are equal.

use network::onnx::Graph;
use prost::Message;
use runtime::{Classifier, Image28, Instructions, Kernels, Options, PIXELS};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

/// A graph in the making, whose nodes hang on the one before unless told otherwise.
struct Network {
    graph: GraphProto,
    last: String,
    state: u32,
}

impl Network {
    fn new(input: DataType) -> Self {
        let graph = GraphProto {
            name: "test".into(),
            input: vec![value("image", input, &[None, Some(1), Some(28), Some(28)])],
            ..GraphProto::default()
        };
        Self { graph, last: "image".into(), state: 1 }
    }

    /// A synthetic constant, of values as large as those of a trained layer.
    fn constant(&mut self, shape: &[i64]) -> String {
        let name = format!("constant{}", self.graph.initializer.len());
        let inputs: i64 = shape.iter().skip(1).product();
        let largest = 1.5 / (inputs as f32).sqrt();
        let values = (0..shape.iter().product::<i64>()).map(|_| {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            self.state as i32 as f32 / i32::MAX as f32 * largest
        });
        let tensor = TensorProto {
            name: name.clone(),
            dims: shape.to_vec(),
            data_type: DataType::Float.into(),
            float_data: values.collect(),
            ..TensorProto::default()
        };
        self.graph.initializer.push(tensor);
        name
    }

    fn scalar(&mut self, value: f32) -> String {
        let name = self.constant(&[1]);
        self.graph.initializer.last_mut().unwrap().float_data = vec![value];
        name
    }

    fn node(mut self, operator: &str, more: &[String], attributes: &[(&str, &[i64])]) -> Self {
        let output = format!("value{}", self.graph.node.len());
        let attribute = attributes.iter().map(|(name, ints)| {
            let mut attribute = AttributeProto { name: (*name).into(), ..Default::default() };
            match ints {
                [single] if !["kernel_shape", "strides", "pads"].contains(name) => {
                    attribute.r#type = 2;
                    attribute.i = *single;
                }
                _ => {
                    attribute.r#type = 7;
                    attribute.ints = ints.to_vec();
                }
            }
            attribute
        });
        self.graph.node.push(NodeProto {
            op_type: operator.into(),
            name: output.clone(),
            input: [self.last.clone()].into_iter().chain(more.iter().cloned()).collect(),
            output: vec![output.clone()],
            attribute: attribute.collect(),
            ..NodeProto::default()
        });
        self.last = output;
        self
    }

    fn conv(mut self, [maps, channels, rows, columns]: [i64; 4], pads: &[i64]) -> Self {
        let weights = self.constant(&[maps, channels, rows, columns]);
        let bias = self.constant(&[maps]);
        self.node("Conv", &[weights, bias], &[("kernel_shape", &[rows, columns]), ("pads", pads)])
    }

    fn pool(self, side: i64) -> Self {
        self.node("MaxPool", &[], &[("kernel_shape", &[side; 2]), ("strides", &[side; 2])])
    }

    fn gemm(mut self, outputs: i64, inputs: i64) -> Self {
        let weights = self.constant(&[outputs, inputs]);
        let bias = self.constant(&[outputs]);
        self.node("Gemm", &[weights, bias], &[("transB", &[1])])
    }

    fn relu(self) -> Self {
        self.node("Relu", &[], &[])
    }

    fn flatten(self) -> Self {
        self.node("Flatten", &[], &[])
    }

    fn classifier(&self, kernels: Kernels) -> Classifier {
        let mut graph = self.graph.clone();
        graph.output = vec![value(&self.last, DataType::Float, &[None, Some(10)])];
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
            graph: Some(graph),
            ..ModelProto::default()
        };
        let options = Options { kernels, ..Options::default() };
        Classifier::new(&Graph::parse(&model.encode_to_vec()).unwrap(), options).unwrap()
    }

    /// Asserts that each of our kernels gives tract's scores, and that these operators ran.
    fn assert_runs_as(&self, operators: &[&str]) {
        let images: Vec<Image28> =
            (1..6).map(|i| Image28(std::array::from_fn(|at| (at * at / i % 256) as u8))).collect();
        let expected = self.classifier(Kernels::Tract).predict_batch(&images);
        for instructions in Instructions::available() {
            let classifier = self.classifier(Kernels::Fused(instructions));
            for (found, expected) in classifier.predict_batch(&images).iter().zip(&expected) {
                for (found, expected) in found.logits.iter().zip(&expected.logits) {
                    let close = (found - expected).abs() < 1e-4 * (1.0 + expected.abs());
                    assert!(close, "{instructions}: {found} for {expected}");
                }
            }
            let ran = classifier.profile(&images, 5);
            let ran: Vec<&str> = ran.iter().map(|operator| operator.name.as_str()).collect();
            let ours: Vec<&str> = ran.iter().copied().filter(|name| name.contains('→')).collect();
            assert_eq!(ours, operators, "of {ran:?}");
        }
    }
}

fn value(name: &str, element: DataType, shape: &[Option<i64>]) -> ValueInfoProto {
    let dim = shape.iter().map(|length| {
        let value = match length {
            Some(length) => dimension::Value::DimValue(*length),
            None => dimension::Value::DimParam("batch".into()),
        };
        Dimension { value: Some(value), ..Dimension::default() }
    });
    let tensor = type_proto::Tensor {
        elem_type: element.into(),
        shape: Some(TensorShapeProto { dim: dim.collect() }),
    };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { value, ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}

/// A network that normalises bytes: `(pixel + 3 − 100) · ¼ / 20`.
fn of_bytes() -> Network {
    let mut network = Network::new(DataType::Uint8);
    let [three, hundred, quarter, twenty] =
        [3.0, 100.0, 0.25, 20.0].map(|value| network.scalar(value));
    network
        .node("Cast", &[], &[("to", &[1])])
        .node("Add", &[three], &[])
        .node("Sub", &[hundred], &[])
        .node("Mul", &[quarter], &[])
        .node("Div", &[twenty], &[])
}

#[test]
fn another_convolutional_network_is_fused_from_end_to_end() {
    of_bytes()
        .conv([7, 1, 3, 4], &[0; 4])
        .pool(2)
        .relu()
        .conv([9, 7, 2, 2], &[0; 4])
        .relu()
        .conv([5, 9, 4, 3], &[0; 4])
        .relu()
        .pool(2)
        .conv([3, 5, 2, 2], &[0; 4])
        .flatten()
        .gemm(300, 3 * 3 * 3)
        .relu()
        .gemm(10, 300)
        .assert_runs_as(&[
            "Conv 3x4 1→7 + ReLU + MaxPool 2x2",
            "Conv 2x2 7→9 + ReLU",
            "Conv 4x3 9→5 + ReLU + MaxPool 2x2",
            "Conv 2x2 5→3",
            "Dense 27→300 + ReLU",
            "Dense 300→10",
        ]);
}

#[test]
fn a_network_without_convolutions_is_fused_too() {
    of_bytes()
        .flatten()
        .gemm(40, PIXELS as i64)
        .relu()
        .gemm(10, 40)
        .assert_runs_as(&["Dense 784→40 + ReLU", "Dense 40→10"]);
}

#[test]
fn what_is_not_recognised_runs_as_tract_runs_it_between_what_is() {
    Network::new(DataType::Float)
        .conv([4, 1, 5, 5], &[2; 4])
        .relu()
        .pool(2)
        .conv([6, 4, 3, 3], &[0; 4])
        .relu()
        .pool(3)
        .node("Sigmoid", &[], &[])
        .flatten()
        .gemm(20, 6 * 4 * 4)
        .node("Tanh", &[], &[])
        .gemm(10, 20)
        .assert_runs_as(&["Conv 3x3 4→6 + ReLU", "Dense 96→20", "Dense 20→10"]);
}

#[test]
fn a_value_that_is_used_twice_is_not_fused_away() {
    let network = of_bytes().conv([4, 1, 5, 5], &[0; 4]);
    let conv = network.last.clone();
    let mut network = network.relu().pool(2).flatten();
    let pooled = std::mem::replace(&mut network.last, conv);
    network
        .node("GlobalAveragePool", &[], &[])
        .flatten()
        .node("Concat", &[pooled], &[("axis", &[1])])
        .gemm(10, 4 + 4 * 12 * 12)
        // the last is no dense layer any more: tract parts its product in two, that of each input
        .assert_runs_as(&["Conv 5x5 1→4"]);
}
