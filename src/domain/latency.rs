//! How long requests took, counted in buckets that grow with the latency: four to an octave from 16 µs to 16.8 s.
//!
//! ```text
//! edge i = (4 + i mod 4) · 2^(2 + i div 4) µs,  i = 0 … 80        16, 20, 24, 28, 32, 40, 48, … , 2^24
//! bucket 0     at most edge 0                   bucket 81    above edge 80
//! bucket i     above edge i-1, at most edge i
//! ```
//!
//! Two histograms are added bucket by bucket, so the percentiles of a day are those of its minutes together. A percentile
//! is told as the middle of its bucket: within 12.5 % of the true one, or within 8 µs below 16 µs. The edges are frozen: they
//! stand in rows and records. As CBOR a histogram is the map `{ bucket: requests … }` of the buckets that hold any.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// Number of buckets; the last one has no upper edge.
pub const BUCKETS: u8 = 82;
/// Buckets of an octave.
const PER_OCTAVE: u8 = 4;
/// The first edge is 2^4 µs.
const FIRST_OCTAVE: u32 = 4;

/// Counts of requests by latency. Empty buckets take no room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram(Vec<(u8, u64)>);

impl Histogram {
    /// The bucket of a latency.
    #[must_use]
    pub fn bucket_of(latency_us: u64) -> u8 {
        if latency_us <= 1 << FIRST_OCTAVE {
            return 0;
        }
        // An edge belongs to the bucket below it.
        let below = latency_us - 1;
        let octave = below.ilog2();
        let step = (below >> (octave - 2)) & 3;
        let bucket = (octave - FIRST_OCTAVE) * u32::from(PER_OCTAVE) + u32::try_from(step).unwrap_or(3) + 1;
        u8::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
    }

    /// The highest latency of a bucket, microseconds; none for the last.
    #[must_use]
    pub const fn edge_us(bucket: u8) -> Option<u64> {
        if bucket >= BUCKETS - 1 {
            return None;
        }
        Some(((PER_OCTAVE + bucket % PER_OCTAVE) as u64) << (FIRST_OCTAVE - 2 + (bucket / PER_OCTAVE) as u32))
    }

    /// Counts `requests` that took `latency_us`.
    pub fn count(&mut self, latency_us: u64, requests: u64) {
        self.put(Self::bucket_of(latency_us), requests);
    }

    /// Adds `other` in.
    pub fn add(&mut self, other: &Self) {
        if self.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        for (bucket, requests) in &other.0 {
            self.put(*bucket, *requests);
        }
    }

    fn put(&mut self, bucket: u8, requests: u64) {
        match self.0.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(requests),
            Err(at) => self.0.insert(at, (bucket, requests)),
        }
    }

    /// Bytes that it takes beside its own.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(u8, u64)>()
    }

    /// Whether nothing is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many requests are counted.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, requests)| sum.saturating_add(*requests))
    }

    /// The latency, in microseconds, that `per_cent` of the requests do not exceed, within the bound above; never more than
    /// `max_us`, the highest that was seen. None where nothing is counted.
    #[must_use]
    pub fn percentile_us(&self, per_cent: u8, max_us: u64) -> Option<u64> {
        let rank = (u128::from(self.requests()) * u128::from(per_cent)).div_ceil(100).max(1);
        let mut seen = 0;
        let reached = |(_, requests): &&(u8, u64)| {
            seen += u128::from(*requests);
            seen >= rank
        };
        let (bucket, _) = self.0.iter().find(reached)?;
        let lower = bucket.checked_sub(1).and_then(Self::edge_us).unwrap_or(0);
        let middle = Self::edge_us(*bucket).map_or(max_us, |upper| lower.midpoint(upper));
        Some(middle.min(max_us))
    }

    /// For each octave its upper edge in microseconds and the requests up to it: 16 µs, 32 µs, … , 2^24 µs.
    pub fn octaves(&self) -> impl Iterator<Item = (u64, u64)> {
        let edges = (0..BUCKETS).step_by(usize::from(PER_OCTAVE));
        edges.filter_map(|last| {
            let up_to = self.0.iter().take_while(move |(bucket, _)| *bucket <= last);
            let requests = up_to.fold(0u64, |sum, (_, requests)| sum.saturating_add(*requests));
            Some((Self::edge_us(last)?, requests))
        })
    }
}

impl<C> Encode<C> for Histogram {
    fn encode<W: encode::Write>(
        &self,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        out.map(self.0.len() as u64)?;
        for (bucket, requests) in &self.0 {
            out.u8(*bucket)?.u64(*requests)?;
        }
        Ok(())
    }

    /// An empty one is left out of the map it is a member of.
    fn is_nil(&self) -> bool {
        self.is_empty()
    }
}

impl<'b, C> Decode<'b, C> for Histogram {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let members = from.map()?.and_then(|members| u8::try_from(members).ok());
        let members = members.filter(|members| (1..=BUCKETS).contains(members));
        let members = members.ok_or_else(|| decode::Error::message("no number of buckets"))?;
        let mut buckets: Vec<(u8, u64)> = Vec::with_capacity(usize::from(members));
        for _ in 0..members {
            let (bucket, requests) = (from.u8()?, from.u64()?);
            let ascends = buckets.last().is_none_or(|(before, _)| *before < bucket);
            if !ascends || bucket >= BUCKETS || requests == 0 {
                return Err(decode::Error::message("no bucket, or not in order, or empty"));
            }
            buckets.push((bucket, requests));
        }
        Ok(Self(buckets))
    }

    fn nil() -> Option<Self> {
        Some(Self::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_lies_between_the_edges_of_its_bucket() {
        let around = |edge: u64| [edge - 1, edge, edge + 1];
        let edges = (0..BUCKETS).filter_map(Histogram::edge_us);
        for latency_us in edges.flat_map(around).chain([0, 1, 1 << 40, u64::MAX]) {
            let bucket = Histogram::bucket_of(latency_us);
            assert!(Histogram::edge_us(bucket).is_none_or(|edge| latency_us <= edge), "{latency_us}");
            let lower = bucket.checked_sub(1).and_then(Histogram::edge_us);
            assert!(lower.is_none_or(|edge| latency_us > edge), "{latency_us}");
        }
        let first: Vec<u64> = (0..8).filter_map(Histogram::edge_us).collect();
        assert_eq!(first, [16, 20, 24, 28, 32, 40, 48, 56]);
        assert_eq!(Histogram::edge_us(BUCKETS - 2), Some(1 << 24));
    }

    #[test]
    fn percentiles_keep_their_bound_against_the_sorted_latencies() {
        // A spread over four decades, without order.
        let latencies: Vec<u64> = (1..=5_000u64).map(|n| 20 + n * n * 7_919 % 700_001).collect();
        let mut sorted = latencies.clone();
        sorted.sort_unstable();
        let (mut one, mut two) = (Histogram::default(), Histogram::default());
        for (at, latency_us) in latencies.iter().enumerate() {
            if at % 3 == 0 { &mut one } else { &mut two }.count(*latency_us, 1);
        }
        one.add(&two);
        assert_eq!(one.requests(), 5_000);
        for per_cent in [1u8, 50, 90, 95, 99, 100] {
            let exact = sorted[(5_000 * usize::from(per_cent)).div_ceil(100) - 1];
            let told = one.percentile_us(per_cent, sorted[4_999]).unwrap();
            assert!(told.abs_diff(exact) * 1_000 <= exact * 125, "p{per_cent}: {told} for {exact}");
        }
        assert_eq!(Histogram::default().percentile_us(50, 0), None);
    }

    #[test]
    fn beyond_the_last_edge_the_highest_is_told_and_never_more_than_it() {
        let mut slow = Histogram::default();
        slow.count(30_000_000, 1);
        assert_eq!(slow.percentile_us(50, 30_000_000), Some(30_000_000));
        let mut quick = Histogram::default();
        quick.count(17, 3);
        assert_eq!(quick.percentile_us(99, 17), Some(17));
    }

    #[test]
    fn octaves_count_up_to_their_edge() {
        let mut some = Histogram::default();
        some.count(16, 1);
        some.count(17, 2);
        some.count(32, 4);
        some.count(33, 8);
        some.count(u64::MAX, 16);
        let octaves: Vec<(u64, u64)> = some.octaves().collect();
        assert_eq!(octaves[..3], [(16, 1), (32, 7), (64, 15)]);
        assert_eq!(octaves.last(), Some(&(1 << 24, 15)));
        assert_eq!(octaves.len(), 21);
    }
}
