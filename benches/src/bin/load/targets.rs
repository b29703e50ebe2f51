//! The table of targets, and the figures in it that other runs have measured.

use std::fmt::{self, Formatter};

use serde::{Deserialize, Serialize};

use crate::report::{Report, Role, one_field};
use crate::target::Kind;

/// Figures that runs before this one have measured, against other references.
#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Earlier {
    /// Requests/s on ten of a million objects over requests/s where there are ten only.
    pub million_objects_ratio: Option<f64>,
    /// Requests/s on a million objects drawn uniformly, over the same.
    pub million_misses_ratio: Option<f64>,
    pub million_misses_per_s: Option<f64>,
    /// Resident memory after the hits, and after the misses.
    pub million_rss_mib: Option<f64>,
    pub million_misses_rss_mib: Option<f64>,
    /// From exec to ready.
    pub startup_million_s: Option<f64>,
    pub strict_ratio_c256: Option<f64>,
    /// Over 256 / (1.5 × commit time).
    pub strict_bound_ratio_c256: Option<f64>,
    pub strict_p99_ratio_c256: Option<f64>,
    /// Of a block of 256 records, on the same disk, nothing else under way.
    pub commit_us: Option<f64>,
}

impl Report {
    /// Writes what is asked for, what was measured, and whether that is enough.
    pub fn write_targets(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let figures = self.figures();
        let cpu = |role| self.median(role, &one_field(), |run| run.cpu_us_per_request).unwrap_or_default();
        let at_most = |limit: f64, figure: Option<f64>| figure.map(|value| value <= limit);
        let at_least = |limit: f64, figure: Option<f64>| figure.map(|value| value >= limit);
        let said = |figure: Option<f64>, unit: &str| {
            figure.map_or_else(|| "not measured".into(), |figure| format!("{figure:.2}{unit}"))
        };
        let ratio = |met: Option<bool>, figure: Option<f64>| (met, said(figure, ""));
        let earlier = self.earlier;
        let strict = match (earlier.strict_ratio_c256, earlier.strict_bound_ratio_c256) {
            (Some(ratio), Some(bound)) => {
                (Some(ratio >= 0.7 || bound >= 0.9), format!("{ratio:.2}; {bound:.2} of the bound"))
            }
            _ => (None, "not measured".into()),
        };
        let rows = [
            (
                "one field, c64: server CPU over the echo's",
                "≤ 1.35",
                (
                    at_most(1.35, figures.cpu_ratio),
                    format!(
                        "{:.2} ({:.2} over {:.2} µs)",
                        figures.cpu_ratio.unwrap_or(f64::NAN),
                        cpu(Role::Candidate),
                        cpu(Role::Reference)
                    ),
                ),
            ),
            (
                "one field, c64: requests/s over the echo's",
                "≥ 0.85",
                ratio(at_least(0.85, figures.throughput_ratio), figures.throughput_ratio),
            ),
            (
                "one field, c64: p99 over the echo's",
                "≤ 1.5",
                ratio(at_most(1.5, figures.p99_ratio), figures.p99_ratio),
            ),
            (
                "batch of 100: fields/s",
                "≥ 500,000",
                (
                    at_least(500_000.0, figures.batch_fields_per_s),
                    format!("{:.0}", figures.batch_fields_per_s.unwrap_or(f64::NAN)),
                ),
            ),
            (
                "1,000,000 objects over 10, keyring hits: requests/s",
                "≥ 0.9",
                ratio(at_least(0.9, earlier.million_objects_ratio), earlier.million_objects_ratio),
            ),
            (
                "  the same, uniform over all: requests/s",
                "stated",
                (None, said(earlier.million_misses_ratio, "")),
            ),
            ("  resident memory, hits", "stated", (None, said(earlier.million_rss_mib, " MiB"))),
            (
                "1,000,000 objects: start-up",
                "< 2 s",
                (at_most(2.0, earlier.startup_million_s), said(earlier.startup_million_s, " s")),
            ),
            ("strict over batched, c256: requests/s", "≥ 0.7", strict),
            ("  commit of 256 records", "stated", (None, said(earlier.commit_us, " µs"))),
            (
                "resident memory under the one-field load",
                "≤ 48 MiB",
                (at_most(48.0, figures.rss_mib), format!("{:.1} MiB", figures.rss_mib.unwrap_or(f64::NAN))),
            ),
        ];
        writeln!(f, "\n{:<52} {:<10} {:<26} met?", "what", "target", "measured")?;
        for (what, target, (met, measured)) in rows {
            let met = met.map_or("–", |met| if met { "yes" } else { "no" });
            writeln!(f, "{what:<52} {target:<10} {measured:<26} {met}")?;
        }
        if self.candidate == Kind::Echo {
            writeln!(f, "\nEcho against echo: every ratio should be 1, and what it is instead is noise.")?;
        }
        Ok(())
    }
}
