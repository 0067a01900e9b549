//! What clouds that host a model do not give it: they fetch no images and documents for it, and keep no files.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::Failure;

use crate::params::refusal;

/// Members of parts that may lead elsewhere.
const NEEDLES: [&[u8]; 3] = [b"\"image_url\"", b"\"file\"", b"\"source\""];

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// A part in OpenAI's words, or in Anthropic's.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    file: Option<File<'a>>,
    #[serde(borrow)]
    source: Option<Source<'a>>,
    /// Of the result of a tool.
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    file_data: Option<&'a RawValue>,
    #[serde(borrow)]
    file_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Linked<'a> {
    #[serde(borrow)]
    url: Text<'a>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Looks whether all images and documents of messages, in OpenAI's words or in Anthropic's, are inline. What cannot be read
/// is left to whoever translates it. `host` is who takes no others, as the refusal calls it.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names the part that is not.
pub fn check(messages: &[u8], host: &str) -> Result<(), Failure> {
    let has = |needle: &&[u8]| memmem::find(messages, needle).is_some();
    if !NEEDLES.iter().any(has) {
        return Ok(());
    }
    let messages: Vec<&RawValue> = serde_json::from_slice(messages).unwrap_or_default();
    for (at, message) in messages.into_iter().enumerate() {
        if let Ok(Message {
            content: Some(content),
        }) = serde_json::from_str(message.get())
        {
            parts(content, &format!("messages[{at}].content"), false, host)?;
        }
    }
    Ok(())
}

/// Looks at parts, and at what is in results among them; a result holds no others.
fn parts(content: &RawValue, place: &str, in_result: bool, host: &str) -> Result<(), Failure> {
    let list: Vec<&RawValue> = serde_json::from_str(content.get()).unwrap_or_default();
    for (at, part) in list.into_iter().enumerate() {
        let Ok(part) = serde_json::from_str::<Part<'_>>(part.get()) else {
            continue;
        };
        let place = format!("{place}[{at}]");
        if part.leads_elsewhere() {
            let message = format!(
                "{place}: {host} takes images and documents inline only; send their bytes in base64"
            );
            return Err(refusal(&place, message));
        }
        if let Some(content) = part.content.filter(|_| !in_result) {
            parts(content, &format!("{place}.content"), true, host)?;
        }
    }
    Ok(())
}

impl Part<'_> {
    fn leads_elsewhere(&self) -> bool {
        let is_linked = self.image_url.is_some_and(is_linked);
        let is_kept = self
            .file
            .as_ref()
            .is_some_and(|file| file.file_data.is_none() && file.file_id.is_some());
        let is_source = self
            .source
            .as_ref()
            .is_some_and(|source| matches!(&*source.kind, "url" | "file"));
        is_linked || is_kept || is_source
    }
}

/// Whether an image is given by an address.
fn is_linked(image: &RawValue) -> bool {
    let url = match serde_json::from_str::<Linked<'_>>(image.get()) {
        Ok(linked) => Some(linked.url),
        Err(_) => serde_json::from_str::<Text<'_>>(image.get()).ok(),
    };
    url.is_some_and(|url| {
        let scheme = url.0.split(':').next().unwrap_or_default();
        scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
    })
}
