//! All that the code under test logs, for whoever looks for what should not be there.

use std::{env, fs::OpenOptions, sync::Once};

use tracing::Level;

/// The variable that names the file.
const FILE: &str = "ZIGGURAT_TEST_LOG";

/// What is logged first, so that a file without it was not written to.
const FIRST: &str = "every level is logged";

/// Logs everything, at every level and from every crate, to the end of the file that the environment variable
/// `ZIGGURAT_TEST_LOG` names. Without the variable it does nothing, as it does when it is called again.
///
/// # Panics
///
/// The file cannot be opened, or the process logs elsewhere already.
pub fn log_if_asked() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Some(path) = env::var_os(FILE) else {
            return;
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.expect("the file can be written");
        tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_writer(file)
            .init();
        tracing::trace!("{FIRST}");
    });
}
