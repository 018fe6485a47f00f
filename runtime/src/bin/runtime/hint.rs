//! What to do about an error, in words of this command: libraries know none of its flags.

use std::error::Error;

use anyhow::anyhow;
use runtime::picture::Limits;

/// The error in one line with its causes, and which flag helps if one does.
pub(crate) fn with_hint(error: impl Error + Send + Sync + 'static) -> anyhow::Error {
    match hint(&error) {
        Some(hint) => anyhow!("{:#}; {hint}", anyhow::Error::from(error)),
        None => error.into(),
    }
}

/// By the first cause for which there is something to do.
fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let of_picture_or_model = match own::<runtime::Error>(error) {
        Some(runtime::Error::TooManyBytes { .. }) => Some("--max-bytes raises the limit"),
        Some(runtime::Error::TooManyPixels { limit_pixels, .. })
            if *limit_pixels < Limits::MAX_PIXELS =>
        {
            Some("--max-pixels raises the limit")
        }
        Some(runtime::Error::Normalized { .. }) => Some("leave out --mean and --std"),
        _ => None,
    };
    let is_missing = matches!(own(error), Some(dataset::Error::Missing { .. }));
    let of_dataset = is_missing.then_some(
        "run trainer/run once, which fetches MNIST, or pass --data DIR with the four IDX files: \
         tests/data/mnist-500 of the repository holds the first 500 images",
    );
    let is_of_other_images = matches!(own(error), Some(dataset::Error::Shape { .. }));
    let of_other_images =
        is_of_other_images.then_some("pass --data DIR with pictures of the model's size");
    of_picture_or_model.or(of_dataset).or(of_other_images).or_else(|| error.source().and_then(hint))
}

/// A cause in its own type; one that was boxed has that of its box.
fn own<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    error.downcast_ref().or_else(|| error.downcast_ref::<Box<E>>().map(AsRef::as_ref))
}

#[cfg(test)]
mod tests {
    use runtime::Error;

    use super::{Limits, with_hint};

    #[test]
    fn an_error_keeps_its_line_and_gets_what_helps() {
        let pixels = |limit_pixels| Error::TooManyPixels { width: 9, height: 9, limit_pixels };
        let refusal = with_hint(pixels(80).in_file("a.png"));
        assert_eq!(
            refusal.to_string(),
            "a.png: a picture of 9x9 pixels, over the limit of 80; --max-pixels raises the limit"
        );
        // no flag goes beyond it
        assert!(!with_hint(pixels(Limits::MAX_PIXELS)).to_string().contains("--"));
        assert_eq!(format!("{:#}", with_hint(Error::Empty.in_file("a"))), "a: the file is empty");
    }
}
