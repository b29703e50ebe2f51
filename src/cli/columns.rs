//! Tables for eyes, of which the columns are known: an entry a line, and a damaged row by its name.

use crate::desk::answer::Listed;

use super::heads;
use super::table::still;
use super::words::Pair;

/// An entry of a list, or the name of the row that should have been one.
pub(super) type Line<'a, T> = Result<&'a T, &'a str>;

pub(super) fn all<T>(listed: &[Listed<T>]) -> impl Iterator<Item = Line<'_, T>> {
    listed.iter().map(|entry| match entry {
        Listed::Sound(sound) => Ok(sound),
        Listed::Damaged(row) => Err(row.damaged.as_str()),
    })
}

/// Columns as wide as their widest entry.
pub(super) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(heads: [Pair; COLUMNS]) -> Self {
        Self { rows: vec![heads.map(|head| head.text().to_owned())] }
    }

    pub(super) fn row(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row.map(|cell| still(&cell)));
    }

    pub(super) fn rows<'a, T: 'a>(
        &mut self,
        listed: impl IntoIterator<Item = Line<'a, T>>,
        cells: impl Fn(&T) -> [String; COLUMNS],
    ) {
        for line in listed {
            self.row(line.map_or_else(
                |row| {
                    std::array::from_fn(|column| {
                        if column == 0 { format!("{} {row}", heads::DAMAGED) } else { String::new() }
                    })
                },
                &cells,
            ));
        }
    }

    pub(super) fn text(&self) -> String {
        let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        });
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_entry() {
        let mut table = Table::new([heads::ID, heads::KEY_ID]);
        table.row(["wide entry".into(), "x".into()]);
        table.row(["é".into(), String::new()]);
        assert_eq!(table.text(), "ID          KEY ID\nwide entry  x\né\n");
    }
}
