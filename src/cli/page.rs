//! Which page of a list: the options that every list takes.

use clap::Args;

#[derive(Args)]
pub(super) struct Page {
    /// Begin behind this one, as the page before said
    #[arg(long, value_name = "ID")]
    pub(super) after: Option<String>,
    /// Entries at most; 1,000 without
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<u32>,
}
