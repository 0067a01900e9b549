//! The span of a call, with OpenTelemetry's names.

use http::Uri;
use tracing::Span;
use ziggurat_core::Operation;

/// Opens the span of a call. Costs nothing unless someone listens at level `debug`.
pub(crate) fn open(
    provider: &'static str,
    operation: Operation,
    model: &str,
    upstream: &Uri,
) -> Span {
    tracing::debug_span!(
        target: "ziggurat.provider",
        "gen_ai.client",
        otel.kind = "client",
        otel.name = %format_args!("{operation} {model}"),
        gen_ai.operation.name = operation.as_str(),
        gen_ai.provider.name = provider,
        gen_ai.request.model = model,
        server.address = upstream.host(),
        http.response.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    )
}
