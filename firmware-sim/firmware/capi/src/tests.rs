//! The functions as C calls them, misuse too: each gives its status.

use std::ffi::{CStr, c_void};
use std::mem::{size_of, zeroed};
use std::ptr::{null, null_mut};
use std::slice;
use std::vec::Vec;

use firmware::Model;

use crate::answer::lnq_answer;
use crate::frame::{
    Guard, lnq_finish, lnq_finish_in_blocks, lnq_frame, lnq_push_row, lnq_start, lnq_step,
};
use crate::model::{lnq_info, lnq_model, lnq_parse, lnq_parse_embedded, lnq_scratch_words};
use crate::status::*;

/// A file at a multiple of four.
struct Flash(Vec<u32>, usize);

impl Flash {
    fn of(bytes: &[u8]) -> Self {
        let words = bytes.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_ne_bytes(word)
        });
        Self(words.collect(), bytes.len())
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: bytes of whole words.
        unsafe { slice::from_raw_parts(self.0.as_ptr().cast(), self.1) }
    }
}

/// Small networks with all routines of both layouts: the fuzzer's seeds.
fn seeds() -> Vec<Flash> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fuzz/seeds/q8");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| Flash::of(&std::fs::read(path).unwrap())).collect()
}

/// One whose outputs are held.
fn held() -> Flash {
    let holds = |flash: &Flash| Model::parse(flash.bytes()).unwrap().holds_outputs();
    seeds().into_iter().find(holds).unwrap()
}

fn model_of(flash: &Flash) -> lnq_model {
    // SAFETY: a handle may be zeros, and the file is there.
    unsafe {
        let mut model = zeroed();
        assert_eq!(lnq_parse(&raw mut model, flash.bytes().as_ptr(), flash.1), LNQ_OK);
        model
    }
}

fn info_of(model: &lnq_model) -> lnq_info {
    // SAFETY: numbers may be zeros.
    unsafe {
        let mut info = zeroed();
        assert_eq!(lnq_info(model, &raw mut info), LNQ_OK);
        info
    }
}

fn image_of(info: &lnq_info) -> Vec<u8> {
    (0..info.rows * info.row_bytes).map(|index| (index * 97 % 251) as u8).collect()
}

/// Outputs collected as C would: `context` is a vector.
unsafe extern "C" fn collect(
    context: *mut c_void,
    first: usize,
    outputs: *const i32,
    count: usize,
) {
    // SAFETY: the test gives a vector, and the library numbers.
    let (all, outputs) =
        unsafe { (&mut *context.cast::<Vec<i32>>(), slice::from_raw_parts(outputs, count)) };
    assert_eq!(first, all.len());
    all.extend_from_slice(outputs);
}

#[test]
fn outputs_and_answers_are_the_engines() {
    let (mut held, mut in_blocks) = (0, 0);
    for flash in seeds() {
        let parsed = Model::parse(flash.bytes()).unwrap();
        let model = model_of(&flash);
        let info = info_of(&model);
        let image = image_of(&info);
        let mut expected = vec![];
        let mut scratch = vec![0; parsed.scratch_words()];
        parsed
            .infer_in_blocks(&image, &mut scratch, |_, block| expected.extend_from_slice(block))
            .unwrap();
        assert_eq!(info.outputs as usize, expected.len());
        scratch.fill(u32::MAX);
        // SAFETY: all is there for as long as it is used.
        unsafe {
            assert_eq!(lnq_scratch_words(&raw const model), scratch.len());
            let mut frame: lnq_frame = zeroed();
            let begun =
                lnq_start(&raw mut frame, &raw const model, scratch.as_mut_ptr(), scratch.len());
            assert_eq!(begun, LNQ_NEEDS_ROW);
            let rows = image.chunks_exact(info.row_bytes as usize);
            let last = rows.len() - 1;
            for (number, row) in rows.enumerate() {
                let status = lnq_push_row(&raw mut frame, row.as_ptr(), row.len());
                assert_eq!(status, if number == last { LNQ_READY } else { LNQ_NEEDS_ROW });
            }
            let mut found = vec![];
            if info.holds_outputs == 1 {
                let (mut outputs, mut count) = (null(), 0);
                assert_eq!(lnq_finish(&raw mut frame, &raw mut outputs, &raw mut count), LNQ_OK);
                found.extend_from_slice(slice::from_raw_parts(outputs, count));
                held += 1;
            } else {
                let mut outputs = null();
                let status = lnq_finish(&raw mut frame, &raw mut outputs, null_mut());
                assert_eq!(status, LNQ_NOT_HELD);
                let all = (&raw mut found).cast();
                assert_eq!(lnq_finish_in_blocks(&raw mut frame, Some(collect), all), LNQ_OK);
                in_blocks += 1;
            }
            assert_eq!(found, expected);
            let mut answer = zeroed();
            let status = lnq_answer(&raw const model, found.as_ptr(), found.len(), &raw mut answer);
            let of_engine = firmware::Logits(&expected).answer(parsed);
            assert_eq!((status, answer.best), (LNQ_OK, of_engine.class.into()));
            assert_eq!(answer.agrees == 1, of_engine.agrees);
            assert_eq!(answer.verdict, of_engine.verdict as u32);
        }
    }
    assert!(held > 0 && in_blocks > 0);
}

#[test]
fn steps_are_those_of_the_engine() {
    let flash = held();
    let parsed = Model::parse(flash.bytes()).unwrap();
    let model = model_of(&flash);
    let info = info_of(&model);
    let image = image_of(&info);
    let (mut memory, mut scratch) =
        (vec![0; parsed.scratch_words()], vec![0; parsed.scratch_words()]);
    let mut of_engine = parsed.start(&mut memory).unwrap();
    // SAFETY: all is there for as long as it is used.
    unsafe {
        let mut frame: lnq_frame = zeroed();
        lnq_start(&raw mut frame, &raw const model, scratch.as_mut_ptr(), scratch.len());
        for row in image.chunks_exact(info.row_bytes as usize) {
            loop {
                let (mut layer, expected) = (u32::MAX, of_engine.step());
                let status = lnq_step(&raw mut frame, &raw mut layer);
                if let firmware::Progress::Computed(computed) = expected {
                    assert_eq!((status, layer), (LNQ_OK, computed as u32));
                } else {
                    assert_eq!((status, layer), (LNQ_NEEDS_ROW, u32::MAX));
                    break;
                }
            }
            of_engine.push_row(row).unwrap();
            lnq_push_row(&raw mut frame, row.as_ptr(), row.len());
        }
        while lnq_step(&raw mut frame, null_mut()) == LNQ_OK {}
        assert_eq!(lnq_step(&raw mut frame, null_mut()), LNQ_READY);
    }
}

#[test]
fn a_bad_file_is_refused_by_its_status_and_leaves_no_model() {
    let flash = held();
    let changed = |index: usize| {
        let mut bytes = flash.bytes().to_vec();
        bytes[index] ^= 1;
        Flash::of(&bytes)
    };
    let cases = [
        (Flash::of(&flash.bytes()[..40]), LNQ_FILE_LENGTH),
        (changed(0), LNQ_FILE_MAGIC),
        (changed(4), LNQ_FILE_VERSION),
        (changed(flash.1 - 9), LNQ_FILE_CHECKSUM),
    ];
    for (file, expected) in &cases {
        let mut model = model_of(&flash);
        // SAFETY: all is there.
        unsafe {
            let (at, length) = (file.bytes().as_ptr(), file.1);
            assert_eq!(lnq_parse(&raw mut model, at, length), *expected);
            assert_eq!(lnq_parse_embedded(&raw mut model, at, length), *expected);
            assert_eq!(lnq_scratch_words(&raw const model), 0);
        }
    }
    // SAFETY: the file is there, one byte further, and of no other length is a byte read.
    unsafe {
        let mut model: lnq_model = zeroed();
        let mut moved = vec![0; flash.1 + 8];
        let at = moved.as_ptr().align_offset(4) + 1;
        moved[at..at + flash.1].copy_from_slice(flash.bytes());
        let status = lnq_parse(&raw mut model, moved[at..].as_ptr(), flash.1);
        assert_eq!(status, LNQ_FILE_ALIGNMENT);
        let status = lnq_parse(&raw mut model, flash.bytes().as_ptr(), usize::MAX);
        assert_eq!(status, LNQ_FILE_LENGTH);
    }
}

#[test]
fn misuse_gives_a_status() {
    let flash = held();
    let model = model_of(&flash);
    let info = info_of(&model);
    let mut scratch = vec![0; info.scratch_words as usize];
    let (words, row) = (scratch.len(), vec![0; info.row_bytes as usize]);
    let at = scratch.as_mut_ptr();
    // SAFETY: what is not NULL is there for as long as it is used.
    unsafe {
        let (mut none, mut frame): (lnq_model, lnq_frame) = (zeroed(), zeroed());
        let [of_none, of_model, frame_at] = [
            (&raw mut none).cast::<c_void>(),
            (&raw const model).cast_mut().cast(),
            (&raw mut frame).cast(),
        ];
        let (of_none, of_model) = (of_none.cast::<lnq_model>(), of_model.cast::<lnq_model>());
        let frame = frame_at.cast::<lnq_frame>();
        let file = flash.bytes().as_ptr();

        assert_eq!(lnq_parse(null_mut(), file, flash.1), LNQ_NULL);
        assert_eq!(lnq_parse(of_none, null(), flash.1), LNQ_NULL);
        assert_eq!(lnq_parse(of_none.byte_add(1), file, flash.1), LNQ_ALIGNMENT);
        assert_eq!(lnq_scratch_words(null()), 0);
        let mut info: lnq_info = zeroed();
        assert_eq!(lnq_info(of_none, &raw mut info), LNQ_NOT_PARSED);
        assert_eq!(lnq_info(of_model, null_mut()), LNQ_NULL);

        assert_eq!(lnq_push_row(frame, row.as_ptr(), row.len()), LNQ_NOT_STARTED);
        assert_eq!(lnq_start(frame, of_none, at, words), LNQ_NOT_PARSED);
        assert_eq!(lnq_start(null_mut(), of_model, at, words), LNQ_NULL);
        assert_eq!(lnq_start(frame, of_model, null_mut(), words), LNQ_NULL);
        assert_eq!(lnq_start(frame, of_model, at.byte_add(2), words), LNQ_ALIGNMENT);
        assert_eq!(lnq_start(frame, of_model, at, words - 1), LNQ_SCRATCH);
        assert_eq!(lnq_start(frame, of_model, frame.cast(), words), LNQ_OVERLAP);
        assert_eq!(lnq_start(frame, of_model, file.cast_mut().cast(), words), LNQ_OVERLAP);
        assert_eq!(lnq_start(frame, of_model, at, words), LNQ_NEEDS_ROW);

        assert_eq!(lnq_push_row(frame, null(), row.len()), LNQ_NULL);
        assert_eq!(lnq_push_row(frame, row.as_ptr(), row.len() + 1), LNQ_ROW_LENGTH);
        assert_eq!(lnq_push_row(frame, row.as_ptr(), usize::MAX), LNQ_ROW_LENGTH);
        assert_eq!(lnq_push_row(frame, at.cast(), row.len()), LNQ_OVERLAP);
        let (mut outputs, mut count) = (null(), 0);
        assert_eq!(lnq_finish(frame, &raw mut outputs, null_mut()), LNQ_ROWS_MISSING);
        assert_eq!(lnq_finish(frame, null_mut(), null_mut()), LNQ_NULL);
        assert_eq!(lnq_finish_in_blocks(frame, None, null_mut()), LNQ_NULL);
        assert_eq!(lnq_finish_in_blocks(frame, Some(collect), null_mut()), LNQ_ROWS_MISSING);

        // a copy would share the scratch
        let mut copy = frame.read();
        assert_eq!(lnq_push_row(&raw mut copy, row.as_ptr(), row.len()), LNQ_NOT_STARTED);
        while lnq_push_row(frame, row.as_ptr(), row.len()) == LNQ_NEEDS_ROW {}
        // one more row than there are
        assert_eq!(lnq_push_row(frame, row.as_ptr(), row.len()), LNQ_READY);
        assert_eq!(lnq_finish(frame, &raw mut outputs, &raw mut count), LNQ_OK);
        assert_eq!(lnq_finish(frame, &raw mut outputs, &raw mut count), LNQ_NOT_STARTED);
        assert_eq!(lnq_step(frame, null_mut()), LNQ_NOT_STARTED);

        let mut answer = zeroed();
        assert_eq!(lnq_answer(of_model, outputs, count + 1, &raw mut answer), LNQ_OUTPUTS);
        assert_eq!(lnq_answer(of_model, null(), count, &raw mut answer), LNQ_NULL);
        assert_eq!(lnq_answer(of_none, outputs, count, &raw mut answer), LNQ_NOT_PARSED);
        assert_eq!(lnq_answer(of_model, outputs, count, null_mut()), LNQ_NULL);
    }
}

#[test]
fn a_call_that_interrupts_another_finds_the_frame_busy() {
    let flash = held();
    let model = model_of(&flash);
    let mut scratch = vec![0; info_of(&model).scratch_words as usize];
    // SAFETY: all is there for as long as it is used.
    unsafe {
        let mut frame: lnq_frame = zeroed();
        let at = &raw mut frame;
        let start =
            |words: &mut Vec<u32>| lnq_start(at, &raw const model, words.as_mut_ptr(), words.len());
        assert_eq!(start(&mut scratch), LNQ_NEEDS_ROW);
        let interrupted = Guard::of(at).ok().unwrap();
        assert_eq!(lnq_step(at, null_mut()), LNQ_BUSY);
        assert_eq!(start(&mut scratch), LNQ_BUSY);
        drop(interrupted);
        assert_eq!(lnq_step(at, null_mut()), LNQ_NEEDS_ROW);
    }
}

/// What a call finds that interrupts the taking of outputs, whose frame `context` is.
unsafe extern "C" fn interrupt(context: *mut c_void, _: usize, _: *const i32, _: usize) {
    // SAFETY: it is only looked at.
    assert_eq!(unsafe { lnq_step(context.cast(), null_mut()) }, LNQ_BUSY);
}

#[test]
fn a_call_that_interrupts_the_taking_of_outputs_finds_the_frame_busy() {
    let flash = held();
    let model = model_of(&flash);
    let info = info_of(&model);
    let image = image_of(&info);
    // SAFETY: all of it is there, and its own.
    unsafe {
        let mut scratch = vec![0; lnq_scratch_words(&raw const model)];
        let mut frame: lnq_frame = zeroed();
        let at = &raw mut frame;
        lnq_start(at, &raw const model, scratch.as_mut_ptr(), scratch.len());
        for row in image.chunks_exact(info.row_bytes as usize) {
            lnq_push_row(at, row.as_ptr(), row.len());
        }
        assert_eq!(lnq_finish_in_blocks(at, Some(interrupt), at.cast()), LNQ_OK);
        assert_eq!(lnq_step(at, null_mut()), LNQ_NOT_STARTED);
    }
}

#[test]
fn every_status_has_a_sentence_of_its_own() {
    let sentence = |status| {
        // SAFETY: a text that is never freed.
        unsafe { CStr::from_ptr(lnq_message(status)) }.to_str().unwrap()
    };
    let unknown = sentence(i32::MIN);
    let known: Vec<_> = (-64..64).map(sentence).filter(|text| *text != unknown).collect();
    let mut different = known.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(known.len(), 21);
    assert_eq!(different.len(), 21);
    assert!(size_of::<lnq_status>() == 4);
}
