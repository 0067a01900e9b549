//! What a model's name tells of what it takes.

/// The generation of a Gemini model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Generation {
    /// 1.0 and 1.5: schemas in Google's own form, no thinking.
    One,
    /// 2.0: JSON schemas, no thinking.
    Two,
    /// 2.5: thinking with a budget in tokens; also tuned models, and all whose name says nothing.
    TwoAndHalf,
    /// 3 and later: thinking in levels.
    Three,
}

/// How large a model is, where that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Pro,
    Flash,
    FlashLite,
    /// The name does not tell, as those of tuned models.
    Unknown,
}

/// What is known of a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) generation: Generation,
    pub(crate) size: Size,
}

impl Model {
    pub(crate) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let sizes = [
            ("flash-lite", Size::FlashLite),
            ("flash", Size::Flash),
            ("pro", Size::Pro),
        ];
        let size = sizes.into_iter().find(|(word, _)| name.contains(word));
        Self {
            generation: generation(&name),
            size: size.map_or(Size::Unknown, |(_, size)| size),
        }
    }

    pub(crate) fn thinks(self) -> bool {
        self.generation >= Generation::TwoAndHalf
    }
}

/// The number stands behind the name, or at its end, as in `gemini-pro-1.5`.
fn generation(name: &str) -> Generation {
    let Some(rest) = name.strip_prefix("gemini-") else {
        return Generation::TwoAndHalf;
    };
    let number = rest.split('-').find_map(|part| part.parse::<f32>().ok());
    match number {
        None if matches!(rest, "pro" | "ultra" | "pro-vision") => Generation::One,
        None => Generation::TwoAndHalf,
        Some(number) if number < 2.0 => Generation::One,
        Some(number) if number < 2.5 => Generation::Two,
        Some(number) if number < 3.0 => Generation::TwoAndHalf,
        Some(_) => Generation::Three,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_generations() {
        let cases = [
            ("gemini-pro", Generation::One),
            ("gemini-pro-1.5", Generation::One),
            ("gemini-1.5-flash-002", Generation::One),
            ("gemini-2.0-flash", Generation::Two),
            ("gemini-2.5-pro", Generation::TwoAndHalf),
            ("gemini-3-pro-preview", Generation::Three),
            ("gemini-flash-latest", Generation::TwoAndHalf),
            ("4965075652664360960", Generation::TwoAndHalf),
        ];
        for (name, generation) in cases {
            assert_eq!(Model::of(name).generation, generation, "{name}");
        }
        assert_eq!(Model::of("gemini-2.5-flash-lite").size, Size::FlashLite);
        assert_eq!(Model::of("gemini-pro-latest").size, Size::Pro);
        assert_eq!(Model::of("4965075652664360960").size, Size::Unknown);
    }
}
