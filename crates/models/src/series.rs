//! Facts about OpenAI's reasoning models that requests have to respect.
//!
//! They follow from the model's name, so that a snapshot released tomorrow is treated like its
//! series. Names may carry prefixes: `azure/o3-mini`, `ft:o4-mini…`, and the Azure deployments
//! `o_series/<any name>` and `gpt5_series/<any name>`, whose prefix says what the name does not.

use crate::facts;

/// Returns whether the model belongs to OpenAI's o-series: o1, o3, o4.
///
/// ```
/// assert!(ziggurat_models::is_o_series("o3-mini"));
/// assert!(!ziggurat_models::is_o_series("omni-moderation"));
/// ```
#[must_use]
pub fn is_o_series(model: &str) -> bool {
    let name = bare(model);
    let series = ["o1", "o3", "o4"];
    in_folder(model, "o_series") || series.iter().any(|series| is_of(name, series, &['-']))
}

/// Returns whether the model reasons and belongs to the gpt-5 family. Its chat variants
/// (`gpt-5-chat-latest`) take the parameters of ordinary models and do not count.
#[must_use]
pub fn is_gpt5(model: &str) -> bool {
    let name = bare(model);
    let chat = name.contains("-chat");
    in_folder(model, "gpt5_series") || (!chat && is_of(name, "gpt-5", &['-', '.']))
}

/// Returns whether the model takes `max_completion_tokens` in place of `max_tokens`, and refuses
/// most sampling parameters: the o-series and the gpt-5 family.
#[must_use]
pub fn is_reasoning_model(model: &str) -> bool {
    is_o_series(model) || is_gpt5(model)
}

/// Returns whether the model knows the message role `developer`; others call it `system`.
#[must_use]
pub fn supports_developer_role(model: &str) -> bool {
    is_reasoning_model(model) && !is_first_generation(model)
}

/// Returns whether the model takes messages of the role `system` as they are. Where it does not,
/// they become `developer` if [`supports_developer_role`], else `user`.
///
/// Ordinary models do; of the reasoning models only those of which the model table says so.
#[must_use]
pub fn supports_system_messages(model: &str) -> bool {
    if !is_reasoning_model(model) {
        return true;
    }
    facts(None, bare(model)).is_some_and(|facts| facts.supports("system_messages"))
}

/// OpenAI's first reasoning models take neither `system` nor `developer` messages.
fn is_first_generation(model: &str) -> bool {
    let name = bare(model);
    name.starts_with("o1-mini") || name.starts_with("o1-preview")
}

/// The last segment, without the mark of a fine-tuned model.
fn bare(model: &str) -> &str {
    let name = model.rsplit_once('/').map_or(model, |(_, name)| name);
    name.strip_prefix("ft:").unwrap_or(name)
}

fn in_folder(model: &str, folder: &str) -> bool {
    let mut segments = model.split('/').rev();
    segments.next();
    segments.next() == Some(folder)
}

/// `name` is the series itself or continues it after one of the marks; `:` follows the base model
/// in the name of a fine-tuned one.
fn is_of(name: &str, series: &str, marks: &[char]) -> bool {
    name.strip_prefix(series)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(marks) || rest.starts_with(':'))
}
