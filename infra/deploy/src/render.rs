//! `deploy render`: the values that Terraform, the stack and a shell take.

use std::path::PathBuf;
use std::process::ExitCode;

use infra::Settings;
use infra::files::{self, Known};
use serde_json::json;

use crate::{USAGE, failed, root};

pub(crate) fn run(args: &args::Render) -> ExitCode {
    let settings = match root::settings(args.env.as_deref(), &args.sets) {
        Ok(settings) => settings,
        Err(error) => return failed(&error, USAGE),
    };
    let known = Known::default();
    let rendered = match files::render(&settings, &known) {
        Ok(rendered) => rendered,
        Err(error) => return failed(&error, 1),
    };
    let folder = args.out.clone().unwrap_or_else(|| root::folder().join(files::folder(&settings)));
    match files::write(&rendered, &folder) {
        Ok(paths) => print(&settings, &paths, &known.missing(), args.json),
        Err(error) if error.is_usage() => return failed(&error, USAGE),
        Err(error) => return failed(&error, crate::ENVIRONMENT),
    }
    ExitCode::SUCCESS
}

fn print(settings: &Settings, paths: &[PathBuf], missing: &[&str], json: bool) {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    if json {
        let environment = &settings.project.environment;
        println!(
            "{}",
            json!({ "environment": environment, "files": paths, "not_known_yet": missing })
        );
        return;
    }
    for path in paths {
        println!("{path}");
    }
    for what in missing {
        eprintln!("note: not known yet, so null or left out: {what}");
    }
}
