//! Everything random is a pure function of the seed and a label: no generator is carried along, so
//! that the order in which things happen cannot change what they are.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The seed of a simulated world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn value(self) -> u64 {
        self.0
    }

    fn digest(self, label: &[&str]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.0.to_le_bytes());
        for part in label {
            // The length keeps ("ab", "c") apart from ("a", "bc").
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().into()
    }

    /// A number, evenly spread.
    pub(crate) fn draw(self, label: &[&str]) -> u64 {
        self.digest(label)
            .iter()
            .take(8)
            .fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// A number below `choices`, which counts as 1 when it is 0.
    pub(crate) fn below(self, choices: u64, label: &[&str]) -> u64 {
        self.draw(label) % choices.max(1)
    }

    /// True in so many of a thousand cases.
    pub(crate) fn per_mille(self, rate: u64, label: &[&str]) -> bool {
        self.below(1_000, label) < rate
    }

    /// So many hexadecimal digits, at most 64.
    pub(crate) fn hex(self, digits: usize, label: &[&str]) -> String {
        let mut text = hex(&self.digest(label));
        text.truncate(digits);
        text
    }

    /// Shaped like a UUID. The version digits mean nothing, as in recorded events (reference 4.2).
    pub(crate) fn uuid_shaped(self, label: &[&str]) -> String {
        let hex = self.hex(32, label);
        let mut text = String::with_capacity(36);
        for (index, digit) in hex.chars().enumerate() {
            if matches!(index, 8 | 12 | 16 | 20) {
                text.push('-');
            }
            text.push(digit);
        }
        text
    }

    /// So many capital letters and digits.
    pub(crate) fn code(self, length: usize, label: &[&str]) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        self.digest(label)
            .iter()
            .take(length)
            .filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()))
            .map(|byte| char::from(*byte))
            .collect()
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_label_draws_the_same_and_another_one_another() {
        let seed = Seed::new(1);
        assert_eq!(seed.draw(&["a", "b"]), seed.draw(&["a", "b"]));
        assert_ne!(seed.draw(&["ab"]), seed.draw(&["a", "b"]));
        assert_ne!(seed.draw(&["a"]), Seed::new(2).draw(&["a"]));
    }

    #[test]
    fn shapes() {
        let seed = Seed::new(1);
        assert_eq!(seed.hex(64, &["x"]).len(), 64);
        assert_eq!(seed.code(6, &["x"]).len(), 6);
        let uuid = seed.uuid_shaped(&["x"]);
        assert_eq!(
            uuid.split('-').map(str::len).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
    }

    #[test]
    fn rates_are_about_right() {
        let seed = Seed::new(9);
        let hits = (0..4_000)
            .filter(|n: &u32| seed.per_mille(250, &[&n.to_string()]))
            .count();
        assert!((900..1_100).contains(&hits), "{hits}");
    }
}
