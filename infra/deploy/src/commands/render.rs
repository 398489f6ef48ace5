//! `cargo xtask render`: writes the values for Terraform, the stack and a shell.

use std::path::PathBuf;

use args::{DeployTarget, Place, Render};
use infra::files;
use infra::{Checkout, Settings};
use serde_json::json;

use super::known;
use super::site::DeployContext;
use cli::Failure;

pub(super) fn run(args: &Render, checkout: &Checkout) -> Result<(), Failure> {
    let target = DeployTarget::Cloud;
    let place = Place { env: args.env.clone(), sets: args.sets.clone(), target };
    let site = DeployContext::open(&place, checkout)?;
    let known = known::known(&site)?;
    let rendered = files::render(&site.settings, &known)?;
    let folder = args.out.clone();
    let folder = folder.unwrap_or_else(|| checkout.root.join(files::folder(&site.settings)));
    let paths = files::write(&rendered, &folder).map_err(|error| {
        if error.is_usage() { Failure::usage(error) } else { Failure::missing(error) }
    })?;
    print(&site.settings, &paths, &known.missing(), args.json);
    Ok(())
}

fn print(settings: &Settings, paths: &[PathBuf], missing: &[&str], json: bool) {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    if json {
        let environment = &settings.project.environment;
        let github = json!({
            "deploy": settings.github_deploy_subjects(),
            "plan": settings.github_plan_subjects(),
        });
        println!(
            "{}",
            json!({ "environment": environment, "files": paths, "not_known_yet": missing, "github": github })
        );
        return;
    }
    for path in paths {
        println!("{path}");
    }
    let jobs =
        [("deploy", settings.github_deploy_subjects()), ("plan", settings.github_plan_subjects())];
    for (deed, subject) in
        jobs.iter().flat_map(|(deed, all)| all.iter().map(move |one| (deed, one)))
    {
        eprintln!("note: a job of GitHub may {deed} as {subject}");
    }
    for what in missing {
        eprintln!("note: not known yet, so null or left out: {what}");
    }
}
