//! See [`ziggurat_fuzz::headers`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(headers);
