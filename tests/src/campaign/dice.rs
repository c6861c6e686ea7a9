//! Everything that is random in a campaign, drawn from its seed.

use std::time::Duration;

/// A stream of draws: `SplitMix64`, of which the same seed always tells the same story.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// The stream of one part of the campaign: the parts do not disturb each other.
    pub(super) fn new(seed: u64, part: &str) -> Self {
        // FNV-1a tells the parts apart.
        let salt = part.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed ^ salt)
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^ (drawn >> 31)
    }

    /// A number below `limit`; 0 where there is none.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let drawn = self
            .draw()
            .checked_rem(u64::try_from(limit).unwrap_or(u64::MAX));
        drawn
            .and_then(|drawn| usize::try_from(drawn).ok())
            .unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, rate: usize) -> bool {
        self.below(100) < rate
    }

    /// Between two numbers of milliseconds.
    pub(super) fn millis(&mut self, least: u64, most: u64) -> Duration {
        let width = most.saturating_sub(least).saturating_add(1);
        Duration::from_millis(least.saturating_add(self.draw() % width))
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_tell_the_same_story_and_other_parts_another() {
        let story = |seed, part| {
            let mut dice = Dice::new(seed, part);
            std::iter::repeat_with(|| dice.below(1_000))
                .take(20)
                .collect::<Vec<_>>()
        };
        assert_eq!(story(7, "kills"), story(7, "kills"));
        assert_ne!(story(7, "kills"), story(8, "kills"));
        assert_ne!(story(7, "kills"), story(7, "asking"));
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut dice = Dice::new(1, "bounds");
        for _ in 0..1_000 {
            assert!(dice.below(7) < 7);
            let drawn = dice.millis(3, 5);
            assert!((3..=5).contains(&drawn.as_millis()), "{drawn:?}");
        }
        assert_eq!(dice.below(0), 0);
        assert!(!dice.percent(0) && dice.percent(100));
        assert_eq!(dice.pick::<u8>(&[]), None);
    }
}
