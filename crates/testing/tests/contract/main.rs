//! The contract suite lets good layers pass, and catches each way to break one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broken;

use std::{
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tower::{Service, layer::util::Identity, timeout::TimeoutLayer};
use ziggurat_core::{Admit, FailureKind, Open, Rejection};
use ziggurat_testing::contract;

use self::broken::{Broken, Fault};

macro_rules! caught {
    ($($name:ident: $check:ident of $fault:ident => $message:literal;)*) => {$(
        #[tokio::test(start_paused = true)]
        #[should_panic(expected = $message)]
        async fn $name() {
            contract::$check(&Broken(Fault::$fault), &contract::request()).await;
        }
    )*};
}

caught! {
    a_layer_that_is_ready_before_its_inner_service: readiness of ReadyAtOnce => "without a `Ready`";
    a_clone_that_takes_readiness_along: readiness of CopiesReadiness => "without a `Ready`";
    a_layer_that_calls_a_clone: readiness of CallsClone => "without a `Ready`";
    a_layer_that_answers_alone: readiness of AnswersAlone => "without its inner service";
    a_layer_that_keeps_its_readiness: concurrency_limit of KeepsReadiness => "hung";
    a_layer_that_calls_twice: pass_through of CallsTwice => "was called 2 times";
    a_layer_that_changes_the_request: pass_through of ChangesRequest => "the request's headers";
    a_layer_that_changes_the_path: pass_through of ChangesPath => "the request's URI";
    a_layer_that_changes_the_status: pass_through of ChangesStatus => "the status";
    a_layer_that_changes_the_version: pass_through of ChangesVersion => "the version";
    a_layer_that_adds_a_header: pass_through of AddsHeader => "the headers";
    a_layer_that_drops_extensions: pass_through of DropsExtensions => "a foreign extension of the response";
    a_body_that_hides_its_size: pass_through of HidesSize => "the size hint";
    a_body_that_does_not_count_what_it_holds: pass_through of HoldsFrame => "the size hint";
    a_body_that_ends_before_what_it_holds: pass_through of EndsBeforeHeld => "`is_end_stream`";
    a_body_that_claims_its_end: pass_through of ClaimsEnd => "`is_end_stream`";
    a_body_that_eats_trailers: pass_through of EatsTrailers => "expected trailers, got the end";
    a_body_that_eats_empty_frames: pass_through of EatsEmptyFrames => "a data frame";
    a_body_that_loses_its_error: pass_through of LosesBodyError => "lost its cause";
    a_body_that_swallows_its_error: pass_through of SwallowsBodyError => "expected an error, got the end";
    a_body_that_goes_on_after_its_error: pass_through of RepeatsBodyError => "goes on after its error";
    a_body_that_swallows_wake_ups: pass_through of StallsBody => "hung: the body does not go on";
    a_future_that_lives_on: cancellation of KeepsFuture => "inner response futures held";
    a_future_that_lives_on_once_it_was_polled: cancellation of KeepsPolledFuture => "after 1 polls";
    a_body_that_lives_on: cancellation of KeepsBody => "inner response bodies held";
    a_body_that_lives_on_once_it_was_read: cancellation of KeepsReadBody => "inner response bodies held";
    a_layer_that_loses_the_error: errors of LosesError => "not in the source chain";
    a_layer_that_hides_the_error: errors of HidesError => "the layer answered 200";
    a_layer_that_loses_an_error_of_readiness: errors of LosesUnready => "not in the source chain";
    a_layer_that_hides_an_error_of_readiness: errors of HidesUnready => "without a `Ready`";
    a_size_that_is_hidden_on_the_wire: wire of HidesSize => "the headers";
    a_held_frame_that_is_not_counted_on_the_wire: wire of HoldsFrame => "the headers";
    an_end_that_cuts_off_the_wire: wire of EndsBeforeHeld => "the headers";
    trailers_that_are_lost_on_the_wire: wire of EatsTrailers => "the trailers";
    a_cut_that_looks_whole_on_the_wire: wire of SwallowsBodyError => "looks whole";
    a_body_that_stalls_on_the_wire: wire of StallsBody => "hung: the body does not go on";
    a_body_that_outlives_its_reader: wire of KeepsReadBody => "the body is not dropped";
}

#[tokio::test(start_paused = true)]
async fn good_layers_pass() {
    let request = contract::request();
    contract::all(&Broken(Fault::Nothing), &request).await;
    contract::all(&Identity::new(), &request).await;
    contract::all(&TimeoutLayer::new(Duration::from_secs(1)), &request).await;
    contract::all(&(Broken(Fault::Nothing), Identity::new()), &request).await;
}

#[tokio::test(start_paused = true)]
async fn good_layers_pass_on_the_wire() {
    let request = contract::request();
    contract::wire(&Broken(Fault::Nothing), &request).await;
    contract::wire(&Identity::new(), &request).await;
    contract::wire(&TimeoutLayer::new(Duration::from_secs(1)), &request).await;
}

/// The same without a paused clock, as users run it.
#[tokio::test]
async fn the_wire_needs_no_paused_clock() {
    contract::wire(&Identity::new(), &contract::request()).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_may_carry_extensions_and_any_clonable_body() {
    let mut request = contract::request().map(|_| http_body_util::Empty::<Bytes>::new());
    request.extensions_mut().insert("an extension");
    contract::all(&Identity::new(), &request).await;
}

#[tokio::test]
async fn a_layer_that_admits_as_its_inner_service_passes() {
    contract::admission(&Identity::new(), &contract::request()).await;
}

#[tokio::test]
#[should_panic(expected = "the rejection of the inner service")]
async fn a_layer_that_admits_by_itself() {
    let layer = tower::layer::layer_fn(|inner: contract::Inner<_>| Open::new(inner));
    contract::admission(&layer, &contract::request()).await;
}

#[tokio::test]
#[should_panic(expected = "the request is admitted")]
async fn a_layer_that_admits_nothing() {
    #[derive(Clone)]
    struct Closed<S>(S);
    impl<S: Service<Req>, Req> Service<Req> for Closed<S> {
        type Response = S::Response;
        type Error = S::Error;
        type Future = S::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: Req) -> S::Future {
            self.0.call(request)
        }
    }
    impl<S, Req> Admit<Req> for Closed<S> {
        fn admit(&self, _: &Req) -> Result<(), Rejection> {
            Err(Rejection::new(FailureKind::CoolingDown).with_retry_after(Duration::from_secs(7)))
        }
    }
    let layer = tower::layer::layer_fn(|inner: contract::Inner<_>| Closed(inner));
    contract::admission(&layer, &contract::request()).await;
}
