//! A tower layer with a deadline for one call, to the last byte of a plain response.
