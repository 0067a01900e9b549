//! A gateway beside gRPC services, on one port: HTTP and gRPC are routes of one application.
//!
//! `cargo run --bin tonic_mount`, then `curl -i http://127.0.0.1:3000/v1/chat/completions -d '{"model": "local",
//! "messages": []}'` for the gateway; `grpcurl` for the rest, as in `tonic_balance`.

use tonic::service::Routes;
use ziggurat::prelude::*;
use ziggurat_examples::greeter::Greeter;

const CONFIG: &str = "
model_list:
  - model_name: local
    litellm_params: {model: openai/llama, api_base: os.environ/LOCAL_LLM}
";

fn app(gateway: Gateway) -> axum::Router {
    let http = axum::Router::new().route_service("/v1/chat/completions", gateway);
    let greeter = Greeter {
        site: "here",
        up: true,
    };
    // `Routes` is an axum router with names of gRPC services; `tonic::transport::Server` would serve it as well.
    Routes::from(http).add_service(greeter).into_axum_router()
}

fn gateway(local: String) -> Result<Gateway, ziggurat::config::ConfigErrors> {
    let env = move |name: &str| (name == "LOCAL_LLM").then(|| local.clone());
    Gateway::new(&Gateway::loader(env).from_str(CONFIG, "config.yaml")?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let local = std::env::var("LOCAL_LLM").unwrap_or("http://127.0.0.1:8000/v1".into());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app(gateway(local)?)).await?)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::{BodyExt, Full};
    use ziggurat_examples::greeter::greet;
    use ziggurat_testing::{mock, wire};

    use super::*;

    #[tokio::test]
    async fn both_answer_on_one_port() {
        let model = mock::Upstream::new("llama").start().await.unwrap();
        let served = wire::serve(app(gateway(model.url()).unwrap()))
            .await
            .unwrap();

        let channel = tonic::transport::Endpoint::from_shared(served.url()).unwrap();
        let greeting = greet(channel.connect_lazy(), "you").await.unwrap();
        assert_eq!(greeting, "hello you, from here");

        for mut client in [served.http1().await.unwrap(), served.http2().await.unwrap()] {
            let question = Full::from(r#"{"model": "local", "messages": []}"#);
            let request = Request::post("/v1/chat/completions")
                .body(question)
                .unwrap();
            let response = client.send(request).await.unwrap();
            assert_eq!(response.status(), 200);
            let answer = response.into_body().collect().await.unwrap().to_bytes();
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["model"], "local");
        }
    }
}
