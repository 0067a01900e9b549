//! The counting rules: which members of a body are part of the prompt, and what stands around them.

use ziggurat_core::TokenCount;

use super::{
    Prompt, image,
    json::{Stop, elements, members, string},
    sum::Sum,
    tools,
};

/// Around each message, and before the reply.
const MESSAGE: u64 = 3;
/// Beside a `name`.
const NAME: u64 = 1;
/// Beside the declaration of the tools, and what it saves in a system message.
const TOOLS: u64 = 9;
const TOOLS_IN_SYSTEM: u64 = 4;

pub(crate) fn count<F>(prompt: &Prompt<'_>, limit: u64, text: F) -> Option<TokenCount>
where
    F: FnMut(&str, u64) -> TokenCount,
{
    if let Some(messages) = prompt.get("messages") {
        return chat(prompt, limit, text, |sum, system| {
            elements(messages, |it| message(sum, it, Form::Chat, system))
        });
    }
    if let Some(texts) = prompt.get("prompt") {
        return batch(texts, Sum::new(limit, text), Frame::User);
    }
    let input = prompt.get("input")?;
    if is_conversation(input) {
        return chat(prompt, limit, text, |sum, system| {
            elements(input, |it| message(sum, it, Form::Item, system))
        });
    }
    match prompt.get("instructions") {
        Some(_) => chat(prompt, limit, text, |sum, _| {
            sum.add(MESSAGE)?;
            sum.text("user")?;
            sum.string(input)
        }),
        None => batch(input, Sum::new(limit, text), Frame::None),
    }
}

/// Which members of a message are part of the prompt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Every string.
    Chat,
    /// An item of a conversation's `input`, which also has ids and sealed contents: the known ones.
    Item,
}

/// What stands around a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// It is sent as the message of a user.
    User,
    None,
}

/// Counts a conversation: instructions, tools, messages, the reply.
fn chat<F>(
    prompt: &Prompt<'_>,
    limit: u64,
    text: F,
    messages: impl FnOnce(&mut Sum<F>, &mut bool) -> Result<(), Stop>,
) -> Option<TokenCount>
where
    F: FnMut(&str, u64) -> TokenCount,
{
    let tools = ["tools", "functions"].map(|name| prompt.get(name));
    let declared = tools.iter().flatten().any(|raw| !tools::is_empty(raw));
    // What a system message saves is taken off at the end.
    let saved = if declared { TOOLS_IN_SYSTEM } else { 0 };
    let mut sum = Sum::new(limit.saturating_add(saved), text);
    let mut system = false;
    let all = || {
        sum.add(MESSAGE)?;
        if let Some(instructions) = prompt.get("instructions") {
            system = true;
            sum.add(MESSAGE)?;
            sum.text("system")?;
            sum.string(instructions)?;
        }
        if let Some(content) = prompt.get("system") {
            system = true;
            sum.add(MESSAGE)?;
            sum.text("system")?;
            texts(&mut sum, content)?;
        }
        if declared {
            sum.add(TOOLS)?;
            let known = tools.iter().flatten();
            sum.text(&tools::declaration(known.copied())?)?;
        }
        messages(&mut sum, &mut system)
    };
    let end = all();
    if declared && (system || end.is_err()) {
        sum.take_off(saved);
    }
    finish(end, sum)
}

/// Counts texts of which each is sent alone: the longest has to fit.
fn batch<F>(raw: &str, mut sum: Sum<F>, frame: Frame) -> Option<TokenCount>
where
    F: FnMut(&str, u64) -> TokenCount,
{
    let mut longest: Option<TokenCount> = None;
    let mut one = |sum: &mut Sum<F>, raw: &str| {
        framed(sum, frame)?;
        match raw.as_bytes().first() {
            Some(b'"') => sum.string(raw)?,
            Some(b'[') => elements(raw, |_| sum.add(1))?,
            _ => return Err(Stop::Unreadable),
        }
        let count = sum.take();
        longest = Some(longest.map_or(count, |longest| longer(longest, count)));
        Ok(())
    };
    let is_one = raw.starts_with('"') || first(raw).is_some_and(is_number);
    let end = match is_one {
        true => one(&mut sum, raw),
        false => elements(raw, |raw| one(&mut sum, raw)),
    };
    match end {
        Ok(()) => longest,
        Err(Stop::Full) => Some(sum.stopped()),
        Err(Stop::Unreadable) => None,
    }
}

fn framed<F>(sum: &mut Sum<F>, frame: Frame) -> Result<(), Stop>
where
    F: FnMut(&str, u64) -> TokenCount,
{
    if frame == Frame::User {
        sum.add(2 * MESSAGE)?;
        sum.text("user")?;
    }
    Ok(())
}

fn longer(one: TokenCount, two: TokenCount) -> TokenCount {
    let most = one.most().zip(two.most()).map(|(one, two)| one.max(two));
    let least = one.least().max(two.least());
    match most {
        Some(most) if most == least => TokenCount::exact(least),
        most => {
            let count = TokenCount::estimate(one.tokens().max(two.tokens()), least);
            most.map_or(count, |most| count.with_most(most))
        }
    }
}

fn finish<F>(end: Result<(), Stop>, mut sum: Sum<F>) -> Option<TokenCount>
where
    F: FnMut(&str, u64) -> TokenCount,
{
    match end {
        Ok(()) => Some(sum.take()),
        Err(Stop::Full) => Some(sum.stopped()),
        Err(Stop::Unreadable) => None,
    }
}

fn message<F>(sum: &mut Sum<F>, raw: &str, form: Form, system: &mut bool) -> Result<(), Stop>
where
    F: FnMut(&str, u64) -> TokenCount,
{
    sum.add(MESSAGE)?;
    members(raw, |name, value| match name {
        "content" | "output" if value.starts_with('[') => elements(value, |it| part(sum, it)),
        "tool_calls" if value.starts_with('[') => elements(value, |it| call(sum, it)),
        "function_call" => called(sum, value),
        "name" if value.starts_with('"') => {
            sum.add(NAME)?;
            sum.string(value)
        }
        "role" => {
            *system |= value == r#""system""# || value == r#""developer""#;
            sum.string(value)
        }
        "content" | "arguments" | "output" => sum.string(value),
        _ if form == Form::Chat => sum.string(value),
        _ => Ok(()),
    })
}

/// Counts a content: a text, or a list of parts.
fn texts<F>(sum: &mut Sum<F>, raw: &str) -> Result<(), Stop>
where
    F: FnMut(&str, u64) -> TokenCount,
{
    match raw.starts_with('[') {
        true => elements(raw, |it| part(sum, it)),
        false => sum.string(raw),
    }
}

/// Counts a part of a message's content: text, an image, and as Anthropic has them the call of a tool or its result. Sound
/// and files are the provider's to judge.
fn part<F>(sum: &mut Sum<F>, raw: &str) -> Result<(), Stop>
where
    F: FnMut(&str, u64) -> TokenCount,
{
    if !raw.starts_with('{') {
        return sum.string(raw);
    }
    let (mut kind, mut image) = (None, image::Image::default());
    members(raw, |name, value| {
        match name {
            "type" => kind = Some(value),
            "image_url" => image.set_source(value)?,
            "detail" => image.set_detail(value),
            "text" | "refusal" | "thinking" | "name" => sum.string(value)?,
            "input" if value.starts_with('{') => sum.text(value)?,
            "content" => texts(sum, value)?,
            _ => {}
        }
        Ok(())
    })?;
    let kind = kind.map(string).transpose()?;
    match kind.as_deref() {
        Some("image_url" | "input_image" | "image") => sum.add(image.tokens()),
        _ => Ok(()),
    }
}

fn call<F>(sum: &mut Sum<F>, raw: &str) -> Result<(), Stop>
where
    F: FnMut(&str, u64) -> TokenCount,
{
    members(raw, |name, value| match name {
        "function" | "custom" => called(sum, value),
        _ => Ok(()),
    })
}

fn called<F>(sum: &mut Sum<F>, raw: &str) -> Result<(), Stop>
where
    F: FnMut(&str, u64) -> TokenCount,
{
    if !raw.starts_with('{') {
        return Ok(());
    }
    members(raw, |name, value| match name {
        "name" | "arguments" | "input" => sum.string(value),
        _ => Ok(()),
    })
}

/// Says whether an `input` is a list of messages, not of texts.
fn is_conversation(raw: &str) -> bool {
    first(raw) == Some(b'{')
}

/// The first byte of an array's first element.
fn first(raw: &str) -> Option<u8> {
    let inside = raw.strip_prefix('[')?.trim_start();
    inside.bytes().next()
}

fn is_number(byte: u8) -> bool {
    byte == b'-' || byte.is_ascii_digit()
}
