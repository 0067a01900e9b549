//! Nothing: see `examples`, each of which is broken by `--cfg broken`, and `tests`.
