use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Request;
use http_body_util::Full;
use tower::ServiceExt;
use ziggurat::Gateway;
use ziggurat_wall::{Play, Scene, Upstream};

use crate::{
    harm::{Case, sends},
    read::{View, read},
    recording::Recording,
};

/// Requests under way at once.
const AT_ONCE: usize = 32;

/// Lets a paused clock move in small steps. It moves whenever every task waits, also for the moment in which the kernel
/// still has the bytes: without this, it would then jump to the next time limit.
async fn tick() {
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Asks once for each case, and returns what the caller sees of it.
pub(crate) async fn play(recording: &Recording, cases: &[Case]) -> Vec<Result<View, String>> {
    play_with(recording, cases, None).await
}

/// What a fallback says to who sends it the beginning of an answer.
pub(crate) const REST: &str = " and so on.";

/// The same where streams that break go on with a fallback, as this `stream_recovery` has it. It sends the recording as it is,
/// and to those who have begun [`REST`].
pub(crate) async fn play_recovered(
    recording: &Recording,
    cases: &[Case],
    recovery: &'static str,
) -> Vec<Result<View, String>> {
    let whole = Case::NONE.scene(recording);
    let is_marked = recording.marks_prefills();
    let rest = sends(recording, recording.saying(REST)).close();
    let spare = Upstream::start(Play::each(move |call| {
        let last = call.body["messages"].as_array().unwrap().last().unwrap();
        match last["role"] == "assistant" {
            // Only in OpenAI's form is a beginning marked as one; others refuse members that they do not know.
            true if last["prefix"].is_null() == is_marked => Scene::new().reset(),
            true => rest.clone(),
            false => whole.clone(),
        }
    }));
    play_with(recording, cases, Some((spare.await.unwrap(), recovery))).await
}

async fn play_with(
    recording: &Recording,
    cases: &[Case],
    spare: Option<(Upstream, &str)>,
) -> Vec<Result<View, String>> {
    let ticking = tokio::spawn(tick());
    let scenes: Arc<[_]> = cases.iter().map(|case| case.scene(recording)).collect();
    let script = move |asked: &str| scenes[number(asked)].clone();
    let upstream = Upstream::start(Play::each(move |call| script(&call.body.to_string())));
    let upstream = upstream.await.unwrap();
    let model = |name: &str, upstream: &Upstream| {
        let (deployment, address) = (recording.deployment, upstream.address());
        format!(
            "{{model_name: {name}, litellm_params: {deployment}, api_base: 'http://{address}'}}, \
             model_info: {{supports_assistant_prefill: true}}}}"
        )
    };
    let (mut models, mut settings) = (model("m", &upstream), String::new());
    if let Some((spare, recovery)) = &spare {
        models += &format!(", {}", model("spare", spare));
        settings = format!(", stream_recovery: {recovery}, fallbacks: [{{m: [spare]}}]");
    }
    let yaml = format!(
        "model_list: [{models}]
litellm_settings: {{num_retries: 0, request_timeout: 2}}
router_settings: {{disable_cooldowns: true{settings}}}"
    );
    let config = Gateway::loader(|_| None)
        .from_str(&yaml, "offsets.yaml")
        .unwrap();
    let gateway = Gateway::new(&config).unwrap();
    let ask = |number: usize| {
        let gateway = gateway.clone();
        let body = format!(
            r#"{{"model": "m", "stream": true, "max_tokens": 50, "messages": [{{"role": "user", "content": "case {number}."}}]}}"#
        );
        let request = Request::post(recording.surface.path())
            .body(Full::<Bytes>::from(body))
            .unwrap();
        async move {
            let Ok(response) = gateway.oneshot(request).await;
            read(response, recording.surface).await
        }
    };
    let views = stream::iter((0..cases.len()).map(ask))
        .buffered(AT_ONCE)
        .collect()
        .await;
    ticking.abort();
    views
}

/// Returns the number of a case, which is the question.
fn number(asked: &str) -> usize {
    let (_, number) = asked.split_once("case ").unwrap();
    let (number, _) = number.split_once('.').unwrap();
    number.parse().unwrap()
}
