use bytes::Bytes;
use http::Request;
use ziggurat_core::{JsonBody, ModelGroup, json::Document};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{Call, Dialect};
fn main() {
    let mut a = std::env::args().skip(1);
    let what = a.next().unwrap();
    let n: usize = a.next().unwrap().parse().unwrap();
    let size: usize = a.next().unwrap().parse().unwrap();
    let dialect = OpenAi::builder(Face::OpenAi, "upstream-model")
        .api_base("http://127.0.0.1:1/v1")
        .api_key("sk-aaaaaaaaaaa")
        .build()
        .unwrap();
    let text = format!(
        r#"{{"model":"group","messages":[{{"role":"user","content":"{}"}}],"stream":true,"temperature":0.5}}"#,
        "x ".repeat(size / 2)
    );
    let document = Document::parse(text.into()).unwrap();
    let mut request = Request::new(JsonBody::new(document));
    request.extensions_mut().insert(ModelGroup::new("group"));
    let mut outgoing = dialect.prepare(Call::new(&request, &[])).unwrap();
    let answer: Bytes = format!(r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-up","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}}"#, "y ".repeat(size/2)).into();
    let obf = what == "padded";
    for i in 0..n {
        match &*what {
            "prepare" => {
                std::hint::black_box(dialect.prepare(Call::new(&request, &[])).unwrap());
            }
            "plain" => {
                std::hint::black_box(outgoing.exchange.plain(answer.clone()).unwrap());
            }
            _ => {
                let pad = if obf {
                    format!(",\"obfuscation\":\"{}\"", &"abcdefghij"[..i % 10])
                } else {
                    String::new()
                };
                let c: Bytes = format!("data: {{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,\"model\":\"gpt-3.5-turbo-0125\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word\"}},\"logprobs\":null,\"finish_reason\":null}}],\"service_tier\":\"default\",\"system_fingerprint\":\"fp_44709d6fcb\"{pad}}}\n\n").into();
                if what != "none" {
                    std::hint::black_box(outgoing.exchange.chunk(c));
                } else {
                    std::hint::black_box(c);
                }
            }
        }
    }
}
