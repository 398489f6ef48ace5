//! The command line.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use candle::Symbol;
use clap::Parser;

/// Takes trades to the queues of both clouds, and loses none.
///
/// Which clouds, by which policy, and all sizes and waits: from the variable `TWINCLOUD_CONFIG` or from a file, as JSON
/// (`cargo xtask produce` sets the variable from twincloud.toml; `cargo xtask render` writes it to .env.producer for a shell, to
/// producer.env for systemd and Docker, and the file to producer.json).
/// A producer that runs as a service can take all arguments from the environment: docs/producer.md.
#[derive(Clone, Debug, Parser)]
#[command(name = "producer", version)]
pub struct Args {
    /// Read the configuration from this file, as JSON [default: the variable `TWINCLOUD_CONFIG` has it]
    #[arg(long, env = "TWINCLOUD_CONFIG_FILE", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// binance, generate:N[:SEED], or a recording: what a recorder of Binance wrote or a file of trades of
    /// data.binance.vision, plain, gzip or zip (docs/recordings.md)
    #[arg(long, env = "TWINCLOUD_SOURCE")]
    pub source: Source,
    /// What to send, of the symbols in the settings; can be given several times [default: all of them]
    #[arg(long = "symbol", value_name = "SYMBOL")]
    pub symbols: Vec<Symbol>,
    /// End with exit code 2 at the first line of a recording that is refused or cut short, in the place of counting it
    #[arg(long)]
    pub strict_input: bool,
    /// Play a recording by its trades' times: real, max, or so many times as quick
    #[arg(long, default_value = "max", conflicts_with = "rate")]
    pub speed: Speed,
    /// Send a recording evenly, so many trades a second
    #[arg(long, value_name = "TRADES_PER_S", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Where messages are kept until a cloud has them; one producer, one folder
    #[arg(long, env = "TWINCLOUD_SPOOL", value_name = "DIR")]
    pub spool: PathBuf,
    /// Append what happens to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Keep how it is in this file, as JSON [default: status.json in the spool's folder]
    #[arg(long, value_name = "FILE")]
    pub status: Option<PathBuf>,
    /// Answer GET /healthz at this address, such as 127.0.0.1:8080 [default: no HTTP server]
    #[arg(long, env = "TWINCLOUD_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// On a virtual machine of Google Cloud, the role on AWS that the machine assumes with its identity token, as an ARN
    /// [default: credentials as AWS's own tools find them]
    #[arg(long, env = "TWINCLOUD_AWS_ROLE", value_name = "ARN")]
    pub aws_role: Option<String>,
    /// With --aws-role, the audience of the identity token
    #[arg(long, env = "TWINCLOUD_AWS_AUDIENCE", value_name = "AUDIENCE")]
    pub aws_audience: Option<String>,
}

/// The sign-in at AWS of a virtual machine on Google Cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The role, as an ARN.
    pub role: String,
    /// The audience of its identity token.
    pub audience: String,
}

impl Args {
    /// The sign-in at AWS, if there is a role; an empty variable counts as none.
    pub fn sign_in(&self) -> Result<Option<SignIn>, String> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (given(&self.aws_role), given(&self.aws_audience)) {
            (None, _) => Ok(None),
            (Some(role), Some(audience)) => Ok(Some(SignIn { role, audience })),
            (Some(role), None) => Err(format!(
                "sign in at AWS as {role}: no audience; name it with --aws-audience or TWINCLOUD_AWS_AUDIENCE, as the role's \
                 trust has it"
            )),
        }
    }
}

/// Source of the trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The exchange's stream.
    Binance,
    /// A recording.
    File(PathBuf),
    /// Made up from a seed.
    Generate {
        /// Trades in all; the symbols take turns.
        count: u64,
        /// The first symbol's; the next one's is one more.
        seed: u64,
    },
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "binance" {
            return Ok(Self::Binance);
        }
        let Some(numbers) = text.strip_prefix("generate:") else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        let (count, seed) = numbers.split_once(':').unwrap_or((numbers, "1"));
        let number = |name: &str, text: &str| {
            text.parse::<u64>().map_err(|_| format!("{name} {text:?} is not a whole number"))
        };
        match number("N", count)? {
            0 => Err("N must be at least 1".to_owned()),
            count => Ok(Self::Generate { count, seed: number("SEED", seed)? }),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binance => f.write_str("binance"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Generate { count, seed } => write!(f, "generate:{count}:{seed}"),
        }
    }
}

/// Speed of a recording's replay, in thousandths of its own speed; none: as quickly as possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed(Option<u64>);

impl Speed {
    /// When a trade is due that comes so many milliseconds after the first one.
    #[must_use]
    pub fn due(self, after_ms: u64) -> Duration {
        let after_us = u128::from(after_ms) * 1_000_000;
        let due_us = self.0.map_or(0, |thousandths| after_us / u128::from(thousandths.max(1)));
        Duration::from_micros(u64::try_from(due_us).unwrap_or(u64::MAX))
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => return Ok(Self(None)),
            "real" => return Ok(Self(Some(1_000))),
            _ => {}
        }
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let is_number = (1..=6).contains(&whole.len())
            && part.len() <= 3
            && whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit());
        let thousandths = format!("{whole}{part:0<3}").parse::<u64>();
        match thousandths {
            Ok(thousandths) if is_number && thousandths > 0 => Ok(Self(Some(thousandths))),
            _ => Err(format!(
                "{text:?} is none of real, max, and a number such as 10 or 0.5 (at least 0.001)"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_the_exchange_a_file_or_a_generator() {
        let parse = |text: &str| text.parse::<Source>();
        assert_eq!(parse("binance"), Ok(Source::Binance));
        assert_eq!(parse("a/b.gz"), Ok(Source::File("a/b.gz".into())));
        assert_eq!(parse("generate:5"), Ok(Source::Generate { count: 5, seed: 1 }));
        assert_eq!(parse("generate:5:7"), Ok(Source::Generate { count: 5, seed: 7 }));
        assert_eq!(parse("generate:0"), Err("N must be at least 1".to_owned()));
        assert_eq!(parse("generate:x"), Err("N \"x\" is not a whole number".to_owned()));
    }

    #[test]
    fn a_speed_is_real_max_or_a_number() {
        let due = |text: &str| text.parse::<Speed>().map(|speed| speed.due(3_000).as_millis());
        assert_eq!(due("real"), Ok(3_000));
        assert_eq!(due("max"), Ok(0));
        assert_eq!(due("10"), Ok(300));
        assert_eq!(due("0.5"), Ok(6_000));
        for wrong in ["", "0", "-1", "1e3", "1.2345", "+5", "fast"] {
            assert!(due(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_role_needs_an_audience() {
        let signs_in = |more: &[&str]| {
            let args = ["producer", "--source", "f", "--spool", "s"];
            Args::parse_from(args.iter().chain(more)).sign_in()
        };
        let role = ["--aws-role", "arn:aws:iam::1:role/producer"];
        assert_eq!(signs_in(&[]), Ok(None));
        assert_eq!(signs_in(&["--aws-role", "", "--aws-audience", ""]), Ok(None));
        let both = signs_in(&[&role[..], &["--aws-audience", "sts"]].concat()).unwrap();
        assert_eq!(both.map(|of| of.audience), Some("sts".to_owned()));
        let error = signs_in(&role).unwrap_err();
        assert!(error.contains(role[1]) && error.contains("TWINCLOUD_AWS_AUDIENCE"), "{error}");
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
        let args = ["producer", "--source", "f", "--spool", "s", "--speed", "2", "--rate", "5"];
        assert!(Args::try_parse_from(args).is_err(), "either by times or evenly");
    }
}
