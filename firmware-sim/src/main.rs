//! The `firmware-sim` command.

fn main() {}
