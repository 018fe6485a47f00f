//! What no dossier of this program shows, whatever was run.

/// Each a clause, without its full stop.
pub(super) const GENERAL: &[&str] = &[
    "Hardware: every board is emulated by QEMU; no real microcontroller ran the model, and pipelines, caches, bus contention and \
     flash wait states are not in it",
    "Time: what is counted are instructions, not cycles and not seconds; a deadline needs a measurement on the device",
    "The camera: what makes pictures into the bytes that go in is not part of it, nor are lens, light, sensor noise or blur",
    "Fitness of the data: that the training and test images are what the device will meet, that labels are right, and that no \
     kind of image is missing. Intervals take the test images for independent draws from what the device will meet",
    "Images of another kind: an answer to an image that shows none of the classes is only counted if such images were given",
    "Qualification of tools: rustc, LLVM, QEMU, tract and this program are not qualified by IEC 61508-3 (T2, T3), ISO 26262-8 \
     or DO-330",
    "Independence: the engine, the quantiser and what verifies them are of the same authors",
    "Safety of a system: there is no hazard analysis, no allocation of requirements to this model, and no argument that an error \
     rate found here is low enough",
    "The program around the model: interrupts, watchdogs, memory protection and start-up are the integrator's; the board image \
     here is a demonstration",
    "Other forms of the model: the C source, Rust module and ONNX that `quantize --emit` writes have tests of their own, and are \
     not compared here",
];
