//! See [`ziggurat_fuzz::sse`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(sse);
