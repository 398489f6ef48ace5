//! `cargo xtask outputs`: the outputs of a deployment, read from the clouds.

use std::collections::BTreeMap;

use cli::{Failure, Progress};
use infra::Checkout;

use super::components;
use super::known::{self, Outputs};
use super::site::DeployContext;

pub(super) async fn run(args: &args::Outputs, checkout: &Checkout) -> Result<(), Failure> {
    let site = DeployContext::open(&args.place, checkout)?;
    let progress = Progress::default();
    let mut all: BTreeMap<String, Outputs> = BTreeMap::new();
    for part in site.parts(args.part)? {
        progress.now(format!("reading the outputs of {part}"));
        let outputs = components::of(*part)?.outputs(&site, &progress).await?;
        known::write(&site, *part, &outputs)?;
        all.insert(part.to_string(), outputs);
    }
    progress.finish();
    known::render(&site, &known::known(&site)?)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for (part, outputs) in all {
        println!("# {part}, {}", site.title());
        for (name, value) in outputs {
            println!("{name} = {value}");
        }
    }
    Ok(())
}
