//! See [`ziggurat_fuzz::anthropic`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(anthropic);
