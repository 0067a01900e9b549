//! See [`ziggurat_fuzz::credentials`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(credentials);
