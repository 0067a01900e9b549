//! See [`ziggurat_fuzz::envelope`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(envelope);
