//! `cargo xtask doctor`.

use toolbox::{Env, Item, Report};

use crate::exit::Failure;

pub(crate) fn run(args: &args::Doctor) -> Result<(), Failure> {
    let env = Env::from_process();
    let mut report = Report::collect(&env);
    report.items.extend(toolbox::github::item(&env));
    if args.json {
        let json = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::missing(format!("write the report as JSON: {error}")))?;
        println!("{json}");
    } else {
        println!("{report}");
        println!("target processes:  {}", verdict(&report.processes_target()));
        println!("target containers: {}", verdict(&report.containers_target()));
    }
    Ok(())
}

/// The verdict on a target, with the missing tools.
fn verdict(target: &Result<(), Vec<&Item>>) -> String {
    let Err(missing) = target else { return "can be had".to_owned() };
    let names = missing.iter().map(|item| item.name.as_str());
    format!("can't be had without {}", names.collect::<Vec<_>>().join(", "))
}
