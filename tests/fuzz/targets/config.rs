//! See [`ziggurat_fuzz::config`].

#![cfg_attr(fuzzing, no_main)]

ziggurat_fuzz::target!(config);
