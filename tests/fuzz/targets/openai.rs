//! See [`ziggurat_fuzz::openai`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(openai);
