//! The proxy as it is: a gateway of a configuration, behind the server's door.

use std::{sync::Arc, time::Duration};

use ziggurat::{Gateway, core::Slim, provider::HttpClient};
use ziggurat_server::{App, Facts, Metrics, outer, serve};

use crate::{
    ledger::Ledger,
    network::{Door, dial, listen},
    plan::Settings,
};

const LARGEST: usize = 1024 * 1024;

/// Serves until it is told to end, and then until all have been served.
pub(crate) async fn proxy(settings: Settings, ledger: Ledger) -> turmoil::Result {
    let config = Gateway::loader(|_| None).from_str(&settings.yaml(), "sim.yaml")?;
    let client = HttpClient::builder()
        .connect_timeout(Duration::from_millis(300))
        .dial(dial)
        .build();
    let metrics = Arc::new(Metrics::new(&config));
    let gateway = Gateway::builder(&config)
        .client(client)
        .observer(Arc::clone(&metrics))
        .build()?;
    let mut facts = Facts::of(&gateway);
    facts.metrics = Some(metrics);
    let app = App::new(Slim::new(gateway), &facts);
    let service = outer(app, LARGEST, facts.error_types);
    let door = Door(listen().await?);
    let drain = Duration::from_secs(10);
    serve(door, service, drain, ledger.told_to_stop()).await?;
    ledger.has_stopped();
    Ok(())
}
