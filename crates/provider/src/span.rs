//! The span of a call, with OpenTelemetry's names.

use http::Uri;
use tracing::Span;

/// Opens the span of a call. Costs nothing unless someone listens at level `debug`.
pub(crate) fn open(provider: &'static str, model: &str, upstream: &Uri) -> Span {
    tracing::debug_span!(
        target: "ziggurat.provider",
        "gen_ai.client",
        otel.kind = "client",
        otel.name = %format_args!("chat {model}"),
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = provider,
        gen_ai.request.model = model,
        server.address = upstream.host(),
        http.response.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    )
}
