//! `cargo xtask e2e`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::AwsEmulator;

/// Sends trades through both clouds and gives a verdict.
#[derive(Args, Clone, Debug)]
pub struct E2e {
    /// The place of the clouds. `auto` gives a verdict on simulated clouds first, then one on `processes` if this machine can run them.
    #[arg(long, value_enum, default_value_t = Target::Auto)]
    pub target: Target,

    /// The emulator of AWS on the target `containers` [default: as `[containers]` in twincloud.toml has it].
    #[arg(long, value_enum, value_name = "EMULATOR")]
    pub aws_emulator: Option<AwsEmulator>,

    /// Trades to send: a recording, which is what a recorder of Binance wrote or a file of trades of data.binance.vision,
    /// plain, gzip or zip (docs/recordings.md); or `generate:N[:SEED]`.
    #[arg(long, value_name = "FILE|generate:N[:SEED]", default_value = "generate:20000")]
    pub trades: Trades,

    /// Symbol to send, of those in the recording; several by repeating [default: all].
    #[arg(long = "symbol", value_name = "SYMBOL")]
    pub symbols: Vec<String>,

    /// End with exit code 2 at the first line of a recording that is refused or cut short, in the place of counting it.
    #[arg(long)]
    pub strict_input: bool,

    /// Messages that no function can decode, mixed in; they must be exactly the dead letters.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub poison: u32,

    /// Trades to publish a second [default: as fast as they go].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,

    /// Times to `kill -9` each of both functions while trades flow.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub kill_functions: u32,

    /// Run the Google service as a container of this image, by digest, in the place of the packed program. Needs Docker,
    /// and emulators: not the target `sim`.
    #[arg(long, value_name = "HOST/PATH@sha256:DIGEST")]
    pub gcp_image: Option<String>,

    /// Change a setting of twincloud.toml for this run; several by repeating.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,

    /// Leave the clouds running after the verdict, until Ctrl-C.
    #[arg(long)]
    pub keep: bool,

    /// Print the report as JSON on standard output, and progress on standard error.
    #[arg(long)]
    pub json: bool,
}

/// Where the clouds run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// `e2e`: `sim` first, then `processes`, if this machine can run them. Elsewhere `processes`.
    Auto,
    /// Emulators as local processes, and the release binaries of both functions.
    Processes,
    /// The same emulators as containers, for which this needs Docker and their images (`images build` makes them).
    Containers,
    /// Clouds in memory, in one process and in virtual time: no verdict on the release binaries.
    Sim,
    /// What is deployed on the account and the project that the credentials are for; only for `chaos`.
    Cloud,
    /// What is deployed on the clouds that `cargo xtask up` started; only for `chaos`.
    Up,
}

impl Target {
    /// Whether the clouds are there before the run, and after it.
    #[must_use]
    pub fn is_deployed(self) -> bool {
        matches!(self, Self::Cloud | Self::Up)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Processes => "processes",
            Self::Containers => "containers",
            Self::Sim => "sim",
            Self::Cloud => "cloud",
            Self::Up => "up",
        })
    }
}

/// Where trades come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trades {
    /// Frames from a file.
    File(PathBuf),
    /// Frames from the seeded generator.
    Generate {
        /// Trades to make.
        count: u64,
        /// `None`: a new one each run, which the report names.
        seed: Option<u64>,
    },
}

impl FromStr for Trades {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(numbers) = text.strip_prefix("generate:") else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        let (count, seed) =
            numbers.split_once(':').map_or((numbers, None), |(count, seed)| (count, Some(seed)));
        let number = |name: &str, text: &str| {
            text.parse::<u64>().map_err(|_| format!("{name} {text:?} is not a whole number"))
        };
        let count = number("N", count)?;
        if count == 0 {
            return Err("N must be at least 1".to_owned());
        }
        let seed = seed.map(|seed| number("SEED", seed)).transpose()?;
        Ok(Self::Generate { count, seed })
    }
}

impl fmt::Display for Trades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Generate { count, seed: None } => write!(f, "generate:{count}"),
            Self::Generate { count, seed: Some(seed) } => write!(f, "generate:{count}:{seed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trades_are_a_file_or_a_generator() {
        let parse = |text: &str| text.parse::<Trades>();
        assert_eq!(parse("generate:5").unwrap(), Trades::Generate { count: 5, seed: None });
        assert_eq!(parse("generate:5:7").unwrap(), Trades::Generate { count: 5, seed: Some(7) });
        assert_eq!(parse("a/b.jsonl.gz").unwrap(), Trades::File("a/b.jsonl.gz".into()));
        assert_eq!(parse("generate:x").unwrap_err(), "N \"x\" is not a whole number");
        assert_eq!(parse("generate:0").unwrap_err(), "N must be at least 1");
        for text in ["generate:5", "generate:5:7", "a/b.jsonl.gz"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }
}
