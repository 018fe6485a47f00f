//! The models on the page, and what one picture is to them.

use firmware::format::MAGIC;
use image::{DynamicImage, RgbaImage};
use runtime::preprocess::{self, Color, Content, Preparation, Prepared, Preprocess};
use runtime::{Baked, Image, Verdict};

use super::float::Float;
use super::int8::Int8;

/// Most pixels of a picture: a photograph of a camera of today is shrunk by the page before.
const MAX_PIXELS: usize = 16_000_000;

/// Which model a file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// A baked model.
    Float,
    /// A `.q8` model.
    Int8,
}

/// What a model says of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// One for each class, little-endian: `f32` of the float model, `i32` of the int8 model, the device's own bits.
    pub logits: Vec<u8>,
    /// One for each class.
    pub probabilities: Vec<f32>,
    /// The most likely class; of equals the first.
    pub class: usize,
    /// Lines: the verdict; why there is no answer, or nothing; of an int8 model whether its margin is so large that the
    /// float model gives the same class: `agrees`, or nothing.
    pub words: String,
}

/// A float model, an int8 model, or both; and a picture as they take it.
///
/// Both take images of one shape and give as many scores: the one that was opened before is closed where it differs.
#[derive(Debug, Default)]
pub struct Models {
    float: Option<Float>,
    int8: Option<Int8>,
    prepared: Option<Prepared>,
    /// [`Prepared::image`] as a device takes it: `[row][column][channel]`.
    interleaved: Vec<u8>,
}

impl Models {
    /// Opens a file, a baked model or a `.q8` model, in place of the one of this kind.
    ///
    /// # Errors
    /// Why it is none; then nothing changes.
    pub fn open(&mut self, file: &[u8]) -> Result<Opened, String> {
        let opened = if Baked::is_baked(file) {
            let float = Float::parse(file)?;
            self.int8.take_if(|int8| shape_of(int8) != shape_of_float(&float));
            self.float = Some(float);
            Opened::Float
        } else if file.starts_with(&MAGIC) {
            let int8 = Int8::parse(file)?;
            self.float.take_if(|float| shape_of_float(float) != shape_of(&int8));
            self.int8 = Some(int8);
            Opened::Int8
        } else {
            return Err("neither a .baked nor a .q8 model. Of an ONNX file, `runtime bake` makes \
                        the one, and `firmware-sim quantize` the other"
                .into());
        };
        self.prepared = None;
        Ok(opened)
    }

    /// How a picture becomes what the models take: as the float model says, and without it as most of this shape do.
    #[must_use]
    pub fn preparation(&self) -> Option<Preparation> {
        if let Some(float) = &self.float {
            return Some(float.preparation());
        }
        let shape = self.int8.as_ref()?.input_shape();
        if shape == Preparation::DIGIT.shape() {
            return Some(Preparation::DIGIT);
        }
        let color = if shape[0] < 3 { Color::Grey } else { Color::Rgb };
        Preparation::new(shape, Preprocess::Stretch, color).ok()
    }

    /// Names of the classes: the float model's, or numbers from 0.
    fn classes(&self) -> Vec<String> {
        match (&self.float, &self.int8) {
            (Some(float), _) => float.classes().to_vec(),
            (None, Some(int8)) => (0..int8.classes()).map(|class| class.to_string()).collect(),
            (None, None) => vec![],
        }
    }

    /// Lines: channels, height and width; what becomes of a picture; the models that are open; then the classes' names.
    #[must_use]
    pub fn description(&self) -> String {
        let Some(preparation) = self.preparation() else { return String::new() };
        let [channels, height, width] = preparation.shape();
        let open = match (&self.float, &self.int8) {
            (Some(float), Some(int8)) if float.identity() == int8.identity() => {
                "float and int8 of one model"
            }
            (Some(_), Some(_)) => "float and int8 of two models",
            (Some(_), None) => "float",
            (None, _) => "int8",
        };
        let preprocess = preparation.preprocess().name();
        let head = format!("{channels} {height} {width}\n{preprocess}\n{open}");
        std::iter::once(head).chain(self.classes()).collect::<Vec<_>>().join("\n")
    }

    /// Makes a picture, red, green, blue and alpha of each pixel, into what the models take.
    ///
    /// # Errors
    /// That there is no model, or that it is no picture of this size.
    pub fn prepare(&mut self, rgba: Vec<u8>, width: usize, height: usize) -> Result<(), String> {
        let preparation = self.preparation().ok_or("there is no model")?;
        if width.checked_mul(height).is_none_or(|pixels| pixels > MAX_PIXELS) {
            return Err(format!("{width}x{height} pixels are more than {MAX_PIXELS}"));
        }
        let picture = RgbaImage::from_raw(width as u32, height as u32, rgba)
            .filter(|_| width > 0 && height > 0)
            .ok_or_else(|| format!("no picture of {width}x{height} pixels"))?;
        self.hold(preparation.prepare(&DynamicImage::ImageRgba8(picture)));
        Ok(())
    }

    /// Takes an image as the models take it, `[row][column][channel]`.
    ///
    /// # Errors
    /// That there is no model, or that the image has another length.
    pub fn take(&mut self, pixels: &[u8]) -> Result<(), String> {
        let shape = self.preparation().ok_or("there is no model")?.shape();
        let image = Image::from_interleaved(shape, pixels).map_err(|error| error.to_string())?;
        self.hold(image.into());
        Ok(())
    }

    fn hold(&mut self, prepared: Prepared) {
        self.interleaved = prepared.image.interleaved().collect();
        self.prepared = Some(prepared);
    }

    /// What the models see.
    #[must_use]
    pub fn seen(&self) -> Option<RgbaImage> {
        let prepared = self.prepared.as_ref()?;
        Some(preprocess::drawing(&prepared.image).into_rgba8())
    }

    /// The float model's answer; `None` without a model or a picture.
    #[must_use]
    pub fn classify_float(&self) -> Option<Answer> {
        let (float, prepared) = (self.float.as_ref()?, self.prepared.as_ref()?);
        let prediction = float.classify(prepared);
        Some(Answer {
            class: prediction.class(),
            words: self.words(prediction.verdict, prepared),
            logits: prediction.logits.iter().flat_map(|logit| logit.to_le_bytes()).collect(),
            probabilities: prediction.probabilities,
        })
    }

    /// The int8 model's answer; `None` without a model or a picture.
    pub fn classify_int8(&mut self) -> Option<Answer> {
        let int8 = self.int8.as_mut()?;
        let prepared = self.prepared.as_ref()?;
        let (logits, answer) = int8.classify(&self.interleaved)?;
        let probabilities = int8.probabilities(&logits);
        let verdict = match answer.verdict {
            _ if prepared.content != Content::Drawing => Verdict::NoDigit,
            firmware::Verdict::Sure => Verdict::Sure,
            firmware::Verdict::Unsure => Verdict::Unsure,
            firmware::Verdict::None => Verdict::NoDigit,
        };
        let agrees = if answer.agrees { "agrees" } else { "" };
        Some(Answer {
            class: answer.class.into(),
            words: format!("{}\n{agrees}", self.words(verdict, prepared)),
            logits: logits.iter().flat_map(|logit| logit.to_le_bytes()).collect(),
            probabilities,
        })
    }

    fn words(&self, verdict: Verdict, prepared: &Prepared) -> String {
        let preprocess = self.preparation().map_or(Preprocess::Stretch, |it| it.preprocess());
        let reason = verdict.reason(prepared.content, preprocess).unwrap_or_default();
        format!("{}\n{reason}", verdict.name_after(preprocess))
    }
}

/// Channels, height and width of the image, and number of classes.
fn shape_of(int8: &Int8) -> ([usize; 3], usize) {
    (int8.input_shape(), int8.classes())
}

fn shape_of_float(float: &Float) -> ([usize; 3], usize) {
    (float.preparation().shape(), float.classes().len())
}
