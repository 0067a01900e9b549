//! The last touch to a schema: what Google refuses that JSON Schema allows.

use std::borrow::Cow;

use super::{Members, Node, set};

/// Members that alternatives take over from the schema around them.
const INHERITED: [&str; 4] = ["type", "title", "description", "nullable"];

/// Makes a schema of members that were put together from several places.
pub(super) fn finished(mut out: Members<'_>) -> Members<'_> {
    enumeration(&mut out);
    if let Some(Node::Array(alternatives)) = take(&mut out, "anyOf")
        && !describes_itself(&out, &alternatives)
    {
        return any_of(&out, alternatives);
    }
    if get(&out, "type").is_none() {
        let members = [("properties", "object"), ("items", "array")];
        let implied = members.iter().find(|(name, _)| get(&out, name).is_some());
        if let Some((_, kind)) = implied {
            out.insert(0, ("type".into(), Node::text(kind)));
        }
    }
    items(&mut out);
    required(&mut out);
    out
}

/// Google has enumerations of texts alone, and of no empty ones. The values of others are told in the description.
fn enumeration(out: &mut Members<'_>) {
    let Some(Node::Array(values)) = take(out, "enum") else {
        return;
    };
    if values.contains(&Node::Null) {
        set(out, "nullable", Node::Bool(true));
    }
    let texts: Vec<_> = values.iter().filter_map(scalar).collect();
    let kind = match get(out, "type").and_then(Node::as_text) {
        Some(kind) => kind.to_ascii_lowercase(),
        None => implied(&values).to_owned(),
    };
    if kind == "string" {
        let texts = texts.into_iter().filter(|text| !text.is_empty());
        let texts: Vec<_> = texts.map(Node::Text).collect();
        if !texts.is_empty() {
            set(out, "enum", Node::Array(texts));
        }
    } else if !texts.is_empty() {
        let said = get(out, "description").and_then(Node::as_text);
        let said = said.map(|said| format!("{said}\n")).unwrap_or_default();
        let told = format!("{said}One of: {}", texts.join(", "));
        set(out, "description", Node::Text(told.into()));
    }
    set(out, "type", Node::Text(kind.into()));
}

/// The type that all values have; texts can stand for any.
fn implied(values: &[Node<'_>]) -> &'static str {
    let mut kinds = values.iter().filter_map(|value| match value {
        Node::Bool(_) => Some("boolean"),
        Node::Number(number) if number.is_f64() => Some("number"),
        Node::Number(_) => Some("integer"),
        Node::Null => None,
        _ => Some("string"),
    });
    let first = kinds.next().unwrap_or("string");
    match kinds.all(|kind| kind == first) {
        true => first,
        false => "string",
    }
}

/// Whether alternatives only narrow what the schema around them says in full. Google takes none beside other members.
fn describes_itself(out: &Members<'_>, alternatives: &[Node<'_>]) -> bool {
    let is_array = |node: &Node<'_>| is_array(node.members());
    let has = |name| get(out, name).is_some();
    has("properties") || (has("items") && !alternatives.iter().any(is_array))
}

/// Alternatives, which take over what stands beside them.
fn any_of<'a>(out: &Members<'a>, alternatives: Vec<Node<'a>>) -> Members<'a> {
    let alternatives = alternatives.into_iter().map(|alternative| {
        let Node::Object(mut members) = alternative else {
            return alternative;
        };
        for name in INHERITED {
            if let Some(value) = get(out, name)
                && get(&members, name).is_none()
            {
                members.push((name.into(), value.clone()));
            }
        }
        if let Some(value) = get(out, "items")
            && is_array(&members)
        {
            set(&mut members, "items", value.clone());
        }
        items(&mut members);
        Node::Object(members)
    });
    vec![("anyOf".into(), Node::Array(alternatives.collect()))]
}

/// Lists must say of what; any object will do, as with LiteLLM.
fn items(out: &mut Members<'_>) {
    let says_nothing = |items: &Node<'_>| items.members().is_empty();
    if is_array(out) && get(out, "items").is_none_or(says_nothing) {
        let object = Node::Object(vec![("type".into(), Node::text("object"))]);
        set(out, "items", object);
    }
}

/// Google refuses to require what is no property.
fn required(out: &mut Members<'_>) {
    let Some(Node::Array(names)) = take(out, "required") else {
        return;
    };
    let properties = get(out, "properties");
    let is_property = |name: &Node<'_>| {
        let name = name.as_text();
        name.is_some_and(|name| properties.is_some_and(|known| known.get(name).is_some()))
    };
    let names: Vec<_> = names.into_iter().filter(is_property).collect();
    if !names.is_empty() {
        set(out, "required", Node::Array(names));
    }
}

fn is_array(members: &[(Cow<'_, str>, Node<'_>)]) -> bool {
    let kind = get(members, "type").and_then(Node::as_text);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("array"))
}

/// The text of a value of an enumeration.
fn scalar<'a>(value: &Node<'a>) -> Option<Cow<'a, str>> {
    match value {
        Node::Text(text) => Some(text.clone()),
        Node::Number(number) => Some(number.to_string().into()),
        Node::Bool(value) => Some(value.to_string().into()),
        Node::Null | Node::Array(_) | Node::Object(_) => None,
    }
}

fn get<'a, 'b>(members: &'b [(Cow<'a, str>, Node<'a>)], name: &str) -> Option<&'b Node<'a>> {
    let mut members = members.iter();
    members.find_map(|(known, value)| (known == name).then_some(value))
}

fn take<'a>(members: &mut Members<'a>, name: &str) -> Option<Node<'a>> {
    let at = members.iter().position(|(known, _)| known == name)?;
    Some(members.remove(at).1)
}
