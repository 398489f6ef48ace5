//! The archive of each cloud holds exactly the published trades, in objects whose names and hashes are right.

use bigdecimal::BigDecimal;
use candle::{ArchiveObject, Trade};

use super::{Evidence, sample};
use crate::recompute::{PublishedTrade, PublishedTrades};

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let mut objects = 0;
    for (cloud, snapshot) in &evidence.snapshots {
        objects += snapshot.archive.len();
        let mut archived = PublishedTrades::new();
        for (name, bytes) in &snapshot.archive {
            let object = ArchiveObject::decode(name, bytes)
                .map_err(|error| format!("{cloud}: object {name}: {error}"))?;
            let symbol = object.name().symbol.as_str();
            for trade in object.trades() {
                let trade = published(symbol, trade).map_err(|error| {
                    format!("{cloud}: object {name}, trade {}: {error}", trade.id)
                })?;
                archived.insert((trade.symbol.clone(), trade.id), trade);
            }
        }
        let differ = differences(&archived, &evidence.published);
        if !differ.is_empty() {
            return Err(format!("{cloud}: {} trades differ: {}", differ.len(), sample(differ)));
        }
    }
    Ok(format!("{objects} objects hold {} trades in each cloud", evidence.published.len()))
}

fn differences(archived: &PublishedTrades, published: &PublishedTrades) -> Vec<String> {
    let missing = published.iter().filter_map(|(key, trade)| match archived.get(key) {
        Some(found) if found == trade => None,
        Some(_) => Some(format!("{} {} is another one", key.0, key.1)),
        None => Some(format!("{} {} is missing", key.0, key.1)),
    });
    let unknown = archived.keys().filter(|key| !published.contains_key(*key));
    missing.chain(unknown.map(|key| format!("{} {} was never published", key.0, key.1))).collect()
}

fn published(
    symbol: &str,
    trade: &Trade,
) -> Result<PublishedTrade, bigdecimal::ParseBigDecimalError> {
    let decimal = |text: String| text.parse::<BigDecimal>();
    Ok(PublishedTrade {
        symbol: symbol.to_owned(),
        id: trade.id,
        time_ms: trade.time_ms,
        price: decimal(trade.price.to_string())?,
        quantity: decimal(trade.quantity.to_string())?,
        buyer_is_maker: trade.buyer_is_maker,
    })
}
