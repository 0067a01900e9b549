//! See [`ziggurat_fuzz::vertex`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(vertex);
