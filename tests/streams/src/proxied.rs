//! The proxy as its users start it.

use std::future::pending;

use ziggurat::Gateway;
use ziggurat_server::{Options, Server};

use crate::Result;

/// Serves until it is killed.
#[tokio::main]
pub(crate) async fn run(upstream: &str) -> Result<()> {
    let yaml = format!(
        "model_list: [{{model_name: m, litellm_params: {{model: openai/x, api_base: 'http://{upstream}/v1'}}}}]"
    );
    let config = Gateway::loader(|_| None).from_str(&yaml, "streams.yaml")?;
    let mut options = Options::default();
    options.port = 0;
    let server = Server::bind(&config, &options)
        .await
        .map_err(|error| error.to_string())?;
    println!("{}", server.address());
    server.run(pending()).await?;
    Ok(())
}
