//! See [`ziggurat_fuzz::recovery`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(recovery);
