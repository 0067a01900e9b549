//! Images, sounds, films and documents.

use std::borrow::Cow;

use super::parts::Data;
use crate::Face;

/// The types of Google's lists, by the ending of a name.
const TYPES: [(&str, &str); 31] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("gif", "image/gif"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpg"),
    ("mpegps", "video/mpegps"),
    ("mov", "video/quicktime"),
    ("avi", "video/x-msvideo"),
    ("flv", "video/x-flv"),
    ("webm", "video/webm"),
    ("wmv", "video/wmv"),
    ("3gpp", "video/3gpp"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/opus"),
    ("m4a", "audio/mp4"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("xml", "text/xml"),
];

/// Where AI Studio keeps files, whose types it knows itself.
const STUDIO_FILES: &str = "https://generativelanguage.googleapis.com/";

/// Makes a part of a URL: data inside of it is sent along, else Google fetches it. `kind` is its type, if the client says.
pub(super) fn of_url<'a>(
    url: Cow<'a, str>,
    kind: Option<Cow<'a, str>>,
    face: Face,
) -> Result<Data<'a>, &'static str> {
    if let Some(rest) = url
        .get(..5)
        .filter(|scheme| scheme.eq_ignore_ascii_case("data:"))
    {
        return of_data(url.clone(), rest.len(), kind);
    }
    let is_studio = face == Face::Gemini && url.starts_with(STUDIO_FILES);
    let is_remote = url.starts_with("https://") || url.starts_with("gs://");
    if !is_remote {
        return Err("only data, https and gs URLs are possible");
    }
    let mime_type = kind.map(registered);
    let mime_type = mime_type.or_else(|| of_name(&url).map(Cow::Borrowed));
    if mime_type.is_none() && !is_studio {
        return Err("the URL does not tell the type; say it with `format`");
    }
    Ok(Data::File {
        mime_type,
        file_uri: url,
    })
}

/// Takes a data URL apart; it must be in base64. Nothing is copied.
fn of_data<'a>(
    url: Cow<'a, str>,
    scheme: usize,
    kind: Option<Cow<'a, str>>,
) -> Result<Data<'a>, &'static str> {
    const WRONG: &str = "not a data URL in base64";
    let comma = url.find(',').ok_or(WRONG)?;
    if !is_base64(&url[comma + 1..]) {
        return Err(WRONG);
    }
    let head = &url[scheme..comma];
    let said = head.strip_suffix(";base64").ok_or(WRONG)?;
    let said = said.split(';').next().unwrap_or_default().to_owned();
    let mime_type = registered(match kind {
        Some(kind) => kind,
        None if said.is_empty() => return Err("the data URL does not tell the type"),
        None => said.into(),
    });
    let data = match url {
        Cow::Borrowed(url) => Cow::Borrowed(&url[comma + 1..]),
        Cow::Owned(url) => Cow::Owned(url[comma + 1..].to_owned()),
    };
    Ok(Data::Inline { mime_type, data })
}

/// Google refuses a frequent name of JPEG's type that is not the registered one.
fn registered(mime_type: Cow<'_, str>) -> Cow<'_, str> {
    match mime_type.eq_ignore_ascii_case("image/jpg") {
        true => "image/jpeg".into(),
        false => mime_type,
    }
}

/// Makes a part of a sound in base64; `format` is the name that OpenAI has for its type.
pub(super) fn of_sound<'a>(data: Cow<'a, str>, format: &str) -> Result<Data<'a>, &'static str> {
    if !is_base64(&data) {
        return Err("its data is not in base64");
    }
    let known = TYPES
        .iter()
        .find(|(ending, mime)| *ending == format && mime.starts_with("audio/"));
    let mime_type = match known {
        Some((_, mime_type)) => (*mime_type).into(),
        None if format.contains('/') => format.to_owned().into(),
        None => format!("audio/{format}").into(),
    };
    Ok(Data::Inline { mime_type, data })
}

/// Whether a text is base64 as protobuf reads it: of either alphabet, padded or not.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    let is_whole = digits.len() % 4 != 1 && text.len() - digits.len() <= 2;
    !digits.is_empty() && is_whole && digits.bytes().all(is_digit)
}

fn of_name(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    if path.starts_with("https://www.youtube.com/") || path.starts_with("https://youtu.be/") {
        return Some("video/mp4");
    }
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    let found = TYPES.iter().find(|(known, _)| *known == ending);
    found.map(|(_, mime_type)| *mime_type)
}
