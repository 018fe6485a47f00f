//! Numbers of a file: little-endian like those of [`zerocopy`], but aligned, since every core but the largest reads others
//! byte by byte.

use core::fmt;
use core::ops::{AddAssign, SubAssign};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! number {
    ($name:ident, $native:ident, $text:literal) => {
        #[doc = $text]
        #[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(transparent)]
        pub struct $name($native);

        impl $name {
            /// This number.
            #[must_use]
            pub const fn new(number: $native) -> Self {
                Self(number.to_le())
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> $native {
                $native::from_le(self.0)
            }
        }

        impl From<$native> for $name {
            fn from(number: $native) -> Self {
                Self::new(number)
            }
        }

        impl AddAssign<$native> for $name {
            fn add_assign(&mut self, other: $native) {
                *self = Self::new(self.get() + other);
            }
        }

        impl SubAssign<$native> for $name {
            fn sub_assign(&mut self, other: $native) {
                *self = Self::new(self.get() - other);
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.get().fmt(f)
            }
        }
    };
}

number!(U16, u16, "A number of 16 bits.");
number!(U32, u32, "A number of 32 bits.");
number!(I32, i32, "A number of 32 bits with a sign.");
