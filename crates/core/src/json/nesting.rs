/// Which containers are open: a stack of bits, `true` for objects.
#[derive(Default)]
pub(super) struct Nesting {
    pub(super) depth: usize,
    /// The innermost up to 64 of them.
    bits: u64,
    /// The others, by 64.
    outer: Vec<u64>,
}

impl Nesting {
    pub(super) fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
    }

    pub(super) fn pop(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().expect("one word per 64 levels");
        }
    }

    pub(super) fn top(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }
}
