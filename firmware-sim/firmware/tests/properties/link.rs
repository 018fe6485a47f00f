//! A board on a line that loses, adds and changes bytes: what arrives is what was sent.

use firmware::format::Layout;
use firmware::link::{
    Buffers, Chip, Counter, Device, Frame, MAX_DATA, MAX_FRAME, REPORT_HEAD, Reply, Request,
};
use firmware::{Dimensions, Model};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::synthetic::{Network, Random};

/// A line on which of `rate` bytes one is changed, lost, doubled, or followed by others.
struct Line<'a> {
    random: &'a mut Random,
    rate: u64,
}

impl Line<'_> {
    fn carry(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut carried = vec![];
        for &byte in bytes {
            if self.rate == 0 || !self.random.one_in(self.rate) {
                carried.push(byte);
                continue;
            }
            match self.random.range(0, 3) {
                0 => {}
                1 => carried.push(byte ^ 1 << self.random.range(0, 7)),
                2 => carried.extend([byte; 2]),
                _ => {
                    let noise = self.random.range(1, 2 * MAX_FRAME);
                    carried.extend((0..noise).map(|_| self.random.range(0, 255) as u8));
                }
            }
        }
        carried
    }
}

fn received(frame: &mut Frame, line: &[u8]) -> Vec<Vec<u8>> {
    line.iter().filter_map(|&byte| frame.push(byte).map(<[u8]>::to_vec)).collect()
}

fn pixels(image: u32, at: u32, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let request = Request::Pixels { image, at, bytes };
    let sent = request.emit(&mut Frame::new()).to_vec();
    let message = received(&mut Frame::new(), &sent).remove(0);
    assert_eq!(Request::parse(&message), Some(request));
    (sent, message)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A frame that came whole is received whatever came before; of the others none is, nor anything else.
    #[test]
    fn of_damaged_frames_none_is_taken_and_each_whole_one_is(
        frames in vec((vec(prop_oneof![Just(0), any::<u8>()], 1..=MAX_DATA), 0..4_u8), 1..12),
        seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let (mut line, mut whole, mut all) = (vec![], vec![], vec![]);
        for (number, (data, harm)) in frames.iter().enumerate() {
            let (sent, message) = pixels(number as u32, 0, data);
            all.push(message.clone());
            if *harm > 0 {
                whole.push(message);
                line.extend(sent);
            } else {
                line.extend(Line { random: &mut random, rate: 5 }.carry(&sent));
            }
        }
        let found = received(&mut Frame::new(), &line);
        let mut rest = found.iter();
        prop_assert!(whole.iter().all(|message| rest.any(|it| it == message)), "{found:?}");
        // that noise did no harm happens too
        prop_assert!(found.iter().all(|message| all.contains(message)));
    }

    #[test]
    fn no_noise_is_a_message(noise in vec(any::<u8>(), 0..4 * MAX_FRAME)) {
        prop_assert_eq!(received(&mut Frame::new(), &noise), Vec::<Vec<u8>>::new());
        // and whatever a message holds, it is one or not
        let _ = (Request::parse(&noise), Reply::parse(&noise));
    }
}

/// What a computer does: asks until it is answered, and from the beginning if the board has lost the image.
struct Computer<'a> {
    line: Line<'a>,
    frame: Frame,
    clock: u32,
}

impl Computer<'_> {
    /// The answer to a request, by a part of it; `None` if the board lost the image.
    fn ask<T>(
        &mut self,
        device: &mut Device<'_, '_>,
        request: Request<'_>,
        take: impl Fn(Reply<'_>) -> Option<T>,
    ) -> Option<T> {
        for _ in 0..1000 {
            let sent = self.line.carry(request.emit(&mut Frame::new()));
            let mut answered = vec![];
            for byte in sent {
                let mut cycles = || {
                    self.clock = self.clock.wrapping_add(3);
                    self.clock
                };
                answered.extend(device.on_byte(byte, &mut cycles));
            }
            for message in received(&mut self.frame, &self.line.carry(&answered)) {
                let Some(reply) = Reply::parse(&message) else { continue };
                if matches!((reply, request), (Reply::Lost { image: lost }, Request::Pixels { image, .. } | Request::Read { image, .. }) if lost == image)
                {
                    return None;
                }
                if let Some(found) = take(reply) {
                    return Some(found);
                }
            }
        }
        panic!("never answered: {request:?}");
    }

    /// The report on an image; `None` if the board lost it.
    fn show(
        &mut self,
        device: &mut Device<'_, '_>,
        number: u32,
        bytes: &[u8],
        words: usize,
    ) -> Option<Vec<u32>> {
        for (at, part) in (0..).step_by(MAX_DATA).zip(bytes.chunks(MAX_DATA)) {
            let end = at + part.len() as u32;
            self.ask(device, Request::Pixels { image: number, at, bytes: part }, |reply| {
                matches!(reply, Reply::Taken { image, next } if (image, next) == (number, end))
                    .then_some(())
            })?;
        }
        let mut report = vec![];
        while report.len() < words {
            let start = report.len() as u32;
            let part =
                self.ask(device, Request::Read { image: number, first: start }, |reply| {
                    let Reply::Report { image, first, words } = reply else { return None };
                    ((image, first) == (number, start)).then(|| {
                        words.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>()
                    })
                })?;
            assert!(!part.is_empty());
            report.extend(part);
        }
        Some(report)
    }
}

fn assert_shown(seed: u64, rate: u64) {
    let mut random = Random(seed);
    let network = Network::random(&mut random);
    let file = network.file(Layout::Bytes);
    let model = Model::parse(&file).unwrap();
    let sizes = Dimensions::of(&file);
    let images = [(); 3].map(|()| network.image(&mut random));
    let mut buffers = [(); 2].map(|()| {
        (vec![0; sizes.scratch_words], vec![0; sizes.row_len], vec![0; sizes.layers + 1])
    });
    let chip = Chip { counter: Counter::SysTick, ..Chip::named("a test") };
    // the second is the first after it was reset
    let [mut device, mut reset] = buffers.each_mut().map(|(scratch, row, cycles)| {
        Device::new(model, chip, Buffers { scratch, row, cycles }).unwrap()
    });
    let line = Line { random: &mut random, rate };
    let mut computer = Computer { line, frame: Frame::new(), clock: 0 };
    let mut scratch = vec![0; sizes.scratch_words];
    let words = REPORT_HEAD + sizes.layers + 1 + sizes.outputs;
    let mut number = 0;
    for (turn, image) in images.iter().enumerate() {
        if turn == 2 {
            std::mem::swap(&mut device, &mut reset);
        }
        let report = loop {
            number += 1;
            if let Some(report) = computer.show(&mut device, number, image, words) {
                break report;
            }
        };
        assert_eq!(report[0], firmware::format::checksum(image));
        let (cycles, outputs) = report[REPORT_HEAD..].split_at(sizes.layers + 1);
        // each layer is computed at least once, and each step takes three cycles of this clock
        assert!(cycles.iter().all(|&cycles| cycles > 0 && cycles % 3 == 0), "{cycles:?}");
        let mut expected = vec![];
        let done = model.infer_in_blocks(image, &mut scratch, |_, block| {
            expected.extend(block.iter().map(|output| output.cast_unsigned()));
        });
        assert_eq!(done, Some(()));
        assert_eq!(outputs, expected, "seed {seed}");
    }
}

#[test]
fn a_board_gives_the_logits_of_the_library_on_a_good_line_and_on_a_bad_one() {
    for seed in 0..150 {
        assert_shown(seed, [0, 300, 60][seed as usize % 3]);
    }
}

#[test]
fn a_board_answers_only_about_the_image_that_it_has() {
    let network = Network::random(&mut Random(1));
    let file = network.file(Layout::Bytes);
    let model = Model::parse(&file).unwrap();
    let sizes = Dimensions::of(&file);
    let (mut scratch, mut row) = (vec![0; sizes.scratch_words], vec![0; sizes.row_len]);
    let mut cycles = vec![0; sizes.layers + 1];
    for short in 0..3 {
        let mut buffers = Buffers { scratch: &mut scratch, row: &mut row, cycles: &mut cycles };
        match short {
            0 => buffers.scratch = &mut [],
            1 => buffers.row = &mut [],
            _ => buffers.cycles = &mut [],
        }
        assert!(Device::new(model, Chip::named(""), buffers).is_none());
    }
    let buffers = Buffers { scratch: &mut scratch, row: &mut row, cycles: &mut cycles };
    let mut device = Device::new(model, Chip::named("a test"), buffers).unwrap();
    let mut ask = |request: Request<'_>| {
        let mut answer = vec![];
        for byte in request.emit(&mut Frame::new()) {
            answer.extend(device.on_byte(*byte, &mut || 0));
        }
        let mut answers = received(&mut Frame::new(), &answer);
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    };
    let lost = |image| {
        received(&mut Frame::new(), Reply::Lost { image }.emit(&mut Frame::new())).remove(0)
    };
    let taken = |image, next| {
        let reply = Reply::Taken { image, next };
        received(&mut Frame::new(), reply.emit(&mut Frame::new())).remove(0)
    };
    let info = ask(Request::Hello);
    let Some(Reply::Info(info)) = Reply::parse(&info) else { panic!("{info:?}") };
    assert_eq!((info.chip.core, info.length as usize), ("a test", file.len()));
    assert_eq!(info.crc.to_le_bytes(), file[file.len() - 4..]);
    assert_eq!(info.identity, model.header().identity);

    assert_eq!(ask(Request::Read { image: 7, first: 0 }), lost(7), "nothing was shown");
    assert_eq!(ask(Request::Pixels { image: 7, at: 1, bytes: &[1] }), lost(7), "not the beginning");
    assert_eq!(ask(Request::Pixels { image: 7, at: 0, bytes: &[1, 2] }), taken(7, 2));
    assert_eq!(ask(Request::Pixels { image: 7, at: 0, bytes: &[1, 2] }), taken(7, 2), "again");
    assert_eq!(ask(Request::Pixels { image: 7, at: 1, bytes: &[2, 3] }), taken(7, 3), "one is new");
    assert_eq!(ask(Request::Pixels { image: 7, at: 4, bytes: &[5] }), lost(7), "one is missing");
    assert_eq!(ask(Request::Read { image: 7, first: 0 }), lost(7), "not all of it");
    assert_eq!(ask(Request::Pixels { image: 8, at: 0, bytes: &[1] }), taken(8, 1), "another");
    assert_eq!(ask(Request::Pixels { image: 7, at: 3, bytes: &[4] }), lost(7), "it is gone");
    assert_eq!(ask(Request::Pixels { image: 8, at: u32::MAX, bytes: &[4] }), lost(8));
}
