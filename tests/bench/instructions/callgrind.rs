//! Runs cases under callgrind, each in a process of its own.

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

/// The argument before the name of a case.
pub(crate) const CASE: &str = "--case";

/// What a round costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Count {
    pub(crate) instructions: f64,
    /// Calls of `malloc`, `calloc`, `realloc` and their like.
    pub(crate) allocations: f64,
}

pub(crate) fn is_installed() -> bool {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Counts all cases, as many at a time as there are processors: a count does not depend on what else runs.
pub(crate) fn count_all(cases: &[(String, u32)]) -> HashMap<String, Count> {
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(HashMap::new());
    let work = || {
        while let Some((case, rounds)) = cases.get(next.fetch_add(1, Relaxed)) {
            let count = count(case, *rounds);
            let mut counts = counts.lock().expect("no other thread has panicked");
            counts.insert(case.clone(), count);
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    counts.into_inner().expect("no thread has panicked")
}

fn count(case: &str, rounds: u32) -> Count {
    let profile = profile(case);
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--compress-strings=no",
            "--compress-pos=no",
        ])
        // The function itself, not the closures within it: the second part of the profile is what it did. Switching the
        // collection on and off instead would leave the calls of the warm-up in.
        .arg("--dump-before=*::collected_by_callgrind")
        .arg("--dump-after=*::collected_by_callgrind")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(env::current_exe().expect("the path of this program"))
        .args([CASE, case])
        .output()
        .expect("valgrind starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{case}` failed: {errors}");
    let text = fs::read_to_string(part(&profile, ".2")).expect("callgrind wrote its profile");
    for suffix in ["", ".1", ".2"] {
        if suffix != ".2" || env::var_os("KEEP").is_none() {
            // It is in the way only.
            let _ = fs::remove_file(part(&profile, suffix));
        }
    }
    let (instructions, allocations) = read(&text);
    assert!(instructions > 0, "`{case}`: nothing was counted");
    let each = |total: u64| total as f64 / f64::from(rounds);
    Count {
        instructions: each(instructions),
        allocations: each(allocations),
    }
}

/// Reads the total of instructions and the number of allocations from a profile.
fn read(profile: &str) -> (u64, u64) {
    const ALLOCATORS: [&str; 6] = [
        "malloc",
        "calloc",
        "realloc",
        "memalign",
        "aligned_alloc",
        "posix_memalign",
    ];
    let number = |text: &str| text.split_whitespace().next()?.parse::<u64>().ok();
    let (mut instructions, mut allocations) = (0, 0);
    let mut called = "";
    let mut caller = "";
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            caller = name;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = name;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            // What the allocator calls within itself is no further allocation.
            if ALLOCATORS.contains(&called) && !ALLOCATORS.contains(&caller) {
                allocations += number(calls).unwrap_or_default();
            }
        } else if let Some(total) = line.strip_prefix("totals:") {
            instructions = number(total).unwrap_or_default();
        }
    }
    (instructions, allocations)
}

fn part(profile: &Path, suffix: &str) -> PathBuf {
    let mut path = profile.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// With `KEEP=<directory>` the profiles stay there, for `callgrind_annotate`.
fn profile(case: &str) -> PathBuf {
    let name: String = case
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let name = format!("callgrind.{name}.{}.out", process::id());
    let directory = env::var_os("KEEP").map_or_else(env::temp_dir, PathBuf::from);
    Path::new(&directory).join(name)
}
