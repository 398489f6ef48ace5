//! `report.html`: one file with pictures and without scripts, so that it can be read anywhere and mailed to anybody.
//!
//! The pictures are drawn from the history and the snapshots; what they show is in those files as numbers.

mod candles;
mod timeline;

use anyhow::Context as _;
use handlebars::Handlebars;
use serde::Serialize;

use super::Report;
use crate::evidence::Evidence;
use crate::history::CloudId;
use crate::invariants::Verdict;

const TEMPLATE: &str = include_str!("html/report.html.hbs");

/// Values that the template uses.
#[derive(Serialize)]
struct Page<'a> {
    report: &'a Report,
    name: &'a str,
    holds: bool,
    figures: Vec<Figure>,
    timeline: String,
    candles: Vec<Chart>,
    invariants: Vec<Invariant<'a>>,
    faults: Vec<Fault>,
}

#[derive(Serialize)]
struct Figure {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Chart {
    cloud: &'static str,
    svg: String,
}

#[derive(Serialize)]
struct Invariant<'a> {
    name: &'a str,
    holds: bool,
    detail: &'a str,
}

#[derive(Serialize)]
struct Fault {
    cloud: &'static str,
    name: String,
    from: String,
    until: String,
    fired: usize,
}

/// The page.
pub fn html(report: &Report, evidence: &Evidence) -> anyhow::Result<String> {
    let seconds = |ms: u64| format!("{}.{:03} s", ms / 1000, ms % 1000);
    let shown = |ms: Option<u64>| ms.map_or_else(|| "none".to_owned(), |ms| format!("{ms} ms"));
    let recovery = &report.recovery;
    let lag = recovery.replication_lag.map(|lag| format!(", p99 {} ms", lag.p99_ms));
    let figures = [
        ("accepted", format!("{} trades", report.trades.accepted)),
        ("RTO", shown(recovery.rto_ms)),
        ("RPO", format!("{} trades", recovery.rpo_trades)),
        ("convergence", shown(recovery.convergence_ms)),
        (
            "copied",
            format!("{} trades{}", recovery.replicated_trades, lag.as_deref().unwrap_or_default()),
        ),
        ("time", seconds(report.duration_ms)),
    ];
    let chart = |cloud: CloudId| Chart {
        cloud: cloud.as_str(),
        svg: candles::draw(evidence.snapshots.get(&cloud)),
    };
    let page = Page {
        report,
        name: report.name(),
        holds: report.verdict == Verdict::Holds,
        figures: figures.into_iter().map(|(name, value)| Figure { name, value }).collect(),
        timeline: timeline::draw(evidence),
        candles: [CloudId::Aws, CloudId::Gcp].map(chart).into(),
        invariants: report
            .invariants
            .iter()
            .map(|finding| Invariant {
                name: finding.name,
                holds: finding.verdict == Verdict::Holds,
                detail: &finding.detail,
            })
            .collect(),
        faults: report
            .faults
            .iter()
            .map(|span| Fault {
                cloud: span.cloud.as_str(),
                name: span.fault.to_string(),
                from: seconds(span.begun_ms),
                until: span.healed_ms.map_or_else(|| "the end".to_owned(), seconds),
                fired: span.fired,
            })
            .collect(),
    };
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    handlebars.register_escape_fn(super::summary::escaped);
    handlebars.render_template(TEMPLATE, &page).context("write report.html")
}

/// An SVG of a size of its own, as wide as the page lets it be.
fn svg(width: u32, height: u32, label: &str, content: &str) -> String {
    format!(
        r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}" preserveAspectRatio="xMidYMid meet">{content}</svg>"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::tests::good;

    #[test]
    fn the_page_stands_alone_and_says_what_the_report_says() {
        let mut evidence = good();
        evidence.about.scenario = Some("<kill> & co".to_owned());
        let report = Report::of(&evidence);
        let page = html(&report, &evidence).unwrap();
        assert!(page.contains("&lt;kill&gt; &amp; co") && !page.contains("<kill>"), "escaped");
        for finding in &report.invariants {
            assert!(page.contains(finding.name), "{}", finding.name);
        }
        for outside in ["<script", "src=", "@import", "url(", "href="] {
            assert!(!page.contains(outside), "{outside} needs something from outside");
        }
        assert_eq!(page.matches("<svg").count(), 3);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    }
}
