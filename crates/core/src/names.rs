use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map by names that a configuration gives. Whatever callers ask for is looked up in it, and they can add nothing to it:
/// so its hash needs no secret against names that were made to collide, and is cheap.
///
/// ```
/// use ziggurat_core::{ModelGroup, NameMap};
///
/// let groups: NameMap<ModelGroup, u32> = [("gpt-4o".into(), 1)].into_iter().collect();
/// assert_eq!(groups.get("gpt-4o"), Some(&1));
/// ```
pub type NameMap<K, V> = HashMap<K, V, BuildHasherDefault<NameHasher>>;

/// The hash of a [`NameMap`]: of few operations, and easily made to collide.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameHasher(u64);

impl NameHasher {
    fn add(&mut self, word: u64) {
        // The fraction of the golden ratio, an odd number without a pattern. Both halves of the product are taken: each alone
        // leaves names close that differ in their last bytes only by few bits.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(self.0 ^ word) * u128::from(FACTOR);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        // The length keeps a text apart from one that ends in zeros.
        let last = rest.iter().fold(bytes.len() as u64, |word, &byte| {
            word << 8 | u64::from(byte)
        });
        self.add(last);
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        hash::{BuildHasher, BuildHasherDefault},
    };

    use super::NameHasher;

    #[test]
    fn names_of_one_pattern_are_spread() {
        let hashes = |bits: u32| -> HashSet<u64> {
            let hash = |name: String| BuildHasherDefault::<NameHasher>::default().hash_one(name);
            let names = (0..1000).map(|number| format!("group-{number}"));
            let short = (0..1000).map(|number| number.to_string());
            let all = names.chain(short);
            all.map(|name| hash(name) & ((1 << bits) - 1)).collect()
        };
        assert_eq!(hashes(63).len(), 2000);
        // As many places of 4,096 as chance takes for 2,000: 1,582.
        assert!(hashes(12).len() > 1_500, "{}", hashes(12).len());
    }
}
