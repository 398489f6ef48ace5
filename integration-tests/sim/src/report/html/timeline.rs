//! What happened over time: how many trades each cloud took, what was thought of it, what waited and what was copied, with
//! the faults as shaded spans.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a picture: nothing is judged by it"
)]

use std::fmt::Write as _;

use super::super::summary::escaped;
use super::svg;
use crate::evidence::Evidence;
use crate::history::{self, CloudId, Entry, Event};
use crate::measure;

const WIDTH: u32 = 960;
const LEFT: f64 = 96.0;
const LANE: f64 = 64.0;
const GAP: f64 = 18.0;
const STRIP: f64 = 8.0;
/// Number of pieces that the time is cut into.
const PIECES: usize = 160;

/// A lane: what is drawn in it, piece by piece.
struct Lane {
    name: &'static str,
    class: &'static str,
    cloud: Option<CloudId>,
    values: Vec<f64>,
    unit: &'static str,
}

pub(super) fn draw(evidence: &Evidence) -> String {
    let history = &evidence.history;
    let end_us = history.last().map_or(1, |entry| entry.at_us).max(1);
    let piece = |at_us: u64| {
        let piece = u128::from(at_us) * PIECES as u128 / (u128::from(end_us) + 1);
        usize::try_from(piece).unwrap_or(0).min(PIECES - 1)
    };
    let per_s = PIECES as f64 * 1e6 / end_us as f64;
    let rates = |value: &dyn Fn(&Event) -> u64| {
        let mut values = vec![0.0; PIECES];
        for entry in history {
            values[piece(entry.at_us)] += value(&entry.event) as f64 * per_s;
        }
        values
    };
    let accepted = |wanted: CloudId| {
        let mut values = vec![0.0; PIECES];
        for message in history::accepted(history).filter(|message| message.cloud == wanted) {
            values[piece(message.at_us)] += history::count(message.ids) as f64 * per_s;
        }
        values
    };
    let copied = rates(&|event| match event {
        Event::Replicated { trades, .. } => *trades,
        _ => 0,
    });
    let lane = |name, class, cloud, values, unit| Lane { name, class, cloud, values, unit };
    let lanes = [
        lane("AWS takes", "aws", Some(CloudId::Aws), accepted(CloudId::Aws), "trades/s"),
        lane("Google takes", "gcp", Some(CloudId::Gcp), accepted(CloudId::Gcp), "trades/s"),
        lane("waiting", "waiting", None, waiting(history, &piece), "trades"),
        lane("copied", "copied", None, copied, "trades/s"),
    ];
    let x = |at_us: u64| LEFT + (f64::from(WIDTH) - LEFT) * at_us as f64 / end_us as f64;
    let mut content = String::new();
    let mut top = GAP;
    for lane in &lanes {
        if let Some(cloud) = lane.cloud {
            shade(&mut content, evidence, cloud, top, end_us, &x);
        }
        bars(&mut content, lane, top);
        top += LANE + GAP;
        if let Some(cloud) = lane.cloud {
            health(&mut content, history, cloud, top - GAP + 3.0, end_us, &x);
        }
    }
    axis(&mut content, end_us, top - GAP, &x);
    let height = (top + GAP).ceil() as u32;
    svg(WIDTH, height, "throughput, health and faults over time", &content)
}

/// Trades on the producer's disk that no cloud has, at the end of each piece.
fn waiting(history: &[Entry], piece: &dyn Fn(u64) -> usize) -> Vec<f64> {
    let mut changes = vec![0.0; PIECES];
    for entry in history {
        if let Event::Producer(producer::Event::Spooled { ids, .. }) = &entry.event {
            changes[piece(entry.at_us)] += history::count(ids) as f64;
        }
    }
    for message in history::accepted(history).filter(|message| message.is_first) {
        changes[piece(message.at_us)] -= history::count(message.ids) as f64;
    }
    let mut sum = 0.0;
    let sums = changes.into_iter().map(|change| {
        sum += change;
        f64::max(sum, 0.0)
    });
    sums.collect()
}

fn bars(content: &mut String, lane: &Lane, top: f64) {
    let most = lane.values.iter().copied().fold(0.0, f64::max);
    let width = (f64::from(WIDTH) - LEFT) / PIECES as f64;
    let bottom = top + LANE;
    let (name, unit, label_y) = (lane.name, lane.unit, top + 12.0);
    let _ = write!(
        content,
        r#"<text x="0" y="{label_y:.0}" class="label">{name}</text><text x="0" y="{:.0}" class="label small">to {most:.0}</text><text x="0" y="{:.0}" class="label small">{unit}</text><line x1="{LEFT}" x2="{WIDTH}" y1="{bottom:.1}" y2="{bottom:.1}" class="axis"/>"#,
        label_y + 14.0,
        label_y + 27.0
    );
    if most <= 0.0 {
        return;
    }
    let _ = write!(content, r#"<g class="{}">"#, lane.class);
    for (number, value) in lane.values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let (left, height) = (LEFT + number as f64 * width, (value / most * LANE).max(1.0));
        let _ = write!(
            content,
            r#"<rect x="{left:.1}" y="{:.1}" width="{:.1}" height="{height:.1}"/>"#,
            bottom - height,
            width * 0.85
        );
    }
    content.push_str("</g>");
}

/// The faults of a cloud behind its lane.
fn shade(
    content: &mut String,
    evidence: &Evidence,
    cloud: CloudId,
    top: f64,
    end_us: u64,
    x: &dyn Fn(u64) -> f64,
) {
    for span in measure::faults(&evidence.history).iter().filter(|span| span.cloud == cloud) {
        let until = span.healed_ms.map_or(end_us, |ms| ms * 1000);
        let (left, right) = (x(span.begun_ms * 1000), x(until));
        let (width, height) = ((right - left).max(2.0), LANE + 3.0 + STRIP);
        let _ = write!(
            content,
            r#"<rect class="fault" x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"><title>{}</title></rect>"#,
            escaped(&span.fault.to_string())
        );
    }
}

/// Health of a cloud, as the producer saw it.
fn health(
    content: &mut String,
    history: &[Entry],
    cloud: CloudId,
    top: f64,
    end_us: u64,
    x: &dyn Fn(u64) -> f64,
) {
    let mut since = (0, "healthy".to_owned());
    let changes = history.iter().filter_map(|entry| match &entry.event {
        Event::Producer(producer::Event::Health { target, state }) => {
            (CloudId::of_target(target) == Some(cloud)).then(|| (entry.at_us, state.to_string()))
        }
        _ => None,
    });
    for (at_us, state) in changes.chain([(end_us, String::new())]) {
        let (left, right) = (x(since.0), x(at_us));
        let _ = write!(
            content,
            r#"<rect class="{}" x="{left:.1}" y="{top:.1}" width="{:.1}" height="{STRIP}"><title>{}</title></rect>"#,
            escaped(&since.1),
            (right - left).max(0.5),
            escaped(&since.1)
        );
        since = (at_us, state);
    }
}

fn axis(content: &mut String, end_us: u64, top: f64, x: &dyn Fn(u64) -> f64) {
    let seconds = end_us / 1_000_000;
    let step =
        [1_u32, 2, 5, 10, 20, 60, 300].into_iter().find(|step| seconds / u64::from(*step) <= 12);
    for second in (0..=seconds).step_by(step.unwrap_or(3600) as usize) {
        let at = x(second * 1_000_000);
        let _ = write!(
            content,
            r#"<text x="{at:.1}" y="{:.1}" class="label small" text-anchor="middle">{second} s</text>"#,
            top + 16.0
        );
    }
}
