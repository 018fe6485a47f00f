//! Where to train.

use std::str::FromStr;

use anyhow::{bail, ensure};
use tch::{Cuda, Device};

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The first GPU if libtorch can use one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) if number.parse::<u8>().is_ok() => {
                Ok(Self::Cuda(number.parse().map_err(|_| "no such device".to_owned())?))
            }
            _ => Err("expected auto, cpu, cuda or cuda:N".into()),
        }
    }
}

impl Choice {
    /// The device, and a line that says which and why.
    ///
    /// # Errors
    /// If a GPU was asked for that libtorch cannot use.
    pub fn resolve(self) -> anyhow::Result<(Device, String)> {
        let threads = tch::get_num_threads();
        let devices = if Cuda::is_available() { Cuda::device_count() } else { 0 };
        match self {
            Self::Cpu => Ok((Device::Cpu, format!("CPU, {threads} threads"))),
            Self::Auto if devices == 0 => {
                Ok((Device::Cpu, format!("CPU, {threads} threads (libtorch sees no CUDA device)")))
            }
            Self::Auto => {
                Ok((Device::Cuda(0), format!("cuda:0, the first of {devices} CUDA devices")))
            }
            Self::Cuda(number) if !tch::utils::has_cuda() => {
                bail!(
                    "there is no cuda:{number}: this libtorch has no CUDA; set up one that has, or train on the CPU"
                )
            }
            Self::Cuda(number) => {
                ensure!(
                    (number as i64) < devices,
                    "there is no cuda:{number}: libtorch sees {devices} CUDA devices; check the driver with nvidia-smi, or train on the CPU"
                );
                Ok((Device::Cuda(number), format!("cuda:{number} of {devices} CUDA devices")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_parse_as_documented() {
        for (text, choice) in [
            ("auto", Choice::Auto),
            ("cpu", Choice::Cpu),
            ("cuda", Choice::Cuda(0)),
            ("cuda:3", Choice::Cuda(3)),
        ] {
            assert_eq!(text.parse(), Ok(choice));
        }
        for text in ["", "gpu", "cuda:", "cuda:-1", "cpu:0", "cuda:1:2"] {
            assert!(text.parse::<Choice>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_is_refused_by_name() {
        let refusal = Choice::Cuda(200).resolve().unwrap_err().to_string();
        assert!(refusal.contains("cuda"), "{refusal}");
    }
}
