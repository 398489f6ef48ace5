//! Several runs at once: as a table, as Markdown for GitHub's job summary, as JUnit XML.

use std::fmt::{self, Write as _};

use super::Report;
use crate::invariants::Verdict;

/// A line for each run.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a [Report]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|report| report.name().len()).max().unwrap_or(0);
        writeln!(f, "\n{:width$}  verdict      RTO  RPO  convergence     time", "scenario")?;
        for report in self.0 {
            let verdict = word(report.verdict);
            let name = report.name();
            let (rto, convergence) =
                (ms(report.recovery.rto_ms), ms(report.recovery.convergence_ms));
            let (rpo, time) = (report.recovery.rpo_trades, ms(Some(report.duration_ms)));
            writeln!(
                f,
                "{name:width$}  {verdict:7} {rto:>8} {rpo:>4} {convergence:>12} {time:>8}"
            )?;
        }
        let broken = self.0.iter().filter(|report| report.verdict == Verdict::Broken).count();
        write!(f, "{} scenarios: {} hold, {broken} broken", self.0.len(), self.0.len() - broken)
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Broken => "BROKEN",
    }
}

fn ms(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"))
}

/// A table, and what is broken in words.
#[must_use]
pub fn markdown(reports: &[Report]) -> String {
    let mut text = String::from(
        "## twincloud chaos\n\n| scenario | verdict | RTO | RPO | convergence | time |\n|---|---|--:|--:|--:|--:|\n",
    );
    for report in reports {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            report.name(),
            if report.verdict == Verdict::Holds { "holds" } else { "**BROKEN**" },
            ms(report.recovery.rto_ms),
            report.recovery.rpo_trades,
            ms(report.recovery.convergence_ms),
            ms(Some(report.duration_ms)),
        );
    }
    for report in reports.iter().filter(|report| report.verdict == Verdict::Broken) {
        let _ = writeln!(text, "\n### {}\n", report.name());
        for finding in report.invariants.iter().filter(|f| f.verdict == Verdict::Broken) {
            let _ = writeln!(text, "- **{}**: {}", finding.name, finding.detail);
        }
        let _ = writeln!(text, "\n```\n{}\n```", report.reproduce);
    }
    text.push('\n');
    text
}

/// A test suite for each run, and a test case for each invariant.
#[must_use]
pub fn junit(reports: &[Report]) -> String {
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let broken =
        |report: &Report| report.invariants.iter().filter(|f| f.verdict == Verdict::Broken).count();
    let tests: usize = reports.iter().map(|report| report.invariants.len()).sum();
    let failures: usize = reports.iter().map(broken).sum();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"twincloud\" tests=\"{tests}\" failures=\"{failures}\">\n"
    );
    for report in reports {
        let _ = writeln!(
            text,
            r#"  <testsuite name="{}" tests="{}" failures="{}" time="{}">"#,
            escaped(report.name()),
            report.invariants.len(),
            broken(report),
            seconds(report.duration_ms),
        );
        for finding in &report.invariants {
            let (class, name) = (escaped(report.name()), escaped(finding.name));
            let detail = escaped(&finding.detail);
            let _ = match finding.verdict {
                Verdict::Holds => writeln!(
                    text,
                    r#"    <testcase classname="{class}" name="{name}"><system-out>{detail}</system-out></testcase>"#
                ),
                Verdict::Broken => writeln!(
                    text,
                    r#"    <testcase classname="{class}" name="{name}"><failure message="{detail}">{}</failure></testcase>"#,
                    escaped(&report.reproduce)
                ),
            };
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// For XML and HTML: text and attributes. Control characters are none of XML's.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            character if character.is_control() => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports() -> Vec<Report> {
        let mut broken = Report::unfinished("kill-aws", "it <broke> & \"ended\"\u{1b}");
        broken.reproduce = "cargo xtask chaos --scenario kill-aws".to_owned();
        let mut whole = Report::unfinished("partition", "");
        whole.verdict = Verdict::Holds;
        for finding in &mut whole.invariants {
            finding.verdict = Verdict::Holds;
        }
        whole.recovery.rto_ms = Some(412);
        vec![broken, whole]
    }

    #[test]
    fn each_form_tells_the_same() {
        insta::assert_snapshot!("table", Table(&reports()));
        insta::assert_snapshot!("markdown", markdown(&reports()));
        insta::assert_snapshot!("junit", junit(&reports()));
    }
}
