//! Parses the output of a board.

use super::BoardError;

/// Result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct BoardReport {
    /// Names of the layers in order.
    pub layers: Vec<String>,
    /// The images that were read, in order.
    pub images: Vec<ImageResult>,
    /// Images that did not come out, because rows of them were dropped: read to a part, or not at all.
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
#[derive(Debug, Clone, PartialEq)]
pub struct ImageResult {
    /// Its number.
    pub number: usize,
    /// Whether the logits are the host's.
    pub agrees: bool,
    /// The outputs of the last layer.
    pub logits: Vec<i32>,
    /// Instructions, or a real board's cycles, of the layers in order, and of taking rows in.
    pub counts: Vec<f64>,
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

    /// Mean and maximum of the instructions, or cycles, of layer number `layer`, over all images.
    #[must_use]
    pub fn of_layer(&self, layer: usize) -> (f64, f64) {
        self.spread(|image| image.counts[layer])
    }

    /// Mean and maximum of those of taking rows in.
    #[must_use]
    pub fn of_rows(&self) -> (f64, f64) {
        self.of_layer(self.layers.len())
    }

    /// Mean and maximum of those of an inference.
    #[must_use]
    pub fn total(&self) -> (f64, f64) {
        self.spread(|image| image.counts.iter().sum())
    }

    fn spread(&self, count: impl Fn(&ImageResult) -> f64) -> (f64, f64) {
        let counts = || self.images.iter().map(&count);
        let mean = counts().sum::<f64>() / self.images.len().max(1) as f64;
        (mean, counts().fold(0.0, f64::max))
    }
}

/// Reads a run of a model of these layers and so many outputs to its end; `expected` gives the host's logits for the
/// images in order.
pub(super) fn read(
    lines: impl Iterator<Item = Result<String, BoardError>>,
    layers: Vec<String>,
    outputs: usize,
    expected: &mut dyn Iterator<Item = Vec<i32>>,
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
            // it counts as those that the board never saw do: as passed over
            ("lost", [_]) => {}
            ("image", &[number]) => image = Some(number),
            ("logits", numbers) if numbers.len() == outputs => {
                let numbers: Result<Vec<i32>, _> =
                    numbers.iter().map(|&number| i32::try_from(number)).collect();
                logits = Some(numbers.map_err(|_| unexpected())?);
            }
            ("ticks", numbers) if numbers.len() == layers.len() + 1 => {
                let [first, second] = spins[..] else { return Err(unexpected()) };
                let per_tick = (second[0] - first[0]) as f64 / (second[1] - first[1]) as f64;
                let number = image.take().ok_or_else(unexpected)?;
                let number = usize::try_from(number).map_err(|_| unexpected())?;
                let skipped = number.checked_sub(next).ok_or_else(unexpected)?;
                let of_host = expected.nth(skipped).ok_or_else(unexpected)?;
                next = number + 1;
                lost += skipped;
                let logits = logits.take().ok_or_else(unexpected)?;
                // counts are of 32 bits, printed with a sign
                let counts =
                    numbers.iter().map(|&ticks| f64::from(ticks as u32) * per_tick).collect();
                images.push(ImageResult { number, agrees: logits == of_host, logits, counts });
                progress(number + 1);
            }
            ("end", &[dropped, flash, statics, stack]) => {
                let size = |bytes: i64| usize::try_from(bytes).map_err(|_| unexpected());
                return Ok(BoardReport {
                    layers,
                    images,
                    lost: lost + expected.count(),
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

    const LOGITS: [i32; 3] = [0, -7, 90];

    fn run(lines: &str) -> Result<BoardReport, BoardError> {
        let layers = ["conv1", "dense1"].map(str::to_owned).to_vec();
        let lines = lines.lines().map(|line| Ok(line.to_string()));
        read(lines, layers, 3, &mut vec![LOGITS.to_vec(); 3].into_iter(), |_| ())
    }

    const SPINS: &str = "spin 2000 3208\nspin 202000 323208";
    const LINE: &str = "logits 0 -7 90";

    #[test]
    fn ticks_become_instructions_and_lost_images_are_passed_over() {
        let report = run(&format!(
            "{SPINS}\nimage 0\n{LINE}\nticks 16 32 8\nlost 1\n\
             image 2\n{LINE}\nticks 16 64 8\nend 3 450000 3500 500"
        ))
        .unwrap();
        assert_eq!(
            (report.agreements(), report.lost, report.dropped, report.ram()),
            (2, 1, 3, 4000)
        );
        assert_eq!(report.of_layer(1), (30.0, 40.0));
        assert_eq!(report.of_rows(), (5.0, 5.0));
        assert_eq!(report.total(), (45.0, 55.0));
        assert_eq!(report.images[1].logits, LOGITS);
    }

    #[test]
    fn images_that_the_board_never_saw_are_lost_too() {
        let report = run(&format!("{SPINS}\nimage 1\n{LINE}\nticks 1 1 1\nend 9 1 1 1")).unwrap();
        assert_eq!((report.agreements(), report.lost), (1, 2));
    }

    #[test]
    fn counts_above_two_to_the_31_are_printed_below_zero() {
        let report = run(&format!("{SPINS}\nimage 0\n{LINE}\nticks -16 0 0\nend 0 1 1 1")).unwrap();
        let expected = (f64::from(u32::MAX) - 15.0) / 1.6;
        assert!((report.of_layer(0).0 - expected).abs() < 1.0);
    }

    #[test]
    fn another_logit_is_a_disagreement() {
        let report = run(&format!("{SPINS}\nimage 0\nlogits 0 -7 89\nticks 1 1 1\nend 0 1 1 1"));
        assert_eq!(report.unwrap().agreements(), 0);
    }

    #[test]
    fn unexpected_output_is_refused() {
        for lines in [
            "",
            SPINS,
            "hello",
            "ticks 1 1 1",
            "end 0 1 1",
            &format!("{SPINS}\nticks 1 1 1"),
            &format!("{SPINS}\nimage 0\nticks 1 1 1"),
            &format!("{SPINS}\nimage 0\nlogits 0 1\nticks 1 1 1"),
            &format!("{SPINS}\nimage 7\n{LINE}\nticks 1 1 1"),
        ] {
            assert!(run(lines).is_err(), "{lines:?}");
        }
    }
}
