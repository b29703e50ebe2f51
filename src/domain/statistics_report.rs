//! Rows of the statistics added up: by bucket of time, user, project, endpoint, object, operation, outcome, or by any of these
//! together; and over all.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::id::{EndpointId, ObjectId, ProjectId, UserId};
use super::operation::Operation;
use super::statistics::{Counters, Series};

/// The percentiles of the latency that answers tell.
pub const PERCENTILES: [u8; 4] = [50, 90, 95, 99];

/// What rows can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Dimension {
    /// The bucket.
    Time,
    /// Whose endpoint asked.
    Project,
    /// Who asked.
    Endpoint,
    /// Of what; none for whole requests.
    Object,
    /// What; none where the request was refused before it said.
    Operation,
    /// With what result.
    Outcome,
    /// Whose project's endpoint asked: what is of a project is each of its members'.
    User,
}

impl Dimension {
    /// All of them, in the order of rows.
    pub const ALL: [Self; 7] =
        [Self::Time, Self::User, Self::Project, Self::Endpoint, Self::Object, Self::Operation, Self::Outcome];

    /// The word in queries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Project => "project",
            Self::Endpoint => "endpoint",
            Self::Object => "object",
            Self::Operation => "operation",
            Self::Outcome => "outcome",
            Self::User => "user",
        }
    }
}

/// What the rows of an answer are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grouping(u8);

impl Grouping {
    /// The rows as they are stored.
    pub const SERIES: Self = Self(0b11_1111 & !(1 << Dimension::Project as u8));
    /// One row for each bucket.
    pub const TIME: Self = Self(1 << Dimension::Time as u8);

    /// The grouping with `dimension` in it too.
    #[must_use]
    pub const fn with(self, dimension: Dimension) -> Self {
        Self(self.0 | 1 << dimension as u8)
    }

    /// Whether rows are told apart by `dimension`.
    #[must_use]
    pub const fn has(self, dimension: Dimension) -> bool {
        self.0 & (1 << dimension as u8) != 0
    }

    /// By what they are told apart, in the order of rows.
    pub fn dimensions(self) -> impl Iterator<Item = Dimension> {
        Dimension::ALL.into_iter().filter(move |dimension| self.has(*dimension))
    }
}

/// Words with commas between them.
impl FromStr for Grouping {
    type Err = ();

    fn from_str(words: &str) -> Result<Self, ()> {
        words.split(',').try_fold(Self::default(), |grouping, word| {
            let dimension = Dimension::ALL.into_iter().find(|dimension| dimension.name() == word);
            dimension.map(|dimension| grouping.with(dimension)).ok_or(())
        })
    }
}

/// What one row of an answer is about. What its grouping does not tell apart is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// First second of the bucket, since 1970.
    pub start: Option<u64>,
    /// None also where the project has no members.
    pub user: Option<UserId>,
    /// None also where the endpoint's row is gone.
    pub project: Option<ProjectId>,
    /// Who asked.
    pub endpoint: Option<EndpointId>,
    /// None also for whole requests, and for items whose object the project does not have.
    pub object: Option<ObjectId>,
    /// None also where the request was refused before it said.
    pub operation: Option<Operation>,
    /// 0 done, else a code's number.
    pub outcome: Option<u16>,
}

/// Rows added up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums {
    /// What they count.
    pub counters: Counters,
    /// Requests among them that were refused whole.
    pub refused: u64,
    /// Fields among them that were not carried out.
    pub failed: u64,
}

impl Sums {
    fn add(&mut self, counters: &Counters, outcome: u16) {
        self.counters.add(counters);
        if outcome != 0 {
            self.refused += counters.requests;
            self.failed += counters.fields;
        }
    }

    /// The mean latency in microseconds; none without requests.
    #[must_use]
    pub fn latency_mean_us(&self) -> Option<u64> {
        self.counters.latency_sum_us.checked_div(self.counters.requests)
    }

    /// A percentile of the latency in microseconds, within the bound of [`super::latency`]; none without requests.
    #[must_use]
    pub fn latency_us(&self, per_cent: u8) -> Option<u64> {
        self.counters.latencies.percentile_us(per_cent, self.counters.latency_max_us)
    }
}

/// An answer in the making.
#[derive(Debug)]
pub struct Report {
    grouping: Grouping,
    rows_max: usize,
    /// In order; at most so many as was said.
    pub rows: BTreeMap<Group, Sums>,
    /// Of everything, also of what has no row for want of room.
    pub totals: Sums,
    /// Requests by outcome: 0 done, else a code's number. Of everything, too.
    pub outcomes: BTreeMap<u16, u64>,
    /// Whether rows were left out.
    pub is_cut: bool,
    /// The first bucket that lacks rows, where rows are told apart by time: an answer from there on has them.
    pub next_from: Option<u64>,
}

impl Report {
    /// An empty one.
    #[must_use]
    pub fn new(grouping: Grouping, rows_max: usize) -> Self {
        Self {
            grouping,
            rows_max,
            rows: BTreeMap::new(),
            totals: Sums::default(),
            outcomes: BTreeMap::new(),
            is_cut: false,
            next_from: None,
        }
    }

    /// Adds one row in, of the bucket that begins at `start`. Where rows are told apart by user it counts for each of `users`, the
    /// project's members, or for nobody; once in the totals.
    pub fn count(
        &mut self,
        start: u64,
        (project, users): (Option<ProjectId>, &[UserId]),
        series: &Series,
        counters: &Counters,
    ) {
        self.totals.add(counters, series.outcome);
        if counters.requests > 0 {
            *self.outcomes.entry(series.outcome).or_default() += counters.requests;
        }
        let by = |dimension| self.grouping.has(dimension);
        let group = Group {
            start: by(Dimension::Time).then_some(start),
            user: None,
            project: project.filter(|_| by(Dimension::Project)),
            endpoint: by(Dimension::Endpoint).then_some(series.endpoint),
            object: series.object.filter(|_| by(Dimension::Object)),
            operation: series.operation.filter(|_| by(Dimension::Operation)),
            outcome: by(Dimension::Outcome).then_some(series.outcome),
        };
        if users.is_empty() || !by(Dimension::User) {
            self.add(group, series, counters);
            return;
        }
        for user in users {
            self.add(Group { user: Some(*user), ..group }, series, counters);
        }
    }

    fn add(&mut self, group: Group, series: &Series, counters: &Counters) {
        if self.rows.len() >= self.rows_max && !self.rows.contains_key(&group) {
            self.is_cut = true;
            self.next_from = group.start.map(|start| self.next_from.map_or(start, |next| next.min(start)));
            return;
        }
        self.rows.entry(group).or_default().add(counters, series.outcome);
    }

    /// Leaves out what there is of buckets that lack rows, so that an answer from there on begins with whole ones. A bucket that
    /// is too large for an answer stays cut, and nothing tells of a next one.
    pub fn finish(&mut self) {
        let Some(next) = self.next_from else { return };
        if self.rows.keys().all(|group| group.start >= Some(next)) {
            self.next_from = None;
            return;
        }
        self.rows.retain(|group, _| group.start < Some(next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(endpoint: u8, object: u8, outcome: u16) -> Series {
        Series {
            endpoint: EndpointId::from_bytes([endpoint; 16]),
            object: (object != 0).then(|| ObjectId::from_bytes([object; 16])),
            operation: Some(Operation::Encrypt),
            outcome,
        }
    }

    fn requests(requests: u64) -> Counters {
        let mut counters = Counters { requests, latency_sum_us: 100 * requests, ..Counters::default() };
        counters.latency_max_us = 100;
        counters.latencies.count(100, requests);
        counters
    }

    fn fields(fields: u64) -> Counters {
        Counters { fields, bytes: 16 * fields, ..Counters::default() }
    }

    fn report(grouping: &str, rows_max: usize) -> Report {
        let mut report = Report::new(grouping.parse().unwrap(), rows_max);
        for start in [60, 120, 180] {
            report.count(start, (None, &[]), &series(1, 0, 0), &requests(3));
            report.count(start, (None, &[]), &series(1, 9, 0), &fields(30));
            report.count(start, (None, &[]), &series(2, 0, 51), &requests(2));
            report.count(start, (None, &[]), &series(2, 9, 51), &fields(2));
        }
        report.finish();
        report
    }

    #[test]
    fn rows_are_added_up_by_what_is_asked_for() {
        for (grouping, rows) in [
            ("time", 3),
            ("endpoint", 2),
            ("object", 2),
            ("operation", 1),
            ("time,outcome", 6),
            ("project", 1),
            ("user", 1),
        ] {
            let report = report(grouping, 100);
            assert_eq!(report.rows.len(), rows, "{grouping}");
            for sums in [report.totals.clone(), sum(&report)] {
                let Sums { counters, refused, failed } = &sums;
                let counted = (counters.requests, *refused, counters.fields, *failed, counters.bytes);
                assert_eq!(counted, (15, 6, 96, 6, 16 * 96), "{grouping}");
                assert_eq!((sums.latency_mean_us(), sums.latency_us(99)), (Some(100), Some(100)));
            }
            assert_eq!(report.outcomes, BTreeMap::from([(0, 9), (51, 6)]));
            assert!(!report.is_cut);
        }
        assert!("time,hour".parse::<Grouping>().is_err() && "".parse::<Grouping>().is_err());
        let words: Vec<_> = Grouping::SERIES.dimensions().map(Dimension::name).collect();
        assert_eq!(words, ["time", "endpoint", "object", "operation", "outcome"]);
    }

    #[test]
    fn what_is_of_a_project_is_each_of_its_members() {
        let (siti, tono) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let mut report = Report::new("user".parse().unwrap(), 9);
        let mut by_time = Report::new(Grouping::TIME, 9);
        for users in [&[siti, tono][..], &[siti], &[]] {
            report.count(60, (None, users), &series(1, 0, 0), &requests(3));
            by_time.count(60, (None, users), &series(1, 0, 0), &requests(3));
        }
        let told = report.rows.iter().map(|(group, sums)| (group.user, sums.counters.requests));
        assert_eq!(told.collect::<Vec<_>>(), [(None, 3), (Some(siti), 6), (Some(tono), 3)]);
        assert_eq!((report.totals.counters.requests, by_time.rows.len()), (9, 1));
        assert_eq!(sum(&by_time), by_time.totals);
    }

    #[test]
    fn what_is_cut_ends_with_a_whole_bucket_and_counts_in_the_totals() {
        let cut = report("time,endpoint", 3);
        assert_eq!((cut.rows.len(), cut.is_cut, cut.next_from), (2, true, Some(120)));
        assert_eq!(cut.totals, report("time", 9).totals);
        let too_large = report("time,endpoint", 1);
        assert_eq!((too_large.rows.len(), too_large.is_cut, too_large.next_from), (1, true, None));
        let timeless = report("endpoint", 1);
        assert_eq!((timeless.rows.len(), timeless.is_cut, timeless.next_from), (1, true, None));
    }

    fn sum(report: &Report) -> Sums {
        report.rows.values().fold(Sums::default(), |mut sum, row| {
            sum.counters.add(&row.counters);
            sum.refused += row.refused;
            sum.failed += row.failed;
            sum
        })
    }
}
