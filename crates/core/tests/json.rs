//! The scan agrees with `serde_json`; edits print what parsing, editing and printing would.

use bytes::Bytes;
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde_json::{Map, Value};
use ziggurat_core::json::{Document, JsonBody, string};

fn parse(text: impl Into<Bytes>) -> Result<Document, ziggurat_core::json::ParseError> {
    Document::parse(text.into())
}

fn agrees(text: &[u8]) -> Result<(), TestCaseError> {
    let ours = Document::parse(Bytes::copy_from_slice(text));
    // A raw value skips its content as the scan does; an object is told from the rest by its first byte.
    let theirs = serde_json::from_slice::<&serde_json::value::RawValue>(text);
    let object = text.iter().find(|b| !b" \t\r\n".contains(b)) == Some(&b'{');
    prop_assert_eq!(
        ours.is_ok(),
        theirs.is_ok() && object,
        "{:?}",
        String::from_utf8_lossy(text)
    );
    Ok(())
}

fn json(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        ".{0,80}".prop_map(Value::from),
        "[a-z \\\\\"\n\u{e9}\u{1f980}]{0,300}".prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,12}", inner), 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec(("[a-f]{1,2}|.{0,6}", json(3)), 0..8)
        .prop_map(|m| m.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: ProptestConfig::default().cases.max(1024), ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_judged_alike(text in prop::collection::vec(any::<u8>(), 0..64)) {
        agrees(&text)?;
    }

    #[test]
    fn texts_that_look_like_json_are_judged_alike(text in r#"[\{\}\[\]",:\\u0-9a-eE+.tfn\-rulse \n\x01é]{0,40}"#) {
        agrees(text.as_bytes())?;
        agrees(format!("{{\"a\":{text}}}").as_bytes())?;
        agrees(format!("{{\"a\":\"{text}\"}}").as_bytes())?;
    }

    #[test]
    fn one_wrong_byte_is_judged_alike(map in object(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = serde_json::to_vec(&map).unwrap();
        agrees(&text)?;
        let at = at.index(text.len());
        text[at] = byte;
        agrees(&text)?;
    }

    #[test]
    fn long_strings_are_judged_alike(plain in "[ -~é]{0,260}", byte in any::<u8>(), at in any::<prop::sample::Index>()) {
        let mut text = format!("{{\"a\":{}}}", serde_json::to_string(&plain).unwrap()).into_bytes();
        agrees(&text)?;
        let at = at.index(text.len());
        text[at] = byte;
        agrees(&text)?;
    }

    #[test]
    fn members_are_found(map in object()) {
        let document = parse(serde_json::to_vec_pretty(&map).unwrap()).unwrap();
        prop_assert_eq!(document.members().count(), map.len());
        for (name, value) in &map {
            prop_assert_eq!(&document.get(name).unwrap().decode::<Value>().unwrap(), value);
        }
    }

    #[test]
    fn values_are_found_within_values(map in object(), list in prop::collection::vec(json(2), 0..6), pretty in any::<bool>()) {
        let map = serde_json::json!({"map": map, "list": list});
        let text = if pretty { serde_json::to_vec_pretty(&map) } else { serde_json::to_vec(&map) };
        let document = parse(text.unwrap()).unwrap();
        let elements = document.get("list").unwrap().elements().unwrap();
        let elements: Vec<Value> = elements.map(|value| value.decode().unwrap()).collect();
        prop_assert_eq!(elements, list);
        let found = document.get("map").unwrap();
        prop_assert!(found.elements().is_none() && found.get("not there").is_none());
        for (name, value) in map["map"].as_object().unwrap() {
            prop_assert_eq!(&found.get(name).unwrap().decode::<Value>().unwrap(), value);
        }
    }

    #[test]
    fn edits_print_what_editing_a_tree_prints(
        map in object(),
        pretty in any::<bool>(),
        edits in prop::collection::vec(("[a-f]{1,2}", prop::option::of(json(1))), 0..6),
    ) {
        let text = if pretty { serde_json::to_vec_pretty(&map) } else { serde_json::to_vec(&map) }.unwrap();
        let mut body = JsonBody::new(parse(text).unwrap());
        let mut expected = map;
        for (name, value) in edits {
            match value {
                Some(value) => {
                    body.set(name.clone(), serde_json::to_vec(&value).unwrap());
                    expected.insert(name, value);
                }
                None => {
                    body.remove(name.clone());
                    expected.remove(&name);
                }
            }
        }
        let members = body.members().map(|(name, value)| (name.into_owned(), serde_json::from_slice(value).unwrap()));
        prop_assert_eq!(&members.collect::<Map<String, Value>>(), &expected);
        let printed = body.print().into_bytes();
        prop_assert_eq!(serde_json::from_slice::<Map<String, Value>>(&printed).unwrap(), expected);
        prop_assert_eq!(Document::parse(printed).is_ok(), true);
    }

    #[test]
    fn strings_are_written_as_json(text in any::<String>()) {
        prop_assert_eq!(serde_json::from_slice::<String>(&string(&text)).unwrap(), text);
    }
}

#[test]
fn members_of_values_are_found_through_escapes_and_only_in_objects() {
    let document = parse(
        r#"{"a":{"\u0078":1,"x":2,"\ud800":3},"b":[{"x":1}],"c":"x","n":[0,12,1.0,-1,1e3,18446744073709551616]}"#,
    );
    let document = document.unwrap();
    let get = |name| document.get(name).unwrap();
    assert_eq!(
        get("a").get("x").unwrap().as_u64(),
        Some(1),
        "the first counts"
    );
    assert!(get("a").get("\u{d7ff}").is_none());
    assert!(get("b").get("x").is_none() && get("c").get("x").is_none());
    assert!(get("c").elements().is_none());
    let numbers: Vec<_> = get("n").elements().unwrap().map(|n| n.as_u64()).collect();
    assert_eq!(numbers, [Some(0), Some(12), None, None, None, None]);
}

#[test]
fn nesting_has_no_limit() {
    for depth in [1, 63, 64, 65, 127, 128, 129, 10_000] {
        let (open, close) = ("[{\"b\":".repeat(depth), "}]".repeat(depth));
        let text = format!("{{\"a\":{open}1{close}}}");
        assert!(parse(text.clone()).is_ok(), "{depth}");
        assert!(parse(text.replacen("}]", "]}", 1)).is_err(), "{depth}");
    }
}

#[test]
fn every_other_byte_stays() {
    let text = r#" { "model" : "gpt-x" , "n":1.0e3,"big":123456789012345678901234567890, "timeout": 5 ,"é":"\u00e9" } "#;
    let mut body = JsonBody::new(parse(text).unwrap());
    body.set("model", string("azure/y"));
    body.remove("timeout");
    body.set("user", string("u"));
    assert_eq!(
        body.print().into_bytes(),
        r#" { "model" : "azure/y" , "n":1.0e3,"big":123456789012345678901234567890, "é":"\u00e9","user":"u" } "#
    );
}

/// The text goes on as it came, in the same place of memory.
#[test]
fn a_value_that_is_there_already_changes_nothing() {
    let text = Bytes::from_static(br#"{"model" : "gpt-x","n":1}"#);
    let mut body = JsonBody::new(parse(text.clone()).unwrap());
    body.set("model", string("gpt-x"));
    assert_eq!(body.print().into_bytes().as_ptr(), text.as_ptr());
    // The last word counts.
    body.set("model", string("other"));
    body.set("model", string("gpt-x"));
    assert_eq!(body.print().into_bytes(), text);
    body.remove("model");
    body.set("model", string("gpt-x"));
    assert!(body.contains("model"));
    assert_eq!(body.print().into_bytes(), text);
}

/// Those that stand for the same name included.
#[test]
fn a_new_value_takes_the_place_of_all_of_its_name() {
    for text in [
        r#"{"a":1,"b":0,"a":2}"#,
        r#"{"a":1,"b":0,"\u0061":2}"#,
        r#"{"\u0061":1,"b":0,"a":2}"#,
    ] {
        for new in ["1", "3"] {
            let mut body = JsonBody::new(parse(text).unwrap());
            body.set("a", new);
            let printed = body.print().into_bytes();
            let printed = Document::parse(printed).unwrap();
            let values = printed.members().filter(|(name, _)| name == "a");
            let values: Vec<_> = values.map(|(_, value)| value.text().to_owned()).collect();
            assert_eq!(values, [new, new], "{text}");
        }
    }
}

#[test]
fn names_are_decoded_as_bytes_too() {
    let document = parse(r#"{"model":1,"m\u006fdel":2,"é":3,"":4}"#).unwrap();
    let names: Vec<_> = document.members_in_bytes().map(|(name, _)| name).collect();
    assert_eq!(names, [&b"model"[..], b"model", "é".as_bytes(), b""]);
    for name in ["model", "é", ""] {
        assert!(document.get(name).is_some(), "{name}");
    }
}

#[test]
fn cuts_take_their_commas_along() {
    let print = |text: &'static str, cut: &[&'static str]| {
        let mut body = JsonBody::new(parse(text).unwrap());
        cut.iter().for_each(|name| body.remove(*name));
        String::from_utf8(body.print().into_bytes().into()).unwrap()
    };
    let text = r#"{"a":1, "b":2, "c":3}"#;
    assert_eq!(print(text, &["a"]), r#"{"b":2, "c":3}"#);
    assert_eq!(print(text, &["b"]), r#"{"a":1, "c":3}"#);
    assert_eq!(print(text, &["c"]), r#"{"a":1, "b":2}"#);
    assert_eq!(print(text, &["b", "c"]), r#"{"a":1}"#);
    assert_eq!(print(text, &["a", "b", "c"]), "{}");
    assert_eq!(print(r#"{"a":1,"a":2}"#, &["a"]), "{}");
    assert_eq!(print("{}", &["a"]), "{}");
}

#[tokio::test]
async fn a_body_says_its_length_before_and_gives_large_texts_in_slices() {
    let long = "x".repeat(200_000);
    let mut body =
        JsonBody::new(parse(format!("{{\"model\":\"a\",\"prompt\":\"{long}\"}}")).unwrap());
    body.set("model", string("b"));
    let expected = format!("{{\"model\":\"b\",\"prompt\":\"{long}\"}}");
    assert_eq!(
        http_body::Body::size_hint(&body).exact(),
        Some(expected.len() as u64)
    );
    let mut printed = body.print();
    let mut frames = 0;
    let mut text = Vec::new();
    while let Some(frame) = printed.frame().await {
        text.extend_from_slice(&frame.unwrap().into_data().unwrap());
        frames += 1;
        assert_eq!(
            http_body::Body::size_hint(&printed).exact(),
            Some((expected.len() - text.len()) as u64)
        );
    }
    assert!(http_body::Body::is_end_stream(&printed));
    assert_eq!(frames, 3);
    assert_eq!(text, expected.as_bytes());
    assert_eq!(body.collect().await.unwrap().to_bytes(), expected);
}

#[test]
fn errors_name_line_column_and_the_text() {
    let error = parse("{\n  \"model\": \"zephyr-beta\"\",\n  \"messages\": []\n}").unwrap_err();
    assert_eq!(
        (error.line(), error.column(), error.excerpt()),
        (2, 25, "\",")
    );
    let error = parse("{\n  \"logit_bias\": {12481: 100},\n  \"timeout\": 1\n}").unwrap_err();
    assert_eq!((error.line(), error.column()), (2, 18));
    assert_eq!(error.reason(), "key must be a string");
    assert_eq!(error.excerpt(), "12481: 100},");
    let error = parse(&b"{\"a\":\n \"\xff\"}"[..]).unwrap_err();
    assert_eq!(
        (error.line(), error.column(), error.reason()),
        (2, 3, "invalid UTF-8")
    );
    assert_eq!(parse("[1]").unwrap_err().reason(), "expected an object");
    assert!(parse("").unwrap_err().to_string().contains("EOF"));
}

#[test]
fn duplicates_are_found_through_escapes() {
    let document = parse(r#"{"model":"a","x":1,"x":2,"m\u006fdel":"b"}"#).unwrap();
    assert_eq!(
        document.duplicate(|name| name == "model").as_deref(),
        Some("model")
    );
    assert_eq!(document.duplicate(|name| name == "y"), None);
}

#[test]
fn duplicates_are_found_among_many_members() {
    for count in [3, 63, 64, 65, 500] {
        let members: String = (0..count).map(|n| format!("\"m{n}\":{n},")).collect();
        let document = parse(format!("{{{members}\"last\":0}}")).unwrap();
        assert_eq!(document.duplicate(|_| true), None, "{count}");
        let document = parse(format!("{{{members}\"m1\":0}}")).unwrap();
        assert_eq!(document.duplicate(|_| true).as_deref(), Some("m1"));
    }
}

#[test]
fn nothing_of_a_body_shows_in_debug_output() {
    let document = parse(r#"{"messages":"secret prompt","api_key":"sk-secret"}"#).unwrap();
    let mut body = JsonBody::new(document.clone());
    body.set("user", string("secret user"));
    let shown = format!(
        "{document:?} {body:?} {:?} {:?}",
        document.get("messages"),
        body.print()
    );
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn names_are_known_at_any_depth() {
    let text = r#"{"a":[{"image_url":"x"},[{"b":{"deep":1}}]],"t":"\"format\":"}"#;
    let document = parse(text).unwrap();
    for name in ["a", "image_url", "b", "deep", "t"] {
        assert!(document.may_have_member(name), "{name}");
    }
    for name in ["format", "cache_control", "x", ""] {
        assert!(!document.may_have_member(name), "{name}");
    }
    // An escaped name may be any.
    let escaped = parse(r#"{"a":{"\u0066ormat":1}}"#).unwrap();
    assert!(escaped.may_have_member("format"));
    assert!(escaped.may_have_member("other"));

    let mut body = JsonBody::new(document);
    assert!(!body.may_have_member("format"));
    body.set("note", r#""format""#);
    assert!(!body.may_have_member("format"));
    body.set("parts", r#"[{"format":1}]"#);
    assert!(body.may_have_member("format"));
    body.set("user", "null");
    assert!(body.may_have_member("user"));
}

#[test]
fn arrays_of_objects_are_told_from_others() {
    let text = r#"{"all":[{"a":[1]}, {}],"none":[],"mixed":[{},"x"],"first":[1,{}],"deep":[[{}]],"object":{"a":[{}]},"null":null}"#;
    let document = parse(text).unwrap();
    let has = |name: &&str| document.has_objects(name);
    let names = [
        "all", "none", "mixed", "first", "deep", "object", "null", "absent",
    ];
    assert_eq!(
        names.into_iter().filter(has).collect::<Vec<_>>(),
        ["all", "none"]
    );
}

#[test]
fn several_members_are_found_in_one_pass() {
    let document = parse(r#"{"o":{"a":1,"\u0062":2,"a":3,"c":4},"n":[1]}"#).unwrap();
    let text = |value: ziggurat_core::json::Value<'_>| value.text().to_owned();
    let each = document.get("o").unwrap().get_each(["c", "b", "x", "a"]);
    assert_eq!(
        each.map(|value| value.map(text)),
        [
            Some("4".to_owned()),
            Some("2".to_owned()),
            None,
            Some("1".to_owned())
        ]
    );
    assert!(document.get("n").unwrap().get_each(["a"])[0].is_none());
}

#[test]
fn a_request_is_cheap_to_move() {
    // Each layer moves it; what is longer than this takes twice the instructions.
    assert!(size_of::<http::Request<JsonBody>>() <= 256);
}
