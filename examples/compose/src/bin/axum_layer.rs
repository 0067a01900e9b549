//! One layer in an axum application: a time limit that covers the whole response, with errors as OpenAI clients know them.
//!
//! `cargo run --bin axum_layer`, then `curl -i http://127.0.0.1:3000/slow`: a 408 with a JSON error after a second.

use std::time::Duration;

use axum::{Router, routing::get};
use tower::ServiceBuilder;
use ziggurat::{edge::RespondLayer, timeout::TimeoutLayer};

fn app() -> Router {
    Router::new()
        .route("/fast", get(|| async { "hello" }))
        .route("/slow", get(slow))
        .layer(
            ServiceBuilder::new()
                // Writes what the layer below it refuses; axum wants services that do not fail.
                .layer(RespondLayer::new())
                .layer(TimeoutLayer::new(Duration::from_secs(1))),
        )
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(60)).await;
    "too late"
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app()).await
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, StatusCode};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_limit_holds() {
        let get = |path| app().oneshot(Request::get(path).body(Body::empty()).unwrap());
        assert_eq!(get("/fast").await.unwrap().status(), StatusCode::OK);
        assert_eq!(
            get("/slow").await.unwrap().status(),
            StatusCode::REQUEST_TIMEOUT
        );
    }
}
