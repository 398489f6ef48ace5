//! The one-minute candles of a cloud.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a picture: nothing is judged by it"
)]

use std::fmt::Write as _;

use candle::{Candle, Interval};

use super::svg;
use crate::snapshot::Snapshot;

const WIDTH: u32 = 480;
const HEIGHT: u32 = 220;
const MARGIN: f64 = 12.0;
/// More than these can't be told apart.
const SHOWN: usize = 120;

pub(super) fn draw(snapshot: Option<&Snapshot>) -> String {
    let mut candles: Vec<&Candle> = snapshot.map_or_else(Vec::new, |snapshot| {
        snapshot.candles.iter().filter(|candle| candle.key().interval == Interval::M1).collect()
    });
    candles.sort_by_key(|candle| (candle.key().symbol.clone(), candle.key().open_time_ms));
    candles.truncate(SHOWN);
    let label = format!("{} candles", candles.len());
    let prices = |price: &dyn ToString| price.to_string().parse::<f64>().unwrap_or_default();
    let low = candles.iter().map(|candle| prices(&candle.low())).fold(f64::INFINITY, f64::min);
    let high = candles.iter().map(|candle| prices(&candle.high())).fold(0.0, f64::max);
    if candles.is_empty() {
        let text = r#"<text x="12" y="24" class="label">no candles</text>"#;
        return svg(WIDTH, HEIGHT, &label, text);
    }
    let span = (high - low).max(f64::MIN_POSITIVE);
    let inner = f64::from(HEIGHT) - 2.0 * MARGIN;
    let y = |price: f64| MARGIN + (high - price) / span * inner;
    let step = (f64::from(WIDTH) - 2.0 * MARGIN) / candles.len() as f64;
    let mut content = String::new();
    for (number, candle) in candles.iter().enumerate() {
        let middle = MARGIN + (number as f64 + 0.5) * step;
        let (open, close) = (prices(&candle.open()), prices(&candle.close()));
        let class = if close >= open { "up" } else { "down" };
        let (top, bottom) = (y(open.max(close)), y(open.min(close)));
        let (wick_top, wick_bottom) = (y(prices(&candle.high())), y(prices(&candle.low())));
        let (left, width) = (middle - step * 0.35, step * 0.7);
        let height = (bottom - top).max(1.0);
        let _ = write!(
            content,
            r#"<g class="{class}"><line x1="{middle:.1}" x2="{middle:.1}" y1="{wick_top:.1}" y2="{wick_bottom:.1}"/><rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"/></g>"#
        );
    }
    let _ = write!(
        content,
        r#"<text x="4" y="10" class="label">{high:.2}</text><text x="4" y="{}" class="label">{low:.2}</text>"#,
        HEIGHT - 2
    );
    svg(WIDTH, HEIGHT, &label, &content)
}
