//! What deployments of Azure lack: older API versions, and the gpt-3.5 models.

use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::params::{Permits, refusal};

use crate::json_tool;

/// First version with `tool_choice`, as in Azure's list of API changes.
const TOOL_CHOICE: &str = "2023-12-01";
/// First month whose versions know the tool choice `required`.
const REQUIRED: &str = "2024-06";
/// First month whose versions know schemas in `response_format`.
const JSON_SCHEMA: &str = "2024-08";

/// What a deployment lacks.
#[derive(Debug)]
pub(crate) struct Limits {
    version: Box<str>,
    tool_choice: ToolChoice,
    /// Whether schemas in `response_format` are known.
    json_schema: bool,
}

/// Which tool choices are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ToolChoice {
    None,
    AllButRequired,
    All,
}

impl Limits {
    /// Finds out what a dated version (`None`: the surface without dates) and a model lack; `None` if nothing.
    pub(crate) fn of(version: Option<&str>, model: &str) -> Option<Self> {
        let version = version.filter(|version| is_dated(version));
        let lacks = |since: &str| version.is_some_and(|version| version < since);
        let tool_choice = if lacks(TOOL_CHOICE) {
            ToolChoice::None
        } else if lacks(REQUIRED) {
            ToolChoice::AllButRequired
        } else {
            ToolChoice::All
        };
        let is_gpt35 = ["gpt-3.5", "gpt-35", "gpt-3-5"]
            .iter()
            .any(|name| model.contains(name));
        let json_schema = !lacks(JSON_SCHEMA) && !is_gpt35;
        (tool_choice != ToolChoice::All || !json_schema).then(|| Self {
            version: version.unwrap_or_default().into(),
            tool_choice,
            json_schema,
        })
    }

    /// Fits a request to it. Says whether a tool stands in for `response_format`.
    ///
    /// # Errors
    ///
    /// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names the tool choice.
    pub(crate) fn fit(&self, body: &mut JsonBody, permits: &Permits<'_>) -> Result<bool, Failure> {
        self.check_tool_choice(body, permits)?;
        if self.json_schema || permits.allow("response_format") {
            return Ok(false);
        }
        let can_require = self.tool_choice == ToolChoice::All;
        Ok(json_tool::stand_in(body, can_require))
    }

    fn check_tool_choice(&self, body: &mut JsonBody, permits: &Permits<'_>) -> Result<(), Failure> {
        let what = match (self.tool_choice, body.get("tool_choice")) {
            (ToolChoice::All, _) | (_, None | Some(b"null")) => return Ok(()),
            (ToolChoice::None, Some(_)) => "tool_choice",
            (ToolChoice::AllButRequired, Some(b"\"required\"")) => "tool_choice required",
            (ToolChoice::AllButRequired, Some(_)) => return Ok(()),
        };
        if permits.allow("tool_choice") {
            return Ok(());
        }
        if permits.drop() {
            body.remove("tool_choice");
            return Ok(());
        }
        let message = format!(
            "api_version {} does not support {what}; set drop_params to leave it out",
            self.version
        );
        Err(refusal("tool_choice", message))
    }
}

/// Whether a version begins with a date; of other texts nothing is known.
fn is_dated(version: &str) -> bool {
    let date = version.as_bytes().get(..10);
    date.is_some_and(|date| {
        date.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    })
}
