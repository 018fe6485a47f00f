//! `runtime evaluate` on a folder per class or a CSV file: how good a model is on labelled picture files.

mod tally;
mod text;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anyhow::anyhow;
use dataset::folder::{Listing, Refused};
use image::DynamicImage;
use runtime::Verdict;
use runtime::labelled::{self, Look, Summary, decode_each};
use runtime::picture::Limits;
use runtime::preprocess::Content;

use crate::canvas::check_output;
use crate::cli;
use crate::hint::with_hint;
use crate::model;
use crate::note;
use crate::progress;
use crate::test_pictures;
use safe_io::print::print_error;
use tally::{Answer, Tally};

/// Maximum number of pictures that cannot be read of which standard error says so.
const MAX_PRINTED: usize = 10;

/// What a model says of a picture; no more is kept, since there may be many.
struct Said {
    class: usize,
    confidence: f32,
    verdict: Verdict,
}

pub(crate) fn run(arguments: &cli::Evaluate, data: &Path) -> anyhow::Result<ExitCode> {
    if let Some(path) = &arguments.sheet {
        let inputs = [Some(data), arguments.model.file.as_deref()];
        let inputs: Vec<&Path> = inputs.into_iter().flatten().collect();
        check_output(path, &inputs, arguments.force, "")?;
    }
    let classifier = model::classifier(&arguments.model)?;
    note::assumption(&classifier, arguments.model.file.as_deref());
    let spread = Mutex::new(note::Spread::new(&classifier));
    let limits = Limits::from(&arguments.limits);
    let mut there = test_pictures::load(data, classifier.classes())?;
    if arguments.json {
        there.note_refused();
    }
    let say = |index: usize, picture: &DynamicImage| {
        let look = Look::of(picture);
        if !there.takes(&there.listing.pictures[index]) {
            return (look, None);
        }
        let prepared = classifier.preparation().prepare(picture);
        let prediction = classifier.predict(&prepared);
        if prepared.content == Content::Drawing {
            // a panic in another thread ends all
            spread.lock().unwrap_or_else(PoisonError::into_inner).add(&prediction);
        }
        let (class, confidence) = (prediction.class(), prediction.confidence());
        (look, Some(Said { class, confidence, verdict: prediction.verdict }))
    };
    let bar = progress::bar(there.listing.pictures.len());
    let pictures = &there.listing.pictures;
    let read = decode_each(pictures, limits, say, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let all = std::mem::take(&mut there.listing.pictures);
    let (mut pictures, mut looks, mut answers, mut unread) = (vec![], vec![], vec![], 0);
    for (picture, read) in all.into_iter().zip(read) {
        match read {
            Ok((look, said)) => {
                if let Some(Said { class, confidence, verdict }) = said {
                    let label = there.label(&picture);
                    let place = pictures.len();
                    answers.push(Answer { place, label, class, confidence, verdict });
                }
                pictures.push(picture);
                looks.push(look);
            }
            Err(error) => {
                let reason = labelled::reason(&error);
                if there.takes(&picture) {
                    unread += 1;
                    if unread <= MAX_PRINTED {
                        print_error(&with_hint(error));
                    }
                }
                there.listing.refused.push(Refused { name: picture.name, reason });
            }
        }
    }
    if unread > MAX_PRINTED {
        print_error(&anyhow!("{} more cannot be read, which --json lists", unread - MAX_PRINTED));
    }
    spread.into_inner().unwrap_or_else(PoisonError::into_inner).note();
    let listing = Listing { pictures, ..there.listing };
    let summary = Summary::of_listing(&listing, &looks);
    let tally = Tally::new(&classifier, summary, listing.pictures, answers, unread);
    let mut output = io::stdout().lock();
    let printed = if arguments.json {
        writeln!(output, "{}", tally.json())
    } else {
        write!(output, "{tally}")
    };
    // a reader that left early still gets its file
    if let Some(path) = &arguments.sheet {
        tally.sheet(limits).save(path, &tally.headline())?;
    }
    printed?;
    Ok(if unread == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
