//! A report as a page to print: one HTML document for A4, without a script and without anything from elsewhere.

use std::fmt::Write;

use crate::domain::refusal::Code;

use super::report::{EVERY, Report, Table};
use super::report_words::Language;

/// For paper first; on a screen the same sheet.
const STYLE: &str = "\
@page{size:A4 landscape;margin:14mm}\
*{box-sizing:border-box}\
body{font:9.5pt/1.4 'Liberation Sans','Noto Sans',Arial,sans-serif;color:#1b1f23;margin:0 auto;max-width:270mm;padding:8mm}\
@media print{body{padding:0;max-width:none}}\
header{border-bottom:2pt solid #1b1f23;margin-bottom:5mm;padding-bottom:2mm}\
h1{font-size:17pt;margin:0}h2{font-size:12pt;margin:6mm 0 2mm;break-after:avoid}\
.law{margin:0;color:#57606a}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.6mm 5mm;margin:0}\
dt{color:#57606a}dd{margin:0;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%;font-size:8pt}\
thead{display:table-header-group}tr{break-inside:avoid}\
th{text-align:left;border-bottom:1pt solid #1b1f23;padding:1mm 2mm 1mm 0;vertical-align:bottom}\
td{border-bottom:.4pt solid #d0d7de;padding:.8mm 2mm .8mm 0;vertical-align:top;overflow-wrap:break-word}\
td.h{overflow-wrap:anywhere;min-width:26mm}\
.n{text-align:right;font-variant-numeric:tabular-nums}\
.note{border-left:2pt solid #bf8700;margin:2mm 0;padding:.5mm 3mm}\
footer{margin-top:8mm;break-inside:avoid;color:#57606a}\
.sign{display:flex;gap:20mm;margin-top:6mm;color:#1b1f23}\
.sign p{flex:1;border-top:.6pt solid #1b1f23;margin:16mm 0 0;padding-top:1mm}";

/// Nothing but what stands in the page itself, and of that no script.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

impl Report {
    /// The page.
    #[must_use]
    pub fn page(&self, language: Language) -> String {
        let say = |word: &str| escaped(language.say(word));
        let title = say(&format!("title-{}", self.kind));
        let mut out = format!(
            "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<header>\n<h1>{title}</h1>\n<p class=\"law\">{}</p>\n</header>\n",
            language.tag(),
            say(&format!("law-{}", self.kind)),
        );
        let mut facts = self.head();
        facts.extend(self.facts.iter().cloned());
        out.push_str("<dl>\n");
        for (name, value) in &facts {
            // Writing to a string does not fail.
            let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", say(name), told(language, name, value));
        }
        out.push_str("</dl>\n");
        for note in &self.notes {
            let _ = writeln!(out, "<p class=\"note\">{}</p>", say(&format!("note-{note}")));
        }
        if let Some(next) = self.next {
            let _ = writeln!(out, "<p class=\"note\">{} {next}</p>", say("next"));
        }
        for table in &self.tables {
            table.in_one_language(language).write(&mut out, language);
        }
        let (proved, signature, approved) = (say("how-proved"), say("signature"), say("approved"));
        let _ = write!(
            out,
            "<footer>\n<p>{proved}</p>\n<div class=\"sign\"><p>{signature}</p><p>{approved}</p></div>\n</footer>\n</body>\n\
             </html>\n"
        );
        out
    }

    /// What every report states.
    pub(super) fn head(&self) -> Vec<(String, String)> {
        let none = || "none".to_owned();
        let sequence = self.checkpoint_sequence.map_or_else(none, |sequence| sequence.to_string());
        [
            ("made", self.made.clone()),
            ("appliance", self.appliance.clone()),
            ("checkpoint-sequence", sequence),
            ("checkpoint-time", self.checkpoint_time.clone().unwrap_or_else(none)),
            ("checkpoint-key", self.checkpoint_key.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

impl Table {
    /// The same with reasons in the page's language alone. A reason that nobody wrote in it stands as it is.
    fn in_one_language(&self, language: Language) -> Self {
        let mut table = self.clone();
        let place = |name: &str| self.columns.iter().position(|column| column == name);
        let (Some(why), Some(alasan)) = (place("why"), place("alasan")) else { return table };
        table.columns.remove(alasan);
        for row in table.rows.iter_mut().filter(|row| row.len() > why.max(alasan)) {
            let said = row.remove(alasan);
            if language == Language::Indonesian && !said.is_empty() {
                row[why] = said;
            }
        }
        table
    }

    fn write(&self, out: &mut String, language: Language) {
        let say = |word: &str| escaped(language.say(word));
        let _ = writeln!(out, "<h2>{}</h2>", say(&self.name));
        if self.rows.is_empty() {
            let _ = writeln!(out, "<p>{}</p>", say("no-rows"));
            return;
        }
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let right = |at: usize| self.rows.iter().all(|row| row.get(at).is_none_or(|cell| is_number(cell)));
        let classes: Vec<&str> =
            (0..self.columns.len()).map(|at| if right(at) { " class=\"n\"" } else { "" }).collect();
        out.push_str("<table>\n<thead><tr>");
        for (column, class) in self.columns.iter().zip(&classes) {
            let _ = write!(out, "<th{class}>{}</th>", say(column));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for ((cell, class), column) in row.iter().zip(&classes).zip(&self.columns) {
                // Digests and ids are broken anywhere, words are not.
                let is_long = cell.len() >= 32 && !cell.contains(' ');
                let class = if is_long { " class=\"h\"" } else { class };
                let _ = write!(out, "<td{class}>{}</td>", told(language, column, cell));
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n");
    }
}

/// A value. What its owner named is called nothing else.
fn told(language: Language, name: &str, value: &str) -> String {
    let is_named = ["project", "endpoint", "object", "api-key", "name", "rule", "why"].contains(&name);
    if let ("outcome", Language::Indonesian, Some(code)) = (name, language, code(value)) {
        return escaped(&format!("{} ({value})", code.indonesian_title()));
    }
    // No name has an asterisk: that one is ours.
    escaped(if is_named && value != EVERY { value } else { language.say(value) })
}

fn code(text: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|known| known.as_str() == text)
}

/// Text, as it can stand in an element or between quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A report with the same text in every place that takes one.
    pub(in crate::desk) fn report(text: &str) -> Report {
        let text = || text.to_owned();
        Report {
            kind: "incident".into(),
            made: text(),
            appliance: text(),
            checkpoint_sequence: Some(7),
            checkpoint_time: Some(text()),
            checkpoint_key: text(),
            facts: vec![(text(), text())],
            tables: vec![Table {
                name: text(),
                columns: vec![text(), "fields".into()],
                rows: vec![vec![text(), "12".into()]],
            }],
            notes: vec![text()],
            next: Some(9),
        }
    }

    #[test]
    fn nothing_in_a_report_becomes_markup() {
        let hostile = "\"'><script>alert(1)</script><img src=//x onerror=y>&lt;";
        let page = report(hostile).page(Language::Indonesian);
        let plain = report("x").page(Language::Indonesian);
        let marks = |page: &str| page.matches('<').count();
        assert_eq!(marks(&page), marks(&plain), "{page}");
        assert_eq!(page.matches('>').count(), plain.matches('>').count());
        assert_eq!(page.matches('"').count(), plain.matches('"').count());
        assert!(page.contains("&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("&amp;lt;"), "what looks escaped already is text, too");
    }

    #[test]
    fn an_indonesian_page_says_codes_and_reasons_in_indonesian() {
        let text = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let mut made = report("x");
        made.tables = vec![
            Table {
                name: "policies".into(),
                columns: text(&["rule", "effect", "why", "alasan"]),
                rows: vec![text(&["a", "forbid", "Because.", "Sebab."]), text(&["b", "permit", "Own.", ""])],
            },
            Table { name: "uses".into(), columns: text(&["outcome"]), rows: vec![text(&["cannot-open"])] },
        ];
        let (indonesian, english) = (made.page(Language::Indonesian), made.page(Language::English));
        for (page, has, has_not) in [
            (&indonesian, "<td>Sebab.</td></tr>", "Because."),
            (&indonesian, "<td>Own.</td></tr>", "<td></td>"),
            (&indonesian, "<td>Ciphertext tidak dapat dibuka (cannot-open)</td>", "alasan"),
            (&english, "<td>Because.</td></tr>", "Sebab."),
            (&english, "<td>cannot-open</td>", "alasan"),
        ] {
            assert!(page.contains(has) && !page.contains(has_not), "{has}: {page}");
        }
    }

    #[test]
    fn a_page_stands_alone_and_says_what_it_is_proved_by() {
        for (language, title) in
            [(Language::Indonesian, "Laporan insiden"), (Language::English, "incident report")]
        {
            let page = report("x").page(language);
            assert!(page.contains(title) && page.contains(&format!("lang=\"{}\"", language.tag())), "{page}");
            assert!(page.contains(language.say("checkpoint-key")) && page.contains("<dd>7</dd>"));
            for outside in ["<script", "http://", "https://", "url(", "@import", "src=", "href="] {
                assert!(!page.contains(outside), "{outside}");
            }
            assert!(page.contains("<td class=\"n\">12</td>"));
        }
    }
}
