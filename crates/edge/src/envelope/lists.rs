//! Lists of names: the regions that a request may be served in, and its tags.

use http::{HeaderMap, HeaderName};
use ziggurat_core::{
    AllowedRegions, Failure, Tags,
    json::{Document, Value},
};

use super::values::{invalid, wrong_type};

const REGION: HeaderName = HeaderName::from_static("x-litellm-allowed-model-region");
const REGION_MEMBER: &str = "allowed_model_region";
const TAGS: HeaderName = HeaderName::from_static("x-litellm-tags");

/// Names of regions are shown in errors, so they are bounded: no provider has longer ones, or that many.
const LONGEST: usize = 64;
const MOST: usize = 64;

/// Reads the member: a name, or a list of them. Only `null` is no restriction.
pub(super) fn regions(value: Value<'_>) -> Result<Option<AllowedRegions>, Failure> {
    if value.is_null() {
        return Ok(None);
    }
    let names = match value.as_str() {
        Some(name) => vec![name.into_owned()],
        None => value
            .decode()
            .map_err(|_| wrong_type(REGION_MEMBER, "a string or a list of strings", value))?,
    };
    checked(names.iter().map(String::as_str)).map(Some)
}

/// Reads the header: a list with commas. One without a name is refused: whoever sets it wants a restriction.
pub(super) fn regions_header(headers: &HeaderMap) -> Result<Option<AllowedRegions>, Failure> {
    match header(headers, &REGION, REGION_MEMBER)? {
        Some(text) => checked(text.split(',').filter(|name| !name.trim().is_empty())).map(Some),
        None => Ok(None),
    }
}

fn checked<'a>(names: impl Iterator<Item = &'a str>) -> Result<AllowedRegions, Failure> {
    let names: Vec<_> = names.map(str::trim).collect();
    let fault = |what| Err(invalid(REGION_MEMBER, format!("`{REGION_MEMBER}` {what}")));
    if names.is_empty() || names.contains(&"") {
        return fault("names no region");
    }
    if names.len() > MOST {
        return fault("names more than 64 regions");
    }
    let is_name = |name: &&str| name.len() <= LONGEST && !name.contains(char::is_control);
    if !names.iter().all(is_name) {
        return fault("has a name that is no region's");
    }
    Ok(AllowedRegions::new(names))
}

/// Tags from wherever they may stand.
#[derive(Debug, Default)]
pub(super) struct Tagged {
    member: Option<Vec<String>>,
    header: Option<Vec<String>>,
    metadata: Option<Vec<String>>,
}

impl Tagged {
    /// Reads `tags`.
    pub(super) fn read_member(&mut self, value: Value<'_>) -> Result<(), Failure> {
        self.member = tags("tags", value)?;
        Ok(())
    }

    /// Reads `tags` within `metadata`.
    pub(super) fn read_metadata(&mut self, metadata: &Document) -> Result<(), Failure> {
        if let Some(value) = metadata.get("tags") {
            self.metadata = tags("metadata.tags", value)?;
        }
        Ok(())
    }

    /// Reads the header: a list with commas.
    pub(super) fn read_header(&mut self, headers: &HeaderMap) -> Result<(), Failure> {
        let text = header(headers, &TAGS, "tags")?;
        self.header = text.map(|text| text.split(',').map(str::to_owned).collect());
        Ok(())
    }

    /// Returns the tags that count: the member's, else the header's, else those of the metadata.
    pub(super) fn into_tags(self) -> Option<Tags> {
        let tags = self.member.or(self.header).or(self.metadata)?;
        let tags: Vec<_> = tags
            .iter()
            .map(|tag| tag.trim())
            .filter(|tag| !tag.is_empty())
            .collect();
        (!tags.is_empty()).then(|| Tags::new(tags))
    }
}

fn tags(name: &str, value: Value<'_>) -> Result<Option<Vec<String>>, Failure> {
    value
        .decode()
        .map_err(|_| wrong_type(name, "a list of strings", value))
}

/// Several lines of a header are one list. `None`: there is no such header.
fn header(headers: &HeaderMap, name: &HeaderName, param: &str) -> Result<Option<String>, Failure> {
    let mut lines = Vec::new();
    for line in headers.get_all(name) {
        let text = line
            .to_str()
            .map_err(|_| invalid(param, format!("the header `{name}` is not text")))?;
        lines.push(text);
    }
    Ok((!lines.is_empty()).then(|| lines.join(",")))
}
