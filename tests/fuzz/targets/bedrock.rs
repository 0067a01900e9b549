//! See [`ziggurat_fuzz::bedrock`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(bedrock);
