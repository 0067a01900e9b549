//! What is sent: the URL, the headers, the body.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod reasoning;

use http::Request;
use serde_json::{Value, json};
use ziggurat_core::{Failure, JsonBody, Operation, json::Document, overrides::Parameters};
use ziggurat_openai::{Builder, Face, OpenAi};
use ziggurat_provider::{Call, Dialect};

fn openai(model: &str) -> Builder {
    OpenAi::builder(Face::OpenAi, model).api_key("sk-very-secret-key")
}

fn azure(model: &str) -> Builder {
    OpenAi::builder(Face::Azure, model)
        .api_key("az-key")
        .api_base("https://r.azure.com")
}

fn request(body: &str) -> Request<JsonBody> {
    Request::new(JsonBody::new(
        Document::parse(body.to_owned().into()).unwrap(),
    ))
}

fn send(builder: Builder, request: &Request<JsonBody>) -> Result<String, Failure> {
    let outgoing = builder.build().unwrap().prepare(Call::new(request, &[]))?;
    let body = outgoing.request.into_body().into_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

/// Sends a body and reads what the upstream gets.
fn sent(builder: Builder, body: &Value) -> Value {
    serde_json::from_str(&send(builder, &request(&body.to_string())).unwrap()).unwrap()
}

fn uri(builder: Builder) -> String {
    let dialect = builder.build().unwrap();
    let outgoing = dialect.prepare(Call::new(&request("{}"), &[])).unwrap();
    outgoing.request.uri().to_string()
}

// === URLs ===

#[test]
fn each_operation_has_its_endpoint() {
    let chat = "http://h/v1/chat/completions";
    let builders = [
        openai("m").api_base("http://h/v1"),
        openai("m").api_base(chat),
        OpenAi::builder(Face::HuggingFace, "m").api_base("http://h"),
    ];
    for builder in builders {
        let dialect = builder.build().unwrap();
        for (operation, url) in [
            (Operation::Chat, chat),
            (Operation::Completions, "http://h/v1/completions"),
            (Operation::Embeddings, "http://h/v1/embeddings"),
        ] {
            let mut request = request("{}");
            request.extensions_mut().insert(operation);
            assert!(dialect.speaks(operation));
            let outgoing = dialect.prepare(Call::new(&request, &[])).unwrap();
            assert_eq!(outgoing.request.uri(), url);
        }
    }
    let legacy = openai("m").completions_only(true).build().unwrap();
    let spoken = Operation::ALL.map(|operation| legacy.speaks(operation));
    assert_eq!(spoken, [false, true, false, false, false, false]);
}

#[test]
fn a_path_is_added_to_a_base_but_not_twice() {
    let cases = [
        ("http://h", "http://h/chat/completions"),
        ("http://h/", "http://h/chat/completions"),
        ("http://h:8001/v1", "http://h:8001/v1/chat/completions"),
        ("http://h/v1/", "http://h/v1/chat/completions"),
        (
            "http://h/v1/chat/completions",
            "http://h/v1/chat/completions",
        ),
        (
            "http://h/v1?tenant=a&b",
            "http://h/v1/chat/completions?tenant=a&b=",
        ),
    ];
    for (base, expected) in cases {
        assert_eq!(uri(openai("m").api_base(base)), expected, "{base}");
    }
    assert_eq!(
        uri(openai("m")),
        "https://api.openai.com/v1/chat/completions"
    );
}

#[test]
fn a_base_for_text_generation_inference_may_lack_its_version() {
    let cases = [
        ("http://h", "http://h/v1/chat/completions"),
        ("http://h/sub/", "http://h/sub/v1/chat/completions"),
        ("http://h/v1", "http://h/v1/chat/completions"),
        (
            "http://h/v1/chat/completions",
            "http://h/v1/chat/completions",
        ),
    ];
    for (base, expected) in cases {
        let builder = OpenAi::builder(Face::HuggingFace, "m").api_base(base);
        assert_eq!(uri(builder), expected, "{base}");
    }
}

#[test]
fn azure_is_addressed_by_deployment_and_version() {
    let dated = "/openai/deployments/d/chat/completions?api-version=2024-10-21";
    let cases = [
        ("https://r.azure.com", format!("https://r.azure.com{dated}")),
        ("https://r.azure.com/", format!("https://r.azure.com{dated}")),
        ("https://r.azure.com/?api-version=old", format!("https://r.azure.com{dated}")),
        (
            "https://r.azure.com/openai/deployments/other",
            format!("https://r.azure.com{}", dated.replace("/d/", "/other/")),
        ),
        (
            "https://r.azure.com/openai/deployments/other/chat/completions?api-version=old&k=v",
            "https://r.azure.com/openai/deployments/other/chat/completions?k=v&api-version=2024-10-21".into(),
        ),
        (
            "https://gateway.ai.cloudflare.com/v1/acct/gw/azure-openai/res",
            "https://gateway.ai.cloudflare.com/v1/acct/gw/azure-openai/res/d/chat/completions?api-version=2024-10-21".into(),
        ),
        ("https://r.azure.com/openai/v1/", "https://r.azure.com/openai/v1/chat/completions".into()),
    ];
    for (base, expected) in cases {
        let builder = azure("d").api_version("2024-10-21").api_base(base);
        assert_eq!(uri(builder), expected, "{base}");
    }
    for version in ["v1", "preview", "latest"] {
        let builder = azure("d").api_version(version);
        assert_eq!(
            uri(builder),
            "https://r.azure.com/openai/v1/chat/completions"
        );
    }
    let odd = azure("o_series/a b?").api_version("2024-10-21");
    assert_eq!(
        uri(odd),
        "https://r.azure.com/openai/deployments/a%20b%3F/chat/completions?api-version=2024-10-21"
    );
}

#[test]
fn what_is_no_base_is_refused() {
    for base in [
        "",
        "h",
        "h/v1",
        "ftp://h",
        "http://",
        "http://user:pass@h",
        "not a url",
    ] {
        let error = OpenAi::builder(Face::Azure, "d")
            .api_base(base)
            .build()
            .unwrap_err();
        assert_eq!(error.setting(), "api_base", "{base:?}");
        assert!(!error.to_string().contains("pass@"));
    }
    let error = openai("m").header("bad name", "x").build().unwrap_err();
    assert_eq!(error.setting(), "extra_headers");
    for name in [
        "Content-Length",
        "Host",
        "Accept-Encoding",
        "Transfer-Encoding",
        "Connection",
    ] {
        let error = openai("m").header(name, "3").build().unwrap_err();
        assert_eq!(error.setting(), "extra_headers");
        assert!(error.to_string().contains(&name.to_lowercase()), "{error}");
    }
    let error = OpenAi::builder(Face::OpenAi, "m")
        .api_key("sk\n")
        .header("x", "a\nb")
        .build()
        .unwrap_err();
    assert_eq!(error.setting(), "extra_headers");
}

/// By HTTP/1.1 the host is a header, which is made once. Over TLS it may be HTTP/2, which has none.
#[test]
fn the_host_is_that_of_the_address() {
    let host = |builder: Builder| {
        let dialect = builder.build().unwrap();
        let outgoing = dialect.prepare(Call::new(&request("{}"), &[])).unwrap();
        let host = outgoing.request.headers().get("host");
        host.map(|host| host.to_str().unwrap().to_owned())
    };
    for (base, expected) in [
        ("http://h/v1", Some("h")),
        ("http://h:8080/v1", Some("h:8080")),
        ("https://h/v1", None),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(host(openai("m").api_base(base)), expected, "{base}");
        assert_eq!(host(azure("d").api_base(base)), expected, "{base}");
    }
}

// === keys ===

#[test]
fn settings_come_before_the_environment_and_keys_before_tokens() {
    let authorization = |builder: Builder| {
        let dialect = builder.build().unwrap();
        let outgoing = dialect.prepare(Call::new(&request("{}"), &[])).unwrap();
        let headers = outgoing.request.headers();
        let named = ["authorization", "api-key"]
            .into_iter()
            .find_map(|name| Some((name, headers.get(name)?)));
        let (name, value) = named.unwrap();
        assert!(value.is_sensitive());
        format!("{name}: {}", value.to_str().unwrap())
    };
    let environment = |name: &str| match name {
        "AZURE_API_KEY" => Some("of-env".to_owned()),
        "AZURE_OPENAI_API_KEY" => Some(String::new()),
        "AZURE_AD_TOKEN" => Some("token-of-env".to_owned()),
        _ => None,
    };
    let azure = || {
        OpenAi::builder(Face::Azure, "d")
            .api_base("https://r")
            .environment(environment)
    };
    assert_eq!(authorization(azure()), "api-key: of-env");
    assert_eq!(
        authorization(azure().azure_ad_token("set")),
        "authorization: Bearer set"
    );
    assert_eq!(
        authorization(azure().azure_ad_token("set").api_key("key")),
        "api-key: key"
    );
    assert_eq!(
        authorization(azure().api_key(" ").api_version("v1")),
        "authorization: Bearer of-env"
    );
}

#[test]
fn a_header_of_the_deployment_can_hold_the_key() {
    let builder = OpenAi::builder(Face::OpenAi, "m").header("Authorization", "Bearer other");
    let dialect = builder.build().unwrap();
    assert!(!dialect.is_key_missing());
    assert!(
        OpenAi::builder(Face::OpenAi, "m")
            .build()
            .unwrap()
            .is_key_missing()
    );
}

// === bodies ===

/// R22: what the request says wins, lists of tools are joined, the deployment's own settings stay here.
#[test]
fn defaults_fill_in_what_the_request_lacks() {
    let builder = openai("m")
        .default_parameter("temperature", "0.5")
        .default_parameter("top_k", "7")
        .default_parameter("rpm", "60")
        .default_parameter("litellm_credential_name", "\"c\"")
        .default_parameter("extra_body", r#"{"guided": true}"#)
        .default_parameter("tools", r#"[{"a": 1}]"#)
        .default_parameter("tool_choice", "\"none\"");
    let body = r#"{"model":"group", "temperature":1.0e0,"tools":[ {"b":2} ],"tool_choice":"auto"}"#;
    let text = send(builder, &request(body)).unwrap();
    assert_eq!(
        text,
        r#"{"model":"m", "temperature":1.0e0,"tools":[{"a": 1},{"b":2}],"tool_choice":"auto","top_k":7,"guided":true}"#
    );
}

#[test]
fn a_body_without_need_of_change_stays_as_it_is() {
    let body = r#"{ "messages":[{"role":"user","content":"developer \"image_url\": \"x\""}],"model":"m","n":1.0 ,"user":"u"}"#;
    let text = send(openai("m").api_base("http://h"), &request(body)).unwrap();
    assert_eq!(text, body);
}

#[test]
fn parameters_of_a_hop_win_over_the_request() {
    let mut request = request(r#"{"model":"group","temperature":1,"max_tokens":5}"#);
    let parameters = [
        ("temperature".into(), "0".into()),
        ("api_key".into(), "\"sk\"".into()),
        ("seed".into(), "3".into()),
    ];
    request
        .extensions_mut()
        .insert(Parameters(parameters.into()));
    let text = send(openai("m").default_parameter("seed", "1"), &request).unwrap();
    let sent: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        sent,
        json!({"model": "m", "temperature": 0, "max_tokens": 5, "seed": 3})
    );
}

#[test]
fn the_extra_body_is_put_where_it_is_meant_to_be() {
    let body = json!({"model": "g", "extra_body": {"top_k": 3, "api_base": "http://evil"}});
    assert_eq!(sent(openai("m"), &body), json!({"model": "m", "top_k": 3}));
}

#[test]
fn a_tool_choice_without_tools_is_left_out() {
    let body = json!({"model": "g", "tool_choice": "auto"});
    assert_eq!(sent(openai("m"), &body), json!({"model": "m"}));
}

#[test]
fn roles_that_a_model_does_not_know_are_renamed() {
    let body = json!({"model": "g", "messages": [
        {"role": "developer", "content": "\"developer\""}, {"role": "user", "content": [{"type": "text", "text": "developer"}]},
    ]});
    let roles = |builder: Builder| sent(builder, &body)["messages"][0].clone();
    assert_eq!(
        roles(openai("gpt-4")),
        json!({"role": "system", "content": "\"developer\""})
    );
    assert_eq!(roles(openai("o3-mini"))["role"], "developer");
    let body = json!({"model": "g", "messages": [{"role": "system", "content": "x"}]});
    let roles = |builder: Builder| sent(builder, &body)["messages"][0]["role"].clone();
    assert_eq!(roles(openai("gpt-4")), "system");
    assert_eq!(roles(openai("o3-mini")), "developer");
    assert_eq!(roles(openai("o1-mini")), "user");
    assert_eq!(roles(azure("o_series/mine")), "developer");
    assert_eq!(
        roles(azure("mine").base_model("azure/o3-mini")),
        "developer"
    );
}

#[test]
fn images_get_the_form_that_providers_know() {
    let image = |image: Value| json!({"type": "image_url", "image_url": image});
    let body = json!({"model": "g", "messages": [{"role": "user", "content": [
        image(json!("https://a/b.png")), image(json!({"url": "u", "format": "image/png"})), image(json!({"url": "v"})),
    ]}]});
    let got = sent(openai("gpt-4o"), &body);
    let expected = [
        json!({"url": "https://a/b.png"}),
        json!({"url": "u"}),
        json!({"url": "v"}),
    ]
    .map(image);
    assert_eq!(got["messages"][0]["content"], json!(expected));
}

#[test]
fn cache_control_is_cut_for_openai_itself_only() {
    let mark = json!({"type": "ephemeral"});
    let body = json!({
        "model": "g",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": mark}]},
            {"role": "developer", "content": "y", "cache_control": mark},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "cache_control": mark}, "cache_control": mark},
            {"type": "function", "function": {"name": "g"}},
        ],
    });
    let got = sent(openai("gpt-4"), &body);
    assert_eq!(
        got["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "x"}]}, {"role": "system", "content": "y"},
        ])
    );
    assert_eq!(
        got["tools"],
        json!([
            {"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "g"}},
        ])
    );
    let got = sent(openai("gpt-4").api_base("http://h"), &body);
    assert_eq!(got["tools"], body["tools"]);
}

// === plain answers ===

/// What the client gets for the choices of a plain answer.
fn answered(request: &Value, choices: &Value) -> Value {
    let dialect = openai("m").build().unwrap();
    let body = JsonBody::new(Document::parse(request.to_string().into()).unwrap());
    let request = Request::new(body);
    let mut exchange = dialect.prepare(Call::new(&request, &[])).unwrap().exchange;
    let answer = json!({"id": "c", "model": "up", "choices": choices}).to_string();
    let printed = exchange.plain(answer.into()).unwrap().into_bytes();
    serde_json::from_slice::<Value>(&printed).unwrap()["choices"].take()
}

#[test]
fn answers_in_other_words_are_put_into_those_that_clients_know() {
    let choice = |reason: &str| json!({"index": 0, "message": {"content": "\"finish_reason\":\"eos\""}, "finish_reason": reason});
    let got = answered(&json!({}), &json!([choice("eos_token")]));
    assert_eq!(got, json!([choice("stop")]));
    let got = answered(
        &json!({"n": 2}),
        &json!([choice("max_tokens"), choice("stop")]),
    );
    assert_eq!(got, json!([choice("length"), choice("stop")]));
    let got = answered(&json!({}), &json!([choice("unheard_of")]));
    assert_eq!(got, json!([choice("unheard_of")]));
    for reason in ["tool_calls", "stop", "length"] {
        let call = |arguments: Value| {
            json!([{
                "message": {"tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}, "finish_reason": reason,
            }])
        };
        let got = answered(&json!({}), &call(json!({"a": 1})));
        assert_eq!(got, call(json!(r#"{"a":1}"#)));
    }
}

/// Without a group or a request to name it after, an answer keeps the upstream's name; all else keeps its bytes.
#[test]
fn an_answer_stays_as_it_came() {
    let dialect = openai("m").build().unwrap();
    let mut exchange = dialect
        .prepare(Call::new(&request("{}"), &[]))
        .unwrap()
        .exchange;
    let answer = r#"{ "id":"c","x":1.0e0, "model" : "up","choices":[ { "message" : { } } ]}"#;
    assert_eq!(exchange.plain(answer.into()).unwrap().into_bytes(), answer);
}
