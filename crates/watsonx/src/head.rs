//! What all chunks of a stream share.

use bytes::{BufMut, Bytes};
use ziggurat_core::json::{Document, string};

use crate::{
    dialect::generated_id,
    exchange::{is_empty, now},
};

/// The members that all chunks have alike, as JSON.
pub(crate) struct Head {
    id: Bytes,
    created: Bytes,
    model: Bytes,
}

impl Head {
    pub(crate) fn of(document: &Document, model: &Option<Bytes>) -> Self {
        let get = |name| document.get(name).map(|value| value.as_bytes());
        let id = get("id").filter(|id| !is_empty(Some(id)));
        let created = get("created").filter(|created| created.iter().all(u8::is_ascii_digit));
        let native = get("model").or_else(|| get("model_id"));
        let native = native.map_or_else(|| string(""), Bytes::copy_from_slice);
        Self {
            id: id.map_or_else(generated_id, Bytes::copy_from_slice),
            created: created.map_or_else(|| now().to_string().into(), Bytes::copy_from_slice),
            model: model.clone().unwrap_or(native),
        }
    }

    /// Begins a chunk, which is left open.
    pub(crate) fn begin(&self, choices: &[u8], out: &mut Vec<u8>) {
        let Self { id, created, model } = self;
        for piece in [
            b"data: {\"id\":",
            &id[..],
            b",\"object\":\"chat.completion.chunk\",\"created\":",
            created,
            b",\"model\":",
            model,
            b",\"choices\":",
            choices,
        ] {
            out.put_slice(piece);
        }
    }

    /// Writes a chunk of our own.
    pub(crate) fn chunk(&self, choices: &[u8], usage: Option<&Bytes>, out: &mut Vec<u8>) {
        self.begin(choices, out);
        if let Some(usage) = usage {
            out.put_slice(b",\"usage\":");
            out.put_slice(usage);
        }
        out.put_slice(b"}\n\n");
    }
}
