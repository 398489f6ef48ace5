//! Nothing that was copied is sent again: no function has published anything, as the proxies between the functions and the
//! clouds have seen.

use super::Evidence;
use crate::history::Event;

/// The calls by which messages are published.
const PUBLISH: [&str; 4] = ["SendMessage", "SendMessageBatch", "Publish", "topics.publish"];

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let mut calls = 0;
    for entry in &evidence.history {
        let Event::Requests { link, service, operation, count } = &entry.event else { continue };
        if PUBLISH.contains(&operation.as_str()) {
            return Err(format!("{link}: {count} times {service} {operation}"));
        }
        calls += count;
    }
    match (calls, evidence.about.target.as_str()) {
        (0, "sim") => Ok("nothing is copied on sim".to_owned()),
        (0, "cloud" | "up") => {
            Ok("not looked at: nobody stands between deployed functions and their clouds"
                .to_owned())
        }
        (0, _) => Err("the functions called nothing, so nobody knows".to_owned()),
        (calls, _) => Ok(format!("{calls} calls of functions, none of which publishes")),
    }
}
