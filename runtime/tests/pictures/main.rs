//! Every kind of picture file that people have: read with the right pixels, or refused.

mod damaged; // cut off, continued, changed: refused or read, without a panic
mod drawing; // what the pictures show
mod formats; // JPEG, GIF, BMP, WebP, PNM, and turning by EXIF
mod png; // every kind of PNG, and PngSuite where it is at hand
