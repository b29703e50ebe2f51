//! Tables of which the number of columns is known only when they are shown.

/// The cells of a line, and whether each stands at the right of its column.
pub(super) type Cells = Vec<(String, bool)>;

/// Lines with their columns below each other, as wide as the widest cell.
pub(super) fn aligned(lines: &[Cells]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| {
        let cells = lines.iter().filter_map(|cells| cells.get(column));
        cells.map(|(cell, _)| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width_of).collect();
    let mut text = String::new();
    for cells in lines {
        let cells = cells.iter().zip(&widths).map(|((cell, right), width)| {
            if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right() {
        let line = |label: &str, number: &str| vec![(label.to_owned(), false), (number.to_owned(), true)];
        let mut short = line("é", "5");
        short.push(("###".into(), false));
        assert_eq!(aligned(&[line("AB", "COUNT"), short]), "AB  COUNT\né       5  ###\n");
    }
}
