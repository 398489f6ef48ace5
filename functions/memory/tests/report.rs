//! The log line of a run of replicate, which the alarms of both clouds read.

use cloud_memory::LogLines;
use pipeline::Report;
use pipeline::replicate::Names;

fn logged(report: &Report) -> String {
    let log = LogLines::of("pipeline");
    tracing::subscriber::with_default(log.clone(), || report.log("aws"));
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

fn names(count: usize) -> Names {
    let mut names = Names::default();
    (0..count).for_each(|name| names.add(&format!("n{name}")));
    names
}

/// A report in which all numbers differ.
fn report() -> Report {
    let mut report = Report::default();
    (report.listed, report.copied, report.bytes, report.trades) = (3, 7, 110, 2);
    (report.present, report.lag_s, report.took_ms) = (5, 8, 11);
    report.corrupted = names(1);
    report.undelivered = names(4);
    report.other_symbols = names(6);
    (report.window_compared, report.end_reached, report.complete) = (true, true, true);
    report
}

#[test]
fn the_line_tells_the_lag_if_the_window_was_compared() {
    let mut failed = report();
    failed.failed = Some("why".to_owned());
    assert_eq!(
        logged(&failed),
        "INFO message=replicated peer=\"aws\" lag_s=8 listed=3 copied=7 bytes=110 trades=2 present=5 \
         corrupted=n0 corrupted_count=1 undelivered=n0 n1 n2 n3 undelivered_count=4 \
         other_symbols=n0 n1 n2 n3 n4 n5 complete=true end_reached=true out_of_time=false \
         failed=\"why\" took_ms=11"
    );
    let mut not_compared = report();
    not_compared.window_compared = false;
    assert_eq!(
        logged(&not_compared),
        "ERROR message=not replicated peer=\"aws\" failed=\"\" out_of_time=false listed=3 copied=7 \
         trades=2 took_ms=11"
    );
}
