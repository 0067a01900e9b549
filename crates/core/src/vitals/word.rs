use http::StatusCode;

use crate::FailureKind;

/// A time in milliseconds, the cause of a cooldown, its strikes, the reservation of its trial, and whether there is one.
/// Or the time of a health check, the failure that it was, and whether there was one.
///
/// ```text
/// 63     62      56..62    50..56   40..50   0..40
/// open   trial   strikes   kind+1   status   time
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

#[derive(Clone, Copy)]
struct Field {
    shift: u32,
    bits: u32,
}

const TIME: Field = Field::new(0, 40);
const STATUS: Field = Field::new(40, 10);
const KIND: Field = Field::new(50, 6);
const STRIKES: Field = Field::new(56, 6);
const TRIAL: Field = Field::new(62, 1);
const OPEN: Field = Field::new(63, 1);

// Every kind has a number that fits, besides the one for none.
const _: () = assert!(FailureKind::ALL.len() < KIND.max() as usize);

// === impl Field ===

impl Field {
    const fn new(shift: u32, bits: u32) -> Self {
        Self { shift, bits }
    }

    const fn max(self) -> u64 {
        (1 << self.bits) - 1
    }

    const fn get(self, word: Word) -> u64 {
        word.0 >> self.shift & self.max()
    }

    /// Takes the largest value that fits if this one does not.
    const fn set(self, word: Word, value: u64) -> Word {
        let value = if value > self.max() {
            self.max()
        } else {
            value
        };
        Word(word.0 & !(self.max() << self.shift) | value << self.shift)
    }
}

// === impl Word ===

impl Word {
    /// 34 years.
    pub(super) const MAX_TIME: u64 = TIME.max();

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn into_bits(self) -> u64 {
        self.0
    }

    /// A time and nothing else.
    pub(super) const fn at(time: u64) -> Self {
        TIME.set(Self(0), time)
    }

    /// The end of a health check, at this time.
    pub(super) const fn checked_at(time: u64) -> Self {
        OPEN.set(Self::at(time), 1)
    }

    pub(super) const fn open_until(self, time: u64) -> Self {
        TIME.set(OPEN.set(self, 1), time)
    }

    pub(super) fn caused_by(self, kind: FailureKind, status: Option<StatusCode>) -> Self {
        let status = status.map_or(0, |status| status.as_u16().into());
        STATUS.set(KIND.set(self, kind as u64 + 1), status)
    }

    pub(super) const fn uncaused(self) -> Self {
        STATUS.set(KIND.set(self, 0), 0)
    }

    pub(super) const fn with_trial(self, trial: bool) -> Self {
        TRIAL.set(self, trial as u64)
    }

    pub(super) const fn strike(self) -> Self {
        STRIKES.set(self, STRIKES.get(self) + 1)
    }

    pub(super) const fn is_open(self) -> bool {
        OPEN.get(self) == 1
    }

    pub(super) const fn has_trial(self) -> bool {
        TRIAL.get(self) == 1
    }

    pub(super) const fn time(self) -> u64 {
        TIME.get(self)
    }

    pub(super) const fn strikes(self) -> u32 {
        // Six bits fit.
        STRIKES.get(self) as u32
    }

    pub(super) fn kind(self) -> Option<FailureKind> {
        let place = KIND.get(self).checked_sub(1)?;
        FailureKind::ALL.get(usize::try_from(place).ok()?).copied()
    }

    pub(super) fn status(self) -> Option<StatusCode> {
        let status = u16::try_from(STATUS.get(self)).ok()?;
        StatusCode::from_u16(status).ok()
    }
}
