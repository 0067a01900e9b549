//! See [`ziggurat_fuzz::requests`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(requests);
