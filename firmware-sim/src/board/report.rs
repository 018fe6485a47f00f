//! Parses the output of a board.

use firmware::geometry::CLASSES;
use firmware::{Answer, LayerId};

use super::{BoardError, Expected};

/// Result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct BoardReport {
    /// The images that were read, in order.
    pub images: Vec<ImageResult>,
    /// Images that were abandoned because a row was dropped.
    pub lost: usize,
    /// Rows for which the queue had no room.
    pub dropped: u32,
    /// Bytes of flash: code, constants and the model.
    pub flash: usize,
    /// Bytes of RAM that have a fixed place.
    pub statics: usize,
    /// Deepest stack of any inference, interrupts included, in bytes.
    pub stack: usize,
}

/// Result for one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImageResult {
    /// Its number.
    pub number: usize,
    /// Whether the logits, the digit and the answer are the host's.
    pub agrees: bool,
    /// The most likely digit.
    pub digit: u8,
    /// What the device would act on.
    pub answer: Answer,
    /// Instructions of the layers in order, and of taking rows in.
    pub instructions: [f64; 5],
}

impl BoardReport {
    /// Images of which every logit is the host's.
    #[must_use]
    pub fn agreements(&self) -> usize {
        self.images.iter().filter(|image| image.agrees).count()
    }

    /// All RAM of an inference, in bytes.
    #[must_use]
    pub const fn ram(&self) -> usize {
        self.statics + self.stack
    }

    /// Mean and maximum of the instructions of a layer, over all images; of taking rows in without a layer.
    #[must_use]
    pub fn instructions(&self, layer: Option<LayerId>) -> (f64, f64) {
        let index = layer.map_or(4, |layer| layer as usize);
        self.spread(|image| image.instructions[index])
    }

    /// Mean and maximum of the instructions of an inference.
    #[must_use]
    pub fn total(&self) -> (f64, f64) {
        self.spread(|image| image.instructions.iter().sum())
    }

    fn spread(&self, count: impl Fn(&ImageResult) -> f64) -> (f64, f64) {
        let counts = || self.images.iter().map(&count);
        let mean = counts().sum::<f64>() / self.images.len().max(1) as f64;
        (mean, counts().fold(0.0, f64::max))
    }
}

/// Reads a run to its end; `expected` gives the host's results for the images in order.
pub(super) fn read(
    lines: impl Iterator<Item = Result<String, BoardError>>,
    expected: &mut dyn Iterator<Item = Expected>,
    mut progress: impl FnMut(usize),
) -> Result<BoardReport, BoardError> {
    let mut spins: Vec<[i64; 2]> = Vec::new();
    let (mut images, mut lost): (Vec<ImageResult>, usize) = (Vec::new(), 0);
    let mut image = None;
    let mut logits = None;
    let mut next = 0;
    for line in lines {
        let line = line?;
        let unexpected = || BoardError::UnexpectedOutput(line.clone());
        let mut words = line.split(' ');
        let about = words.next().unwrap_or_default();
        let numbers: Vec<i64> =
            words.map(str::parse).collect::<Result<_, _>>().map_err(|_| unexpected())?;
        match (about, &numbers[..]) {
            ("spin", &[instructions, ticks]) => spins.push([instructions, ticks]),
            ("lost", [_]) => lost += 1,
            ("image", &[number, digit, answer]) => image = Some((number, digit, answer)),
            ("logits", numbers) if numbers.len() == CLASSES => logits = Some(numbers.to_vec()),
            ("ticks", numbers) if numbers.len() == 5 => {
                let [first, second] = spins[..] else { return Err(unexpected()) };
                let per_tick = (second[0] - first[0]) as f64 / (second[1] - first[1]) as f64;
                let (number, digit, answer) = image.take().ok_or_else(unexpected)?;
                let number = usize::try_from(number).map_err(|_| unexpected())?;
                let skipped = number.checked_sub(next).ok_or_else(unexpected)?;
                let (host_logits, host_answer) = expected.nth(skipped).ok_or_else(unexpected)?;
                next = number + 1;
                let answer = u8::try_from(answer).map_or(Answer::Unsure, Answer::Confident);
                let same_logits =
                    logits.take().is_some_and(|logits| logits == host_logits.0.map(i64::from));
                let digit = u8::try_from(digit).map_err(|_| unexpected())?;
                images.push(ImageResult {
                    number,
                    agrees: same_logits && digit == host_logits.digit() && answer == host_answer,
                    digit,
                    answer,
                    instructions: std::array::from_fn(|part| numbers[part] as f64 * per_tick),
                });
                progress(number + 1);
            }
            ("end", &[dropped, flash, statics, stack]) => {
                let size = |bytes: i64| usize::try_from(bytes).map_err(|_| unexpected());
                return Ok(BoardReport {
                    images,
                    lost,
                    dropped: u32::try_from(dropped).map_err(|_| unexpected())?,
                    flash: size(flash)?,
                    statics: size(statics)?,
                    stack: size(stack)?,
                });
            }
            _ => return Err(unexpected()),
        }
    }
    Err(BoardError::Emulator("it ended before its report did".into()))
}

#[cfg(test)]
mod tests {

    use super::*;
    use firmware::Logits;

    fn run(lines: &str) -> Result<BoardReport, BoardError> {
        let logits = Logits([0, 1, 2, 3, 4, 5, 6, 7, 90, 9]);
        let expected = (logits, Answer::Confident(8));
        let lines = lines.lines().map(|line| Ok(line.to_string()));
        read(lines, &mut vec![expected; 3].into_iter(), |_| ())
    }

    const SPINS: &str = "spin 2000 3208\nspin 202000 323208";
    const LOGITS: &str = "logits 0 1 2 3 4 5 6 7 90 9";

    #[test]
    fn ticks_become_instructions_and_lost_images_are_passed_over() {
        let report = run(&format!(
            "{SPINS}\nimage 0 8 8\n{LOGITS}\nticks 16 32 48 0 8\nlost 1\n\
             image 2 8 8\n{LOGITS}\nticks 16 64 48 0 8\nend 3 450000 3500 500"
        ))
        .unwrap();
        assert_eq!(
            (report.agreements(), report.lost, report.dropped, report.ram()),
            (2, 1, 3, 4000)
        );
        assert_eq!(report.instructions(Some(LayerId::Conv2)), (30.0, 40.0));
        assert_eq!(report.total(), (75.0, 85.0));
    }

    #[test]
    fn another_logit_digit_or_answer_is_a_disagreement() {
        for (image, logits) in [
            ("image 0 8 8", "logits 0 1 2 3 4 5 6 7 90 8"),
            ("image 0 7 8", LOGITS),
            ("image 0 8 -1", LOGITS),
        ] {
            let report = run(&format!("{SPINS}\n{image}\n{logits}\nticks 1 1 1 1 1\nend 0 1 1 1"));
            assert_eq!(report.unwrap().agreements(), 0, "{image}, {logits}");
        }
    }

    #[test]
    fn unexpected_output_is_refused() {
        for lines in [
            "",
            SPINS,
            "hello",
            "ticks 1 1 1 1 1",
            "end 0 1 1",
            &format!("{SPINS}\nticks 1 1 1 1 1"),
            &format!("{SPINS}\nimage 7 8 8\n{LOGITS}\nticks 1 1 1 1 1"),
        ] {
            assert!(run(lines).is_err(), "{lines:?}");
        }
    }
}
