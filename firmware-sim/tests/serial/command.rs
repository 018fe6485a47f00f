//! `firmware-sim board --serial`, as a user meets it.

use std::fs;
use std::process::Command;

use firmware::format::{Header, Layout, checksum};
use firmware_sim::board::laid_out;
use fixtures::command::fails;
use fixtures::mnist_500_folder;

use crate::board::{Fault, start};
use crate::lenet;

/// The command with this model, on a board that runs `on_board`.
fn command(folder: &tempfile::TempDir, on_board: &[u8], fault: Fault) -> Command {
    fs::write(folder.path().join("lenet.q8"), lenet()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_firmware-sim"));
    command.args(["board", "--quantized", "lenet.q8", "--images", "4", "--data"]);
    command.arg(mnist_500_folder()).current_dir(folder.path());
    command.arg("--serial").arg(start(on_board, fault).to_string());
    command
}

#[test]
fn the_report_is_that_of_an_emulated_board_with_cycles() {
    let folder = tempfile::tempdir().unwrap();
    // as it is flashed for another core
    let file = laid_out(&lenet(), Layout::Words).unwrap().into_owned();
    let output = command(&folder, &file, Fault::None).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "board    a thread at 1 MHz, on tcp:127.0.0.1:",
        "images   4 of 500, the first",
        "logits   agree with this machine's, all 10, on 4 of 4 images",
        " requests sent again, 0 images shown again",
        "time     0.0 ms per image, 0.0 at most, by its clock",
        "RAM      3000 bytes static; stack: the board does not say",
        "flash    432820 bytes of weights and biases; in all: the board does not say",
        " cycles, by a timer  mean  max ",
        " all                   46   46  100.0 %",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let output = command(&folder, &file, Fault::None).arg("--json").output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["equal"], 4);
    assert_eq!(json["board"]["core"], "a thread");
    assert_eq!(json["cycles"]["all"]["most"], 46.0);
    assert_eq!(json["machine"], serde_json::Value::Null);
}

#[test]
fn what_is_wrong_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = lenet();
    // as if it were calibrated on others
    other[std::mem::offset_of!(Header, calibration_images)] ^= 1;
    let end = other.len() - 4;
    let crc = checksum(&other[..end]);
    other[end..].copy_from_slice(&crc.to_le_bytes());
    fails(
        &mut command(&folder, &other, Fault::None),
        &["lenet.q8: the board runs another model, made from the same ONNX file by another"],
    );
    fails(
        &mut command(&folder, &lenet(), Fault::WrongLogit),
        &["4 of 4 images give other logits than on this machine"],
    );
    fails(&mut command(&folder, &lenet(), Fault::OtherProtocol), &["version 9 of the protocol"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_firmware-sim"));
    command.args(["board", "--quantized", "lenet.q8", "--serial", "lenet.q8"]);
    fails(command.current_dir(folder.path()), &["cannot use lenet.q8: it is a file, no serial"]);
}
