//! A board on a line: what this end makes of one that answers, and of all that goes wrong.

mod board;
mod command;

use std::net::TcpListener;

use board::{Fault, few, quick, start};
use dataset::idx::Part;
use firmware::Model;
use firmware::format::Layout;
use firmware::link::Counter;
use firmware_sim::board::{BoardError, BoardReport, Port, SerialBoard, laid_out};
use firmware_sim::quantize::quantize;
use fixtures::benchmarks::{Benchmark, meter, mlperf_tiny};
use fixtures::mnist_500;
use runtime::{EMBEDDED_MODEL, Image};

/// The embedded model, calibrated on a few images.
fn lenet() -> Vec<u8> {
    quantize(EMBEDDED_MODEL, &mnist_500(Part::Train).images[..50], &[]).unwrap()
}

fn images(count: usize) -> Vec<Vec<u8>> {
    mnist_500(Part::Test).images[..count].iter().map(|image| image.pixels().to_vec()).collect()
}

fn run(file: &[u8], fault: Fault, count: usize) -> Result<(SerialBoard, BoardReport), BoardError> {
    let mut board = SerialBoard::connect(start(file, fault), quick())?;
    let report = board.run(file, &images(count), |_| ())?;
    Ok((board, report))
}

/// Why a board with this fault gives no report.
fn failure(fault: Fault) -> BoardError {
    let board = SerialBoard::connect(start(&lenet(), fault), few());
    board.and_then(|mut board| board.run(&lenet(), &images(3), |_| ())).unwrap_err()
}

#[test]
fn a_board_says_what_it_is_and_gives_every_logit_of_the_host() {
    let file = laid_out(&lenet(), Layout::Words).unwrap().into_owned();
    let (board, report) = run(&file, Fault::None, 10).unwrap();
    let info = board.info();
    assert_eq!((&*info.core, info.clock_hz, info.counter), ("a thread", 1_000_000, Counter::Timer));
    assert_eq!((info.layout, info.statics, info.stack, info.flash), (Layout::Words, 3000, 1024, 0));
    assert_eq!(board.shown_again(), 0);
    assert_eq!((report.agreements(), report.images.len(), report.lost), (10, 10, 0));
    assert_eq!(report.layers, ["conv1", "conv2", "dense1", "dense2"]);
    // each step is one tick of this clock: rows of a pooled convolution, and dense layers at once
    assert_eq!(report.images[0].counts, [12.0, 4.0, 1.0, 1.0, 28.0]);
}

/// Rows longer than a message, more words than one holds, and outputs that are not held.
#[test]
fn other_networks_are_shown_too() {
    let [dscnn, _, _, autoencoder] = mlperf_tiny();
    let check = |benchmark: &Benchmark| {
        let pictures = benchmark.pictures(3).into_iter();
        let pictures: Vec<Image> =
            pictures.map(|pixels| Image::new(benchmark.shape, pixels).unwrap()).collect();
        let file = quantize(&benchmark.onnx, &pictures, &[]).unwrap();
        let model = Model::parse(&file).unwrap();
        let frames = firmware_sim::samples::frames(
            model,
            firmware_sim::Samples::Images(&pictures),
            &[0, 1, 2],
        );
        let mut board = SerialBoard::connect(start(&file, Fault::None), quick()).unwrap();
        let report = board.run(&file, &frames.unwrap(), |_| ()).unwrap();
        assert_eq!(report.agreements(), 3, "{}", benchmark.name);
        let counted = &report.images[0].counts;
        assert!(counted.iter().all(|&count| count > 0.0), "{}: {counted:?}", benchmark.name);
    };
    for benchmark in [dscnn, autoencoder, meter()] {
        check(&benchmark);
    }
}

#[test]
fn what_a_bad_line_loses_is_sent_again() {
    let (board, report) = run(&lenet(), Fault::Noise(600), 8).unwrap();
    assert_eq!((report.agreements(), report.images.len()), (8, 8));
    assert!(board.sent_again() > 3, "{}", board.sent_again());
}

#[test]
fn an_image_that_a_reset_board_has_lost_is_shown_again() {
    for fault in [Fault::Resets(2500), Fault::Unplugged(2500)] {
        let (board, report) = run(&lenet(), fault, 6).unwrap();
        assert_eq!((report.agreements(), report.images.len()), (6, 6), "{fault:?}");
        assert!(board.shown_again() > 0, "{fault:?}");
    }
}

#[test]
fn a_board_that_never_answers_or_no_longer_is_an_error_after_some_tries() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Port::Tcp(listener.local_addr().unwrap().to_string());
    let error = SerialBoard::connect(port, few()).unwrap_err();
    assert!(matches!(error, BoardError::Silent(_)), "{error}");
    for fault in [Fault::Echo, Fault::Hangs(0), Fault::Hangs(1000), Fault::Noise(3)] {
        let error = failure(fault);
        assert!(matches!(error, BoardError::Silent(_)), "{fault:?}: {error}");
        assert!(error.to_string().starts_with("no answer from tcp:127.0.0.1:"), "{error}");
    }
}

#[test]
fn a_board_that_is_reset_over_and_over_is_an_error_after_some_showings() {
    // an image takes more
    for fault in [Fault::Resets(500), Fault::Unplugged(500)] {
        let error = failure(fault);
        assert!(matches!(error, BoardError::Unreliable { image: 0, .. }), "{fault:?}: {error}");
    }
}

#[test]
fn a_port_that_is_gone_for_good_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Port::Tcp(listener.local_addr().unwrap().to_string());
    drop(listener);
    let error = SerialBoard::connect(port, quick()).unwrap_err();
    assert!(matches!(error, BoardError::Port { .. }), "{error}");
    let error = failure(Fault::Gone(1000));
    assert!(matches!(error, BoardError::Port { .. }), "{error}");
    let missing = Port::named("/dev/no-such-port".as_ref(), 9600);
    let error = SerialBoard::connect(missing, quick()).unwrap_err();
    assert_eq!(error.to_string(), "cannot use /dev/no-such-port");
}

#[test]
fn a_board_with_another_model_or_protocol_is_refused() {
    let file = lenet();
    let other = quantize(EMBEDDED_MODEL, &mnist_500(Part::Train).images[50..100], &[]).unwrap();
    let meter = meter();
    let pictures = vec![Image::new(meter.shape, meter.pictures(1).remove(0)).unwrap()];
    let foreign = quantize(&meter.onnx, &pictures, &[]).unwrap();
    // the same file for another core is another file, until it is laid out
    let words = laid_out(&file, Layout::Words).unwrap().into_owned();
    for (on_board, is_same) in [(&other, true), (&foreign, false), (&words, true)] {
        let mut board = SerialBoard::connect(start(on_board, Fault::None), quick()).unwrap();
        match board.run(&file, &images(1), |_| ()) {
            Err(BoardError::OtherModel { is_same_onnx, .. }) => assert_eq!(is_same_onnx, is_same),
            outcome => panic!("{outcome:?}"),
        }
    }
    let error = failure(Fault::OtherProtocol);
    assert!(matches!(error, BoardError::Protocol(9)), "{error}");
}

#[test]
fn a_board_that_computes_something_else_does_not_agree() {
    let (_, report) = run(&lenet(), Fault::WrongLogit, 3).unwrap();
    assert_eq!((report.agreements(), report.images.len()), (0, 3));
    let error = failure(Fault::WrongImage);
    assert!(matches!(error, BoardError::Unreliable { .. }), "{error}");
}
