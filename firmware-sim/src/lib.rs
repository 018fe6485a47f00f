//! Int8 `LeNet` for a microcontroller.
