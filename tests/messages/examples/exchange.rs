//! A dialect hands out what is no `Exchange`.

use bytes::Bytes;
use http::{Request, response::Parts};
use ziggurat_core::{Failure, json::Printed};
use ziggurat_provider::{Answer, Outgoing, Streamed};

struct Reply;

#[cfg(not(broken))]
impl ziggurat_provider::Exchange for Reply {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        Answer::of(head, false)
    }

    fn refused(&mut self, head: &Parts, _: &mut Bytes) -> Failure {
        Failure::from_head(
            ziggurat_core::FailureKind::Server,
            head.status,
            &head.headers,
        )
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        Ok(body.into())
    }

    fn chunk(&mut self, _: Bytes) -> Streamed {
        Streamed::default()
    }

    fn end(&mut self, _: Option<Failure>) -> Streamed {
        Streamed::default()
    }
}

fn main() {
    drop(Outgoing {
        request: Request::new(Printed::default()),
        exchange: Box::new(Reply),
    });
}

#[cfg(broken)]
fn _used(_: Parts, _: Bytes, _: Failure, _: Answer, _: Streamed) {}
