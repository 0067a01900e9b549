//! A provider without a `Dialect`.

use std::sync::Arc;

use ziggurat_core::{Failure, FailureKind, Served};
use ziggurat_provider::{Call, HttpClient, Outgoing, ProviderService};

#[derive(Debug)]
struct Mine;

#[cfg(not(broken))]
impl ziggurat_provider::Dialect for Mine {
    fn provider(&self) -> &'static str {
        "mine"
    }

    fn prepare(&self, _: Call<'_>) -> Result<Outgoing, Failure> {
        Err(FailureKind::Server.into())
    }
}

fn main() {
    let served = Served::new("a".into(), "mine/a", None);
    drop(ProviderService::new(
        HttpClient::new(),
        Arc::new(Mine),
        served,
    ));
}

#[cfg(broken)]
fn _used(_: Call<'_>, _: Outgoing, _: Failure, _: FailureKind) {}
