//! A recorded stream, cut anywhere.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tokio::time::Instant;
use ziggurat_testing::ScriptedBody;

use crate::support::{answering, ask, body, limit, plain, seconds};

/// What OpenAI sent, shortened; the first content is in the fourth event.
const RECORDED: [&str; 9] = [
    ": OPENROUTER PROCESSING\n\n",
    "data: {\"id\":\"chatcmpl-9x\",\"object\":\"chat.completion.chunk\",\"created\":1710000000,\"model\":\"gpt-4o\",\
     \"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{\"hate\":{\"filtered\":false}}}]}\n\n",
    "data: {\"id\":\"chatcmpl-9x\",\"object\":\"chat.completion.chunk\",\"created\":1710000000,\"model\":\"gpt-4o\",\
     \"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-9x\",\"object\":\"chat.completion.chunk\",\"created\":1710000000,\"model\":\"gpt-4o\",\
     \"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüß\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-9x\",\"object\":\"chat.completion.chunk\",\"created\":1710000000,\"model\":\"gpt-4o\",\
     \"choices\":[{\"index\":0,\"delta\":{\"content\":\" Gott\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
    ": OPENROUTER PROCESSING\n\n",
    "data: {\"id\":\"chatcmpl-9x\",\"object\":\"chat.completion.chunk\",\"created\":1710000000,\"model\":\"gpt-4o\",\
     \"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"chatcmpl-9x\",\"object\":\"chat.completion.chunk\",\"created\":1710000000,\"model\":\"gpt-4o\",\
     \"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n",
    "data: [DONE]\n\n",
];
const BEFORE_CONTENT: usize = 3;

#[derive(Debug)]
struct Cut {
    line_end: &'static str,
    bom: bool,
    /// Where it is cut, and the pause before what follows, in seconds.
    cuts: Vec<(prop::sample::Index, u64)>,
}

fn cut() -> impl Strategy<Value = Cut> {
    let cuts = prop::collection::vec((any::<prop::sample::Index>(), 0..4_u64), 0..40);
    let line_end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    (line_end, any::<bool>(), cuts).prop_map(|(line_end, bom, cuts)| Cut {
        line_end,
        bom,
        cuts,
    })
}

impl Cut {
    fn text(&self, events: &[&str]) -> Bytes {
        let bom = if self.bom { "\u{feff}" } else { "" };
        (bom.to_owned() + &events.concat().replace('\n', self.line_end)).into()
    }

    /// Returns the body, and when the byte at `content` comes.
    fn body(&self, text: &Bytes, content: usize) -> (ScriptedBody, u64) {
        let mut cuts: Vec<_> = self
            .cuts
            .iter()
            .map(|(at, wait)| (at.index(text.len()), *wait))
            .collect();
        cuts.sort_unstable();
        let (mut scripted, mut from, mut now, mut comes) = (body(), 0, 0, 0);
        for (at, wait) in cuts.into_iter().chain([(text.len(), 0)]) {
            scripted = scripted.data(text.slice(from..at)).wait(seconds(wait));
            if (from..at).contains(&content) {
                comes = now;
            }
            (from, now) = (at, now + wait);
        }
        (scripted, comes)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(512)))]

    #[test]
    fn bytes_pass_and_the_same_event_ends_the_wait(cut in cut()) {
        let text = cut.text(&RECORDED);
        // The byte that ends the line that ends the event.
        let content = cut.text(&RECORDED[..=BEFORE_CONTENT]).len() - cut.line_end.len();
        let (scripted, comes) = cut.body(&text, content);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (held, bytes) = runtime.block_on(async {
            let start = Instant::now();
            let response = ask(limit(200), &answering(scripted), plain()).await.unwrap();
            let held = start.elapsed();
            (held, response.into_body().collect().await.unwrap().to_bytes())
        });
        prop_assert_eq!(held, seconds(comes));
        prop_assert_eq!(bytes, text);
    }
}
