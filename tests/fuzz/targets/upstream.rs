//! See [`ziggurat_fuzz::upstream`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(upstream);
