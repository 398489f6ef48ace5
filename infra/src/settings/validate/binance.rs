//! `[producer.binance]`: where trades come from, and where missed ones do.

use producer_config::Binance;

use super::{Checked, ensure};

pub(super) fn binance(binance: &Binance) -> Checked {
    let stream = ["ws://", "wss://"].iter().any(|scheme| binance.stream_url.starts_with(scheme));
    let problem = format!("`{}` must start with wss:// or ws://", binance.stream_url);
    ensure("producer.binance.stream_url", stream, problem)?;
    if let Some(url) = &binance.rest_url {
        let rest = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        let problem = format!("`{url}` must start with https:// or http://");
        ensure("producer.binance.rest_url", rest, problem)?;
        same_market(&binance.stream_url, url)?;
    }
    Ok(())
}

/// A market of Binance's. Each numbers its trades by itself, also those of symbols of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Market {
    Spot,
    SpotOfBinanceUs,
    SpotTestnet,
    SpotDemo,
    UsdFutures,
    CoinFutures,
    Options,
    FuturesTestnet,
}

impl Market {
    /// That of a URL, if its host is one of Binance's; another host may serve any.
    fn of(url: &str) -> Option<Self> {
        let (_, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let host = authority.rsplit('@').next()?.split(':').next()?.to_ascii_lowercase();
        let first = host.split('.').next()?;
        if host == "binance.us" || host.ends_with(".binance.us") {
            return Some(Self::SpotOfBinanceUs);
        }
        if host == "testnet.binance.vision" || host.ends_with(".testnet.binance.vision") {
            return Some(Self::SpotTestnet);
        }
        if host.ends_with(".binancefuture.com") {
            return Some(Self::FuturesTestnet);
        }
        if !host.ends_with(".binance.com") && !host.ends_with(".binance.vision") {
            return None;
        }
        Some(match first {
            _ if first.starts_with("demo-") => Self::SpotDemo,
            _ if first.starts_with("fstream") || first.starts_with("fapi") => Self::UsdFutures,
            _ if first.starts_with("dstream") || first.starts_with("dapi") => Self::CoinFutures,
            "nbstream" | "eapi" | "eoptions" => Self::Options,
            _ if ["stream", "api", "data-stream", "data-api"]
                .iter()
                .any(|start| first.starts_with(start)) =>
            {
                Self::Spot
            }
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Spot => "the spot market",
            Self::SpotOfBinanceUs => "the spot market of Binance.US",
            Self::SpotTestnet => "the spot testnet",
            Self::SpotDemo => "the demo of the spot market",
            Self::UsdFutures => "the USD-margined futures",
            Self::CoinFutures => "the coin-margined futures",
            Self::Options => "the options",
            Self::FuturesTestnet => "the testnet of the futures",
        }
    }

    /// True if single trades are to be had by id without a key.
    const fn has_open_trades(self) -> bool {
        matches!(self, Self::Spot | Self::SpotOfBinanceUs | Self::SpotTestnet | Self::SpotDemo)
    }
}

/// Else gaps would be filled with trades of another market that happen to have the same ids.
fn same_market(stream_url: &str, rest_url: &str) -> Checked {
    const LEAVE: &str =
        "leave it empty (`rest_url = \"\"`): missed trades are then told and not fetched";
    let (stream, rest) = (Market::of(stream_url), Market::of(rest_url));
    if let Some(rest) = rest {
        let problem = format!(
            "`{rest_url}` is of {}, which gives single trades by id to owners of a key only; {LEAVE}",
            rest.name()
        );
        ensure("producer.binance.rest_url", rest.has_open_trades(), problem)?;
    }
    let (Some(stream), Some(rest)) = (stream, rest) else { return Ok(()) };
    let problem = format!(
        "`{rest_url}` is of {}, but stream_url `{stream_url}` of {}, where ids mean other trades; name an endpoint of the \
         same market, or {LEAVE}",
        rest.name(),
        stream.name()
    );
    ensure("producer.binance.rest_url", stream == rest, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_market_is_known_by_its_hosts() {
        for (url, market) in [
            ("wss://stream.binance.com:9443", Some(Market::Spot)),
            ("wss://data-stream.binance.vision/", Some(Market::Spot)),
            ("https://data-api.binance.vision", Some(Market::Spot)),
            ("https://api-gcp.binance.com", Some(Market::Spot)),
            ("https://API4.binance.com/", Some(Market::Spot)),
            ("wss://stream.binance.us:9443", Some(Market::SpotOfBinanceUs)),
            ("https://api.binance.us", Some(Market::SpotOfBinanceUs)),
            ("wss://stream.testnet.binance.vision", Some(Market::SpotTestnet)),
            ("https://testnet.binance.vision", Some(Market::SpotTestnet)),
            ("https://demo-api.binance.com", Some(Market::SpotDemo)),
            ("wss://fstream.binance.com", Some(Market::UsdFutures)),
            ("https://fapi.binance.com", Some(Market::UsdFutures)),
            ("wss://dstream.binance.com/ws", Some(Market::CoinFutures)),
            ("https://eapi.binance.com", Some(Market::Options)),
            ("wss://stream.binancefuture.com", Some(Market::FuturesTestnet)),
            ("ws://127.0.0.1:9443", None),
            ("https://gateway.example.com/api.binance.com", None),
            ("https://api.binance.com.example.com", None),
            ("wss://user@stream.binance.com:9443", Some(Market::Spot)),
        ] {
            assert_eq!(Market::of(url), market, "{url}");
        }
    }

    #[test]
    fn gaps_are_filled_from_the_market_of_the_stream_or_not_at_all() {
        let checked = |stream: &str, rest: Option<&str>| {
            let rest_url = rest.map(str::to_owned);
            let settings =
                Binance { stream_url: stream.to_owned(), rest_url, ..Binance::default() };
            binance(&settings)
        };
        for (stream, rest) in [
            ("wss://fstream.binance.com", "https://data-api.binance.vision"),
            ("wss://stream.binance.us:9443", "https://api.binance.com"),
            ("wss://stream.binance.com:9443", "https://fapi.binance.com"),
            ("wss://fstream.binance.com", "https://fapi.binance.com"),
            ("wss://gateway.example.com", "https://dapi.binance.com"),
            ("wss://stream.testnet.binance.vision", "https://api.binance.com"),
        ] {
            assert!(checked(stream, Some(rest)).is_err(), "{stream} {rest}");
            assert!(checked(stream, None).is_ok(), "{stream}");
        }
        for (stream, rest) in [
            ("wss://stream.binance.com:9443", "https://data-api.binance.vision"),
            ("wss://data-stream.binance.vision", "https://api.binance.com"),
            ("wss://gateway.example.com", "https://api.binance.com"),
            ("wss://fstream.binance.com", "http://127.0.0.1:1"),
        ] {
            assert!(checked(stream, Some(rest)).is_ok(), "{stream} {rest}");
        }
    }
}
