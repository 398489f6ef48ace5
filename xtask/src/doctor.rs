//! `cargo xtask doctor`.

use crate::exit::Failure;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let report = toolbox::Report::collect(&toolbox::Env::from_process());
    if args.json {
        let json = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::lacking(format!("write the report as JSON: {error}")))?;
        println!("{json}");
    } else {
        println!("{report}");
    }
    Ok(())
}
