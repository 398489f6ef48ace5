//! `cargo xtask` on a checkout of a release uses its programs instead of compiling them, and compiles any program that differs
//! from the released one. The releases are on a server on loopback; cargo and rustc are scripts.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use test_checkout::{FileServer, Ran};
use toolbox::release::{SUMS, TARGETS, VARIABLE};
use toolbox::verify::sha256;

const FILE: &str = "/v1.2.3/sim-x86_64-unknown-linux-gnu.gz";
/// A replacement for the program of simulated clouds.
const SIM: &str = "#!/bin/sh\necho \"released sim: $@\"\n";
const RUSTC: &str = "#!/bin/sh\necho 'host: x86_64-unknown-linux-gnu'\n";

/// A checkout at the tag `v1.2.3`, and the server of its release.
struct Released {
    folder: tempfile::TempDir,
    server: FileServer,
}

impl Released {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let released = Self { folder, server: FileServer::new() };
        released.script("bin/rustc", RUSTC);
        let compiles =
            format!("#!/bin/sh\necho \"$@\" >> {}\nexit 1\n", released.path("compiled").display());
        released.script("bin/cargo", &compiles);
        fs::create_dir_all(released.path("checkout/xtask")).expect("create");
        fs::write(released.path("checkout/twincloud.toml"), "").expect("write");
        released.git(&["init", "--quiet"]);
        released.git(&["add", "."]);
        released.git(&["commit", "--quiet", "--message", "first"]);
        released.git(&["tag", "v1.2.3"]);
        released.publish(SIM);
        released
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("create");
        fs::write(&path, text).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
    }

    fn git(&self, words: &[&str]) {
        let mut git = Command::new("git");
        git.args([
            "-c",
            "user.name=n",
            "-c",
            "user.email=e@example.com",
            "-c",
            "commit.gpgsign=false",
        ]);
        let output = git.args(words).current_dir(self.path("checkout")).output().expect("git runs");
        assert!(output.status.success(), "{output:?}");
    }

    /// Serves this program and the list of sums.
    fn publish(&self, sim: &str) {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(sim.as_bytes()).expect("packed");
        let gz = gz.finish().expect("packed");
        let list = format!("{}  sim-x86_64-unknown-linux-gnu.gz\n", sha256(&gz));
        self.server.put(FILE, gz);
        self.server.put(&format!("/v1.2.3/{SUMS}"), list);
    }

    fn run_with(&self, releases: &str) -> Ran {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.args(["e2e", "--target", "sim"]).current_dir(self.path("checkout"));
        xtask.env("CARGO_MANIFEST_DIR", self.path("checkout/xtask"));
        xtask.env("CARGO", self.path("bin/cargo")).env("RUSTC", self.path("bin/rustc"));
        xtask.env("TWINCLOUD_CACHE", self.path("cache")).env(VARIABLE, releases);
        Ran::of(&xtask.output().expect("it runs"))
    }

    fn run(&self) -> Ran {
        self.run_with(&self.server.address)
    }

    /// The calls of cargo since the last check.
    fn compiled(&self) -> Option<String> {
        let calls = fs::read_to_string(self.path("compiled")).ok();
        let _ = fs::remove_file(self.path("compiled"));
        calls
    }

    /// Panics unless the program was compiled, with one line that explains why the release was not used.
    #[track_caller]
    fn assert_compiles(&self, because: &str) {
        let ran = self.run();
        let compiled = self.compiled().expect("cargo is called");
        assert!(compiled.starts_with("build --package sim"), "{compiled}");
        let said: Vec<_> = ran.stderr.lines().filter(|line| line.starts_with("note: ")).collect();
        assert!(said.len() == 1 && said[0].contains(because), "{}", ran.stderr);
        ran.assert_code(3);
    }
}

#[test]
fn the_programs_of_a_release_are_taken_and_a_line_says_so() {
    let released = Released::new();
    for _ in 0..2 {
        let ran = released.run();
        ran.assert_code(0);
        assert_eq!(ran.stdout, "released sim: e2e --target sim\n", "with our own arguments");
        let said: Vec<_> = ran.stderr.lines().filter(|line| line.starts_with("taken")).collect();
        let [said] = said[..] else { panic!("one line says it: {}", ran.stderr) };
        let expected = format!(
            "taken, not compiled: sim of release v1.2.3 from {}/v1.2.3, ",
            released.server.address
        );
        assert!(said.starts_with(&expected) && said.contains("TWINCLOUD_RELEASES=off"), "{said}");
        assert_eq!(released.compiled(), None);
    }
    assert_eq!(released.server.asked().len(), 2, "the list and the program, once");
}

#[test]
fn a_program_that_is_wrong_cut_off_or_absent_is_compiled() {
    let released = Released::new();
    let right = released.server.content(FILE);
    released.server.put(FILE, [&right[..], b"more"].concat());
    released.assert_compiles("and SHA256SUMS names ");
    released.server.put(FILE, right.clone());
    released.server.cut(FILE, right.len() / 2);
    released.assert_compiles("sim of release v1.2.3 can't be taken, so it is compiled");
    released.server.remove(FILE);
    released.assert_compiles("404");
    released.server.put(FILE, right);
    released.run().assert_code(0);
}

#[test]
fn a_changed_checkout_and_one_that_is_no_release_are_compiled_without_a_call() {
    let released = Released::new();
    fs::write(released.path("checkout/twincloud.toml"), "# changed\n").expect("write");
    released.assert_compiles("this is release v1.2.3 with changes, such as in twincloud.toml");
    released.git(&["commit", "--quiet", "--all", "--message", "second"]);
    let ran = released.run();
    assert!(released.compiled().is_some() && !ran.stderr.contains("release"), "{}", ran.stderr);
    assert_eq!(released.server.asked().len(), 0);
}

#[test]
fn a_variable_turns_it_off() {
    let released = Released::new();
    let ran = released.run_with("off");
    assert!(released.compiled().is_some() && !ran.stderr.contains("release"), "{}", ran.stderr);
    assert_eq!(released.server.asked().len(), 0);
}

/// The programs that the workflow packs are the ones that are used, under the same names.
#[test]
fn a_release_has_every_program_that_is_taken() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let source = fs::read_to_string(root.join("xtask/src/release.rs")).expect("read");
    let mut names = BTreeSet::new();
    for constant in ["SIM", "TOOLS", "FUNCTIONS"] {
        let after = source.split(&format!("const {constant}: ")).nth(1).expect("the constant");
        let list =
            after.split_once('=').and_then(|(_, list)| list.split_once(';')).expect("a list").0;
        names.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    assert!(names.len() > 8, "{names:?}");

    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("create");
        fs::write(path, text).expect("write");
    };
    for target in TARGETS {
        // Only those of cargo's folders that the script reads are created.
        for name in ["deploy", "harness", "operate", "sim"] {
            write(&format!("target/release/{name}"), &format!("tool {name}"));
        }
        for name in ["aws-ingest", "aws-replicate", "gcp-ingest", "gcp-replicate", "producer"] {
            write(&format!("target/{target}/function/{name}"), &format!("function {name}"));
        }
        write("target/artifacts/manifest.json", "{}");
        write(".ci/release", &fs::read_to_string(root.join(".ci/release")).expect("the script"));
        let mut pack = Command::new("bash");
        pack.arg(folder.path().join(".ci/release")).args([target, "release"]);
        let output = pack.env_remove("CARGO_TARGET_DIR").output().expect("bash runs");
        assert!(output.status.success(), "{output:?}");
        for name in &names {
            let packed = folder.path().join(format!("release/{name}-{target}.gz"));
            let mut content = String::new();
            let packed = fs::File::open(&packed).unwrap_or_else(|error| panic!("{name}: {error}"));
            GzDecoder::new(packed).read_to_string(&mut content).expect("it is packed");
            assert!(content.ends_with(&format!(" {name}")), "{name}: {content}");
        }
        assert!(folder.path().join(format!("release/artifacts-{target}.tar.gz")).is_file());
    }
    let mut sums = Command::new("bash");
    sums.args(["-c", "sha256sum -- *.gz > SHA256SUMS"]).current_dir(folder.path().join("release"));
    assert!(sums.status().expect("bash runs").success());
    let workflow = fs::read_to_string(root.join(".github/workflows/release.yml")).expect("read");
    assert!(workflow.contains("run: sha256sum -- *.gz > SHA256SUMS"), "as the workflow makes it");
    let sums = fs::read_to_string(folder.path().join("release/SHA256SUMS")).expect("the list");
    assert_eq!(sums.lines().count(), 2 * (names.len() + 1), "{sums}");
    assert!(
        sums.lines().all(|line| line.split_once("  ").is_some_and(|(hash, _)| hash.len() == 64))
    );
}
