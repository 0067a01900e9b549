//! See [`ziggurat_fuzz::watsonx`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(watsonx);
