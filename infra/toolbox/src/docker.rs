//! The address of the container engine: from `DOCKER_HOST`, or from the context that Docker's command line
//! uses.
//!
//! Docker's own command line knows contexts; the library that starts the containers only reads `DOCKER_HOST`.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::{Env, verify};

/// Docker's own context, with the usual socket.
const DEFAULT: &str = "default";

/// The engine's address, if it is not Docker's default.
#[must_use]
pub fn host(env: &Env) -> Option<String> {
    match env.var("DOCKER_HOST") {
        Some(host) if !host.is_empty() => Some(host.to_string_lossy().into_owned()),
        _ => of_context(env),
    }
}

/// The reason why containers of the engine at `host` can't be reached on this machine's loopback, if there is
/// one.
pub(crate) fn elsewhere(host: &str) -> Option<String> {
    let (scheme, rest) = host.split_once("://").unwrap_or(("", host));
    let is_here = match scheme {
        "unix" | "npipe" | "fd" => true,
        "tcp" | "http" | "https" => {
            ["127.0.0.1", "localhost", "[::1]"].iter().any(|here| rest.starts_with(here))
        }
        _ => false,
    };
    (!is_here).then(|| {
        format!("its engine is at {host}, and containers are reached by ports of this machine")
    })
}

/// The address in the context chosen by a variable or by `docker context use`.
fn of_context(env: &Env) -> Option<String> {
    let folder = env.path_var("DOCKER_CONFIG").or_else(|| Some(env.home()?.join(".docker")))?;
    let by_variable = env.var("DOCKER_CONTEXT").filter(|name| !name.is_empty());
    let name = match by_variable {
        Some(name) => name.to_string_lossy().into_owned(),
        None => text(&read(folder.join("config.json"))?, "/currentContext")?,
    };
    if name == DEFAULT {
        return None;
    }
    let meta = folder.join("contexts/meta").join(verify::sha256(name.as_bytes()));
    text(&read(meta.join("meta.json"))?, "/Endpoints/docker/Host")
}

fn read(path: PathBuf) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn text(json: &Value, pointer: &str) -> Option<String> {
    let text = json.pointer(pointer)?.as_str().filter(|text| !text.is_empty())?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    #[test]
    fn the_context_that_is_in_use_gives_the_address() {
        let machine = Machine::new();
        assert_eq!(host(&machine.env()), None);
        let meta = format!("home/.docker/contexts/meta/{}/meta.json", verify::sha256(b"rootless"));
        machine.file(
            &meta,
            r#"{"Name":"rootless","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///run/user/1000/docker.sock","SkipTLSVerify":false}}}"#,
        );
        assert_eq!(host(&machine.env()), None, "no context is in use");
        let socket = Some("unix:///run/user/1000/docker.sock".to_owned());
        assert_eq!(host(&machine.env().with("DOCKER_CONTEXT", "rootless")), socket);
        machine.file("home/.docker/config.json", r#"{"auths":{},"currentContext":"rootless"}"#);
        assert_eq!(host(&machine.env()), socket);
        assert_eq!(host(&machine.env().with("DOCKER_CONTEXT", "default")), None);
        let env = machine.env().with("DOCKER_HOST", "tcp://127.0.0.1:2375");
        assert_eq!(host(&env).as_deref(), Some("tcp://127.0.0.1:2375"), "the variable wins");
        machine.file("home/.docker/config.json", "{}");
        assert_eq!(host(&machine.env()), None);
    }

    #[test]
    fn an_engine_on_another_machine_is_told_from_one_here() {
        for here in ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2375"]
        {
            assert_eq!(elsewhere(here), None);
        }
        for there in ["ssh://me@build.example", "tcp://10.0.0.7:2376"] {
            assert!(elsewhere(there).is_some_and(|why| why.contains(there)), "{there}");
        }
    }
}
