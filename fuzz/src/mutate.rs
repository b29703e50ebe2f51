//! Mutations of known inputs, for the seconds of fuzzing that stable gets. Repeatable: one seed, one sequence.

/// Longest input that mutations make.
pub const LEN_MAX: usize = 4_096;

/// xorshift64*: numbers that need only look random.
pub struct Mutator(u64);

impl Mutator {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 11) % end as u64) as usize
    }

    /// One of the seeds with one to eight changes, some of them with a piece of another.
    pub fn mutate(&mut self, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(input.len() + 1);
            let end = at + self.below(input.len() - at + 1);
            match self.below(8) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 if at < input.len() => {
                    let byte = [0, 1, 0x7f, 0x80, 0xff, b'"', b'0', b'\n'][self.below(8)];
                    input[at] = byte;
                }
                2 => drop(input.drain(at..end)),
                3 => {
                    let piece = input[at..end].to_vec();
                    input.splice(at..at, piece);
                }
                4 => input.truncate(at),
                5 if !words.is_empty() => {
                    let word = words[self.below(words.len())];
                    input.splice(at..at, word.iter().copied());
                }
                6 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    let to = from + self.below(other.len() - from + 1);
                    input.splice(at..end, other[from..to].iter().copied());
                }
                _ => {
                    let byte = self.next().to_be_bytes()[0];
                    input.insert(at, byte);
                }
            }
            input.truncate(LEN_MAX);
        }
        input
    }
}
