//! `cargo xtask outputs`: what a deploy gave, as the clouds know it now.

use std::collections::BTreeMap;

use args::Part;

use super::known::{self, Outputs};
use super::site::Site;
use super::{aws::Aws, gcp, terraform};
use crate::cloudformation as cfn;
use cli::Failure;
use cli::Progress;
use infra::Checkout;

pub(super) async fn run(args: &args::Outputs, checkout: &Checkout) -> Result<(), Failure> {
    let site = Site::open(&args.place, checkout)?;
    let progress = Progress::default();
    let mut all: BTreeMap<String, Outputs> = BTreeMap::new();
    for part in site.parts(args.part)? {
        progress.now(format!("reading the outputs of {part}"));
        let outputs = of(&site, *part, &progress).await?;
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

async fn of(site: &Site, part: Part, progress: &Progress) -> Result<Outputs, Failure> {
    match part {
        Part::Aws | Part::All => {
            let aws = Aws::open(site).await?;
            Ok(aws.outputs(&cfn::deployed(&aws.client, &aws.stack()).await?))
        }
        Part::Gcp => gcp::outputs(site, progress).await,
        Part::Foundation => terraform::outputs(site, part, progress).await,
    }
}
