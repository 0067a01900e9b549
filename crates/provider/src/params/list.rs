use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::Failure;

use super::refusal;

/// Reads a list of a request, such as its `messages`; `path` is what the list is called, also in the refusal.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names the first item that cannot be read (`messages[2]`), or
/// the whole if it is no list.
pub fn list<'a, T: Deserialize<'a>>(json: &'a [u8], path: &str) -> Result<Vec<T>, Failure> {
    serde_json::from_slice(json).map_err(|_| unreadable::<T>(json, path))
}

/// Searches for what cannot be read; a request that can be is read but once.
#[cold]
fn unreadable<'a, T: Deserialize<'a>>(json: &'a [u8], path: &str) -> Failure {
    let Ok(items) = serde_json::from_slice::<Vec<&'a RawValue>>(json) else {
        return refusal(path, format!("{path} must be a list"));
    };
    let is_unreadable = |item: &&'a RawValue| serde_json::from_str::<T>(item.get()).is_err();
    let path = match items.iter().position(is_unreadable) {
        Some(at) => format!("{path}[{at}]"),
        None => path.to_owned(),
    };
    let message = format!("{path} cannot be read: a member of it is missing or of a wrong type");
    refusal(&path, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_item_at_fault_is_named() {
        let param = |json: &[u8]| {
            let failure = list::<u8>(json, "numbers").err()?;
            failure.param().map(str::to_owned)
        };
        assert_eq!(param(b"[1, 2]"), None);
        assert_eq!(param(b"[1, \"2\", 3]").as_deref(), Some("numbers[1]"));
        assert_eq!(param(b"{}").as_deref(), Some("numbers"));
    }
}
