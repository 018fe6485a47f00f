//! Every kind of picture file that people have, read with the right pixels.

mod drawing; // what the pictures show
mod formats; // JPEG, GIF, BMP, WebP, PNM, and turning by EXIF
mod pixels; // whether a file gives them back
mod png; // every kind of PNG, and PngSuite where it is at hand
