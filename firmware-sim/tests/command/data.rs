//! What models are calibrated on and compared on: pictures in folders, arrays, and what is neither.

use std::fs;

use network::onnx::{Graph, Origin};
use network::{Activation, Affine, Architecture, Kind, Network, Normalization, classes};

use super::{Bench, mnist_500};

#[test]
fn folders_of_pictures_and_arrays_are_data_too() {
    let bench = Bench::new();
    for class in ["0", "3", "4"] {
        let folder = bench.path("photos").join(class);
        fs::create_dir_all(&folder).unwrap();
        let name = format!("mnist_{class}.png");
        fs::copy(fixtures::data("digits").join(&name), folder.join(name)).unwrap();
        fs::write(folder.join("notes.txt"), "no picture").unwrap();
    }
    let quantize = ["quantize", "lenet.onnx", "--data", "photos", "-o", "lenet.q8"];
    let output = bench.run(&quantize);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("calibrated on 3 training images"), "{text}");
    let verify = ["verify", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--json"];
    let json = |data: &str| -> serde_json::Value {
        let output = bench.run(&[&verify[..], &["--data", data]].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let photos = json("photos");
    assert_eq!((&photos["labelled"], &photos["int8_right"]["count"]), (&3.into(), &3.into()));
    assert!(photos["of_no_class"].is_null());
    // what is no digit is not calibrated on, and told apart
    fs::create_dir(bench.path("photos/none")).unwrap();
    image::GrayImage::new(40, 40).save(bench.path("photos/none/blank.png")).unwrap();
    let with_none = json("photos");
    assert_eq!(with_none["images"], 3);
    assert_eq!(with_none["of_no_class"]["none"]["count"], 1, "{with_none}");
    assert_eq!(with_none["of_no_class"]["sure"]["count"], 0);

    let images = &fixtures::mnist_500(dataset::idx::Part::Test).images[..7];
    fs::write(bench.path("arrays"), dataset::idx::emit_images(images)).unwrap();
    let arrays = json("arrays");
    assert_eq!((&arrays["images"], &arrays["labelled"]), (&7.into(), &0.into()));
    assert!(arrays["int8_right"]["share"].is_null());
    let of_file = ["quantize", "lenet.onnx", "--calibration", "arrays", "-o", "lenet.q8"];
    let output = bench.run(&of_file);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("calibrated on 7 training images"), "{text}");
    // what was calibrated on by that name is compared on by that name
    let by_name = bench.run(&[&verify[..], &["--calibration", "arrays"]].concat());
    let by_name: serde_json::Value = serde_json::from_slice(&by_name.stdout).unwrap();
    assert_eq!(by_name["images"], 7);
    // as many numbers in another order would be read as something else
    let turned =
        images.iter().map(|image| dataset::Image::new([1, 56, 14], image.pixels()).unwrap());
    fs::write(bench.path("turned"), dataset::idx::emit_images(&turned.collect::<Vec<_>>()))
        .unwrap();
    let other_shape = ["turned holds arrays of 1 channel, 56 rows and 14 columns", "write them as"];
    bench.refuses(
        &["quantize", "lenet.onnx", "--calibration", "turned", "-o", "new.q8"],
        &other_shape,
    );
    bench.refuses(&[&verify[..], &["--calibration", "turned"]].concat(), &other_shape);
    let both = [&of_file[..], &["--data", "nowhere"]].concat();
    bench.refuses(&both, &["--calibration arrays and --data nowhere", "leave one out"]);
    let both = [&verify[..], &["--data", "photos", "--calibration", "arrays"]].concat();
    assert_eq!(bench.run(&both).status.code(), Some(2));

    bench.refuses(&[&quantize[..], &["--pixels", "255"]].concat(), &["leave out --pixels"]);
    fs::create_dir(bench.path("photos/ten")).unwrap();
    fs::copy(bench.path("photos/0/mnist_0.png"), bench.path("photos/ten/0.png")).unwrap();
    bench.refuses(&quantize, &["photos: the model has no class `ten`: its 10 are 0, 1"]);
}

#[test]
fn classes_are_called_by_the_names_that_the_onnx_file_has() {
    let bench = Bench::new();
    let mut graph = Graph::parse(runtime::EMBEDDED_MODEL).unwrap();
    let names = ["nil", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let names = names.map(str::to_owned);
    graph.metadata.insert(classes::KEY.into(), classes::emit(&names));
    fs::write(bench.path("lenet.onnx"), graph.emit()).unwrap();
    bench.quantize();
    let data = mnist_500();
    let verify = ["verify", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--data", &data];
    let output = bench.run(&[&verify[..], &["--report", "report.html"]].concat());
    let page = fs::read_to_string(bench.path("report.html")).unwrap();
    let of_label = |name: &str| page.matches(&format!(", a {name}<br>")).count();
    let of_int8 = |name: &str| page.matches(&format!("int8 {name} by ")).count();
    let pictures = page.matches("<figcaption>").count();
    assert_eq!(names.iter().map(|name| of_label(name)).sum::<usize>(), pictures);
    assert_eq!(names.iter().map(|name| of_int8(name)).sum::<usize>(), pictures);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(names.iter().any(|name| text.contains(&format!(" {name} "))), "{text}");

    // a .q8 has no names: a board takes them from the ONNX file, or the folders in their order
    fs::create_dir_all(bench.path("photos/three")).unwrap();
    fs::copy(fixtures::data("digits/mnist_3.png"), bench.path("photos/three/3.png")).unwrap();
    let board = ["board", "--quantized", "lenet.q8", "--images", "1", "--data", "photos"];
    bench.refuses(
        &board,
        &["photos has pictures of 1 classes", "10 classes without names", "one for each"],
    );
    fs::write(bench.path("other.onnx"), runtime::EMBEDDED_MODEL).unwrap();
    let other = [&board[..], &["--model", "other.onnx"]].concat();
    bench.refuses(&other, &["other.onnx", "another ONNX file"]);
    fs::rename(bench.path("photos/three"), bench.path("photos/drei")).unwrap();
    let with_names = [&board[..], &["--model", "lenet.onnx"]].concat();
    bench.refuses(&with_names, &["photos: the model has no class `drei`: its 10 are nil, one"]);
    assert_eq!(bench.run(&["board", "--model", "lenet.onnx"]).status.code(), Some(2));
}

/// A network of `shape` with two classes, whose file names none.
fn two_classes(shape: [usize; 3]) -> Vec<u8> {
    let dense = |outputs, activation| Kind::Dense { outputs, activation };
    let kinds = vec![dense(3, Activation::Relu), dense(2, Activation::None)];
    let architecture = Architecture::new(shape, kinds).unwrap();
    let values = |count: usize| (0..count).map(|at| (at * 7 % 13) as f32 - 5.5).collect();
    let affine = architecture.layers().iter().map(|layer| Affine {
        weights: values(layer.outputs() * layer.fan_in()),
        bias: values(layer.outputs()),
    });
    let network = Network::new(architecture.clone(), affine.collect());
    let origin = Origin {
        name: "two".into(),
        producer: ["test", "1"].map(String::from),
        metadata: std::collections::BTreeMap::new(),
    };
    Graph::of_network(&network, Normalization { offset: 0.0, scale: 1.0 / 255.0 }, origin).emit()
}

#[test]
fn pictures_of_another_shape_are_refused_by_both_shapes_and_the_option() {
    let bench = Bench::new();
    fs::write(bench.path("colour.onnx"), two_classes([3, 20, 32])).unwrap();
    let quantize = ["quantize", "colour.onnx", "--data", &mnist_500(), "-o", "out.q8"];
    bench.refuses(
        &quantize,
        &[
            "mnist-500 holds pictures of 1 channel, 28 rows and 28 columns",
            "the model takes 3 channels, 20 rows and 32 columns: give --data with a folder of pictures",
        ],
    );
}

#[test]
fn classes_that_only_the_folders_name_are_called_by_these() {
    let bench = Bench::new();
    fs::write(bench.path("two.onnx"), two_classes([1, 6, 6])).unwrap();
    for (class, shade) in [("cat", 40_u8), ("dog", 200)] {
        let folder = bench.path("photos").join(class);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..5_u8 {
            let picture = image::GrayImage::from_fn(6, 6, |x, y| {
                image::Luma([shade ^ (x as u8 * 16 + y as u8 * 3 + number)])
            });
            picture.save(folder.join(format!("{number}.png"))).unwrap();
        }
    }
    let quantize = ["quantize", "two.onnx", "--data", "photos", "-o", "two.q8"];
    assert!(bench.run(&quantize).status.success());
    let verify = ["verify", "--model", "two.onnx", "--quantized", "two.q8", "--min-agreement", "0"];
    let verify = [&verify[..], &["--report", "page.html"]].concat();
    let output = bench.run(&[&verify[..], &["--data", "photos"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("assumed, from the order of the folders' names: cat, dog;"), "{text}");
    let page = fs::read_to_string(bench.path("page.html")).unwrap();
    assert!(page.contains(", a cat<br>") && page.contains(", a dog<br>"), "{page}");
    // a plot names its layers
    let (_, plot) = page.split_once("SQNR of what each layer hands on").unwrap();
    let (plot, _) = plot.split_once("</svg>").unwrap();
    assert!(plot.contains("dense1\n") && plot.contains("dense2\n"), "{plot}");
    let board = ["board", "--quantized", "two.q8", "--data", "photos", "--images", "10000"];
    let parts =
        ["photos has 10 images, none of which is said to be for the test, so give at most 10"];
    bench.refuses(&board, &parts);
    // nothing says which of them the model has not seen
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(warning.starts_with("warning: the data name no test images, so all 10"), "{warning}");
    fs::create_dir(bench.path("divided")).unwrap();
    for (subset, number) in [("train", 0), ("test", 1)] {
        for class in ["cat", "dog"] {
            let folder = bench.path("divided").join(subset).join(class);
            fs::create_dir_all(&folder).unwrap();
            let name = format!("{number}.png");
            fs::copy(bench.path("photos").join(class).join(&name), folder.join(name)).unwrap();
        }
    }
    let output = bench.run(&[&verify[..], &["--data", "divided"]].concat());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let board = ["board", "--quantized", "two.q8", "--data", "divided", "--images", "3"];
    bench.refuses(&board, &["divided has 2 test images, so give at most 2"]);
}

#[test]
fn bad_datasets_end_in_one_line() {
    let bench = Bench::new();
    let out = ["-o", "out.q8"];
    let quantize = |folder| [&["quantize", "lenet.onnx", "--data", folder][..], &out].concat();
    bench.refuses(&quantize("nowhere"), &["nowhere", "train-images-idx3-ubyte"]);
    for (folder, bytes) in [
        ("empty", vec![]),
        ("foreign", b"GIF89a, no IDX".to_vec()),
        ("cut", {
            let images = [runtime::Image::mnist([0; runtime::PIXELS])];
            let mut bytes = dataset::idx::emit_images(&images);
            bytes.truncate(500);
            bytes
        }),
    ] {
        fs::create_dir(bench.path(folder)).unwrap();
        fs::write(bench.path(folder).join("train-images-idx3-ubyte"), bytes).unwrap();
        bench.refuses(
            &quantize(folder),
            &[folder, "train-images-idx3-ubyte", "not a usable IDX file"],
        );
    }
}

#[test]
fn few_calibration_images_are_warned_of() {
    let bench = Bench::new();
    let head = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28];
    fs::write(bench.path("two"), [&head[..], &[100; 2 * 784]].concat()).unwrap();
    let output = bench.run(&["quantize", "lenet.onnx", "--calibration", "two", "-o", "two.q8"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    let warning = "warning: lenet.onnx: calibrated on 2 images: of others, one in 3 or more has larger values";
    assert!(text.contains(warning), "{text}");
}
