//! `deploy image`: pushes the services' images to a registry.

use std::process::ExitCode;

use args::{ImageCommand, PushImages};
use deploy::images;
use infra::package::image::Repository;

use crate::{ENVIRONMENT, USAGE, failed, root};

pub(crate) fn run(args: &args::Image) -> ExitCode {
    match &args.command {
        ImageCommand::Push(args) => push(args),
    }
}

fn push(args: &PushImages) -> ExitCode {
    let to: Repository = match args.to.parse() {
        Ok(to) => to,
        Err(error) => return failed(&error, USAGE),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error, ENVIRONMENT),
    };
    match runtime.block_on(images::push_services(&root::artifacts(), &to)) {
        Ok(pushed) if args.json => println!("{}", serde_json::json!(pushed)),
        Ok(pushed) => {
            for service in pushed {
                println!("{}", service.image);
            }
        }
        Err(error) => {
            let code = if error.is_environment() { ENVIRONMENT } else { 1 };
            return failed(&error, code);
        }
    }
    ExitCode::SUCCESS
}
