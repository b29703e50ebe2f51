//! A report as CSV (RFC 4180) in UTF-8: the facts first, then each table with a line of names, blank lines between. Its words are
//! the stable English ones; what a note says stands beside it in Indonesian (`catatan-…`), as on the page. What a spreadsheet
//! would take for a formula is made text.

use super::report::Report;
use super::report_words::Language;

impl Report {
    /// All of it.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = String::new();
        let mut facts = vec![("report".to_owned(), self.kind.clone())];
        facts.extend(self.head());
        facts.extend(self.facts.iter().cloned());
        facts.extend(self.notes.iter().map(|note| ("note".to_owned(), note.clone())));
        facts.extend(self.notes.iter().filter_map(|note| {
            let word = format!("note-{note}");
            let sentence = Language::Indonesian.say(&word);
            (sentence != word).then(|| (format!("catatan-{note}"), sentence.to_owned()))
        }));
        facts.extend(self.next.map(|next| ("next".to_owned(), next.to_string())));
        line(&mut out, ["name", "value"].into_iter());
        for (name, value) in &facts {
            line(&mut out, [name.as_str(), value].into_iter());
        }
        for table in &self.tables {
            out.push_str("\r\n");
            line(&mut out, table.columns.iter().map(String::as_str));
            for row in &table.rows {
                line(&mut out, row.iter().map(String::as_str));
            }
        }
        out
    }
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(',');
        }
        let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
        if cell.contains(['"', ',', '\r', '\n']) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&cell);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::report_page::tests::report;

    #[test]
    fn a_cell_stays_one_cell_and_no_formula() {
        let csv = report("=HYPERLINK(\"http://x\"),\r\nz").csv();
        assert!(csv.contains("\"'=HYPERLINK(\"\"http://x\"\"),\r\nz\",12\r\n"), "{csv}");
        let plain = report("x").csv();
        assert!(plain.starts_with("name,value\r\nreport,incident\r\nmade,x\r\n"), "{plain}");
        assert!(plain.ends_with("\r\n\r\nx,fields\r\nx,12\r\n"), "{plain}");
        let mut beside = report("x");
        beside.notes = vec!["erasure-not-yet".into(), "of-nobody".into()];
        let notes = "note,erasure-not-yet\r\nnote,of-nobody\r\n\
                     catatan-erasure-not-yet,Belum tersedia: pemusnahan untuk satu subjek.\r\n";
        assert!(beside.csv().contains(notes), "{}", beside.csv());
        assert!(plain.contains("checkpoint-sequence,7\r\n") && plain.contains("next,9\r\n"));
    }
}
