//! Images: what they cost follows from their size, if that is at hand; nothing is ever fetched.

use super::json::{Stop, members, string};

/// An image of low or unsaid detail.
const BASE: u64 = 85;
/// Each tile of one in high detail, beside the base.
const TILE: u64 = 170;
/// One in high detail of which the size is not known: that of 1024 x 1024.
const HIGH: u64 = 765;
/// The most that an image can cost: 2000 x 768 are 4 x 2 tiles.
pub(crate) const DEAREST: u64 = BASE + 8 * TILE;

/// So much of a file is read for its size; JPEG has it behind its metadata.
const HEAD: usize = 64 * 1024;

/// An image part of a message, as far as it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Image<'a> {
    url: Option<&'a str>,
    high: bool,
}

impl<'a> Image<'a> {
    /// Takes `image_url`: the URL itself, or an object with `url` and `detail`.
    pub(crate) fn set_source(&mut self, raw: &'a str) -> Result<(), Stop> {
        if !raw.starts_with('{') {
            self.url = Some(raw);
            return Ok(());
        }
        members(raw, |name, value| {
            match name {
                "url" => self.url = Some(value),
                "detail" => self.set_detail(value),
                _ => {}
            }
            Ok(())
        })
    }

    pub(crate) fn set_detail(&mut self, raw: &str) {
        self.high = string(raw).is_ok_and(|detail| detail == "high");
    }

    pub(crate) fn tokens(&self) -> u64 {
        match (self.high, self.url.and_then(size)) {
            (false, _) => BASE,
            (true, None) => HIGH,
            (true, Some((width, height))) => BASE + TILE * tiles(width, height),
        }
    }
}

/// How many tiles of 512 x 512 cover the image once it is shrunk to fit into 2000 x 768.
fn tiles(width: u32, height: u32) -> u64 {
    let (width, height) = (f64::from(width), f64::from(height));
    let (long, short) = (width.max(height), width.min(height));
    let scale = (2000.0 / long).min(768.0 / short).min(1.0);
    let across = |side: f64| ((side * scale).round() as u64).div_ceil(512).max(1);
    across(width) * across(height)
}

/// The size of an image that the URL itself holds.
fn size(url: &str) -> Option<(u32, u32)> {
    let data = url.strip_prefix("\"data:image")?;
    let (_, text) = data.split_at(data.find("base64,")? + "base64,".len());
    let file = decode(text);
    let (width, height) = png(&file)
        .or_else(|| gif(&file))
        .or_else(|| webp(&file))
        .or_else(|| jpeg(&file))?;
    (width > 0 && height > 0).then_some((width, height))
}

fn png(file: &[u8]) -> Option<(u32, u32)> {
    let head = file.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let number = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    Some((number(8)?, number(12)?))
}

fn gif(file: &[u8]) -> Option<(u32, u32)> {
    let head = file.strip_prefix(b"GIF8")?;
    Some((little(head, 2, 2)?, little(head, 4, 2)?))
}

fn webp(file: &[u8]) -> Option<(u32, u32)> {
    let head = file.strip_prefix(b"RIFF")?.get(4..)?;
    let (kind, data) = head.strip_prefix(b"WEBP")?.split_at_checked(4)?;
    match kind {
        b"VP8X" => Some((little(data, 8, 3)? + 1, little(data, 11, 3)? + 1)),
        b"VP8 " => Some((little(data, 10, 2)? & 0x3fff, little(data, 12, 2)? & 0x3fff)),
        b"VP8L" => {
            let bits = little(data, 5, 4)?;
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        _ => None,
    }
}

/// Goes from segment to segment to the one that describes the frame.
fn jpeg(file: &[u8]) -> Option<(u32, u32)> {
    let mut rest = file.strip_prefix(b"\xff\xd8")?;
    loop {
        let (&[0xff, marker], after) = rest.split_first_chunk()? else {
            return None;
        };
        // A frame of any coding; C4, C8 and CC are tables.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let number =
                |at: usize| Some(u16::from_be_bytes(after.get(at..at + 2)?.try_into().ok()?));
            return Some((number(5)?.into(), number(3)?.into()));
        }
        let length = u16::from_be_bytes(*after.first_chunk()?);
        rest = after.get(usize::from(length).max(2)..)?;
    }
}

fn little(bytes: &[u8], at: usize, len: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + len)?;
    let place = |sum: u32, &byte: &u8| sum << 8 | u32::from(byte);
    Some(bytes.iter().rev().fold(0, place))
}

/// Decodes the head of a base64 text, up to the first character that is none. JSON may have escaped its slashes.
fn decode(text: &str) -> Vec<u8> {
    let mut file = Vec::with_capacity(text.len().min(HEAD));
    let (mut bits, mut held) = (0u32, 0u32);
    let letters = text.bytes().filter(|&byte| byte != b'\\');
    for letter in letters.map_while(value) {
        bits = bits << 6 | u32::from(letter);
        held += 6;
        if held >= 8 {
            held -= 8;
            file.push((bits >> held) as u8);
        }
        if file.len() == HEAD {
            break;
        }
    }
    file
}

fn value(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}
