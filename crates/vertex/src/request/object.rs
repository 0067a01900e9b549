use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;

/// A JSON object that is being put together, in order; its values are JSON already.
#[derive(Default)]
pub(super) struct Object {
    members: Vec<(Cow<'static, str>, Bytes)>,
}

impl Object {
    /// Sets a member; one of that name gives way.
    pub(super) fn set(&mut self, name: impl Into<Cow<'static, str>>, value: Bytes) {
        let name = name.into();
        match self.members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.members.push((name, value)),
        }
    }

    pub(super) fn set_value(&mut self, name: &'static str, value: &impl Serialize) {
        let value = serde_json::to_vec(value).expect("our own types are JSON");
        self.set(name, value.into());
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.members.iter().any(|(known, _)| known == name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn into_members(self) -> impl Iterator<Item = (Cow<'static, str>, Bytes)> {
        self.members.into_iter()
    }

    pub(super) fn print(&self) -> Bytes {
        let size: usize = self
            .members
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        let mut out = Vec::with_capacity(size + 2);
        out.push(b'{');
        for (name, value) in &self.members {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(&ziggurat_core::json::string(name));
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.push(b'}');
        out.into()
    }
}
