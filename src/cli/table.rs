//! Tables of which the number of columns is known only when they are shown.

/// A cell as it may be shown: what ends a line, moves the cursor or turns text around is written out, because others chose
/// it and could draw lines of their own.
pub(super) fn still(cell: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(cell.len());
    for c in cell.chars() {
        if c.is_control() || turns(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The cells of a line, and whether each stands at the right of its column.
pub(super) type Cells = Vec<(String, bool)>;

/// Lines with their columns below each other, as wide as the widest cell.
pub(super) fn aligned(lines: &[Cells]) -> String {
    let quiet = |cells: &Cells| cells.iter().map(|(cell, right)| (still(cell), *right)).collect();
    let lines: Vec<Cells> = lines.iter().map(quiet).collect();
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
    fn nobody_draws_a_line_of_his_own() {
        let line = vec![("a\n9 forged\u{1b}[2J".to_owned(), false), ("\u{202e}b".to_owned(), false)];
        assert_eq!(aligned(&[line]), "a\\u{a}9 forged\\u{1b}[2J  \\u{202e}b\n");
    }

    #[test]
    fn numbers_stand_at_the_right() {
        let line = |label: &str, number: &str| vec![(label.to_owned(), false), (number.to_owned(), true)];
        let mut short = line("é", "5");
        short.push(("###".into(), false));
        assert_eq!(aligned(&[line("AB", "COUNT"), short]), "AB  COUNT\né       5  ###\n");
    }
}
