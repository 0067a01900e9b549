use http::Extensions;
use ziggurat_core::{FailureKind, LlmRequest, ModelGroup, Rejection, Tags};

use crate::{Endpoint, TagMatch, endpoint::Declared};

/// The tag of those that serve requests whose tags nobody has, and requests without tags.
const DEFAULT: &str = "default";

/// Which endpoints of a group a request may go to because of its tags.
#[derive(Clone, Copy)]
pub(crate) struct Filter<'a> {
    tags: Option<&'a Tags>,
    rule: Rule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// All that are not excluded.
    All,
    /// Those that have the tags.
    Matching(TagMatch),
    /// Those tagged `default`.
    Default,
}

impl<'a> Filter<'a> {
    /// Finds the rule for a request: the first that leaves any endpoint.
    ///
    /// Who rests counts as well: a request does not go elsewhere because those meant for it are down.
    pub(crate) fn of<S>(
        mode: Option<TagMatch>,
        endpoints: &[Endpoint<S>],
        extensions: &'a Extensions,
    ) -> Self {
        let Some(mode) = mode else {
            return Self {
                tags: None,
                rule: Rule::All,
            };
        };
        let tags = extensions.get::<Tags>();
        // Tags that only exclude choose nothing.
        let chooses = tags.is_some_and(|tags| tags.iter().any(|tag| !tag.starts_with('!')));
        let (first, last) = match chooses {
            true => (Rule::Matching(mode), Rule::Default),
            false => (Rule::Default, Rule::All),
        };
        let filter = Self { tags, rule: first };
        if endpoints.iter().any(|it| filter.allows(it.declared())) {
            return filter;
        }
        Self { tags, rule: last }
    }

    pub(crate) fn allows(self, declared: &Declared) -> bool {
        let has = |tag: &str| declared.tags.iter().any(|it| **it == *tag);
        let tags = || self.tags.into_iter().flat_map(Tags::iter);
        let demanded = tags().all(|tag| match tag.split_at_checked(1) {
            Some(("!", excluded)) => !has(excluded),
            Some(("&", required)) => has(required),
            _ => true,
        });
        let mut plain = tags().filter(|tag| !tag.starts_with(['!', '&']));
        demanded
            && match self.rule {
                Rule::All => true,
                Rule::Default => has(DEFAULT),
                Rule::Matching(TagMatch::All) => plain.all(has),
                Rule::Matching(TagMatch::Any) => {
                    let first = plain.next();
                    first.is_none_or(|first| has(first) || plain.any(has))
                }
            }
    }

    /// Says what LiteLLM says if no endpoint is allowed.
    pub(crate) fn rejection(self, extensions: &Extensions) -> Rejection {
        let group = || extensions.get::<ModelGroup>().map(ModelGroup::as_str);
        let model = extensions
            .get::<LlmRequest>()
            .map(LlmRequest::model)
            .or_else(group);
        let tags: Vec<_> = self.tags.into_iter().flat_map(Tags::iter).collect();
        Rejection::new(FailureKind::Tags).with_message(format!(
            "Not allowed to access model due to tags configuration. Passed model={} and tags=[{}]",
            model.unwrap_or("none"),
            tags.join(", ")
        ))
    }
}
