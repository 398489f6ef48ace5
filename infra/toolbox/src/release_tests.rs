//! Releases from a server on loopback, in checkouts that git made.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use test_checkout::FileServer;

use super::*;
use crate::Platform;
use crate::testing::Machine;

const TARGET: &str = TARGETS[0];
const HELP: &str = "#!/bin/sh\necho help\n";

/// The path of a file of the release on the server.
fn path(name: &str) -> String {
    format!("/v1.2.3/{name}")
}

/// Serves programs and the list of their sums.
fn publish(server: &FileServer, programs: &[(&str, &str)]) {
    let mut list = String::new();
    for (name, content) in programs {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(content.as_bytes()).expect("packed");
        let gz = gz.finish().expect("packed");
        writeln!(list, "{}  {name}-{TARGET}.gz", verify::sha256(&gz)).expect("written");
        server.put(&path(&format!("{name}-{TARGET}.gz")), gz);
    }
    server.put(&path(SUMS), list);
}

/// A machine with git and curl, a checkout on it, and a server of releases; `None` if a program is missing.
struct Fixture {
    machine: Machine,
    server: FileServer,
    env: Env,
}

impl Fixture {
    fn new() -> Option<Self> {
        let this = Env::from_process();
        let machine = Machine::new();
        for program in ["git", "curl"] {
            let Some(found) = this.which(program) else {
                eprintln!("skipped: no {program}");
                return None;
            };
            std::os::unix::fs::symlink(found, machine.path("bin").join(program)).expect("link");
        }
        let server = FileServer::new();
        let env = machine.env().with(VARIABLE, &server.address).with("GIT_CONFIG_NOSYSTEM", "1");
        let fixture = Self { machine, server, env };
        fixture.machine.file("checkout/a.rs", "fn a() {}\n");
        fixture.git(&["init", "--quiet"]);
        fixture.git(&["add", "."]);
        fixture.commit("first");
        Some(fixture)
    }

    /// At the tag `v1.2.3`, with a release of the program `tool`.
    fn released() -> Option<Self> {
        let fixture = Self::new()?;
        fixture.git(&["tag", "v1.2.3"]);
        publish(&fixture.server, &[("tool", HELP), ("function", "#!/bin/sh\nexit 9\n")]);
        Some(fixture)
    }

    fn git(&self, words: &[&str]) {
        let mut git = self.env.command(&self.machine.path("bin/git"));
        git.arg("-C").arg(self.machine.path("checkout"));
        git.args([
            "-c",
            "user.name=n",
            "-c",
            "user.email=e@example.com",
            "-c",
            "commit.gpgsign=false",
        ]);
        let output = process::run(git.args(words), GIT_LIMIT).expect("git runs");
        assert!(output.success, "git {words:?}: {}", output.stderr);
    }

    fn commit(&self, what: &str) {
        self.git(&["commit", "--quiet", "--message", what]);
    }

    fn look(&self, env: &Env) -> Checkout {
        of_checkout(env, &self.machine.path("checkout"))
    }

    fn take_by(&self, env: &Env, names: &[&str]) -> Result<Taken, ReleaseError> {
        let Checkout::Unchanged(release) = self.look(env) else { panic!("{:?}", self.look(env)) };
        let cache = Cache::locate(env).expect("a cache");
        release.take(env, &cache, TARGET, names, |name| name == "tool", |_| ())
    }

    fn take(&self, names: &[&str]) -> Result<Taken, ReleaseError> {
        self.take_by(&self.env, names)
    }
}

#[test]
fn programs_with_the_right_hash_are_taken_once() {
    let Some(fixture) = Fixture::released() else { return };
    let taken = fixture.take(&["tool", "function"]).expect("taken");
    assert_eq!(taken.from, format!("{}/v1.2.3", fixture.server.address));
    assert_eq!(fs::read_to_string(taken.folder.join("tool")).expect("unpacked"), HELP);
    assert!(crate::env::is_executable(&taken.folder.join("function")));
    assert_eq!(fixture.server.asked().len(), 3, "the list and both");
    fixture.take(&["tool"]).expect("from the cache");
    assert_eq!(fixture.server.asked().len(), 3, "no call to the server");
    fs::write(taken.folder.join("tool"), "#!/bin/sh\necho another\n").expect("write");
    fixture.take(&["tool"]).expect("taken");
    assert_eq!(fixture.server.asked().len(), 4, "a program that was changed is fetched again");
    assert_eq!(fs::read_to_string(taken.folder.join("tool")).expect("unpacked"), HELP);
}

#[test]
fn what_is_wrong_cut_off_or_absent_is_not_taken() {
    let Some(fixture) = Fixture::released() else { return };
    let file = format!("tool-{TARGET}.gz");
    let why = |fixture: &Fixture| fixture.take(&["tool"]).expect_err("not taken").to_string();
    let right = fixture.server.content(&path(&file));

    let mut wrong = right.clone();
    wrong.extend(*b"more");
    fixture.server.put(&path(&file), wrong);
    let said = why(&fixture);
    assert!(said.contains("and SHA256SUMS names ") && said.contains(&file), "{said}");

    fixture.server.put(&path(&file), right.clone());
    fixture.server.cut(&path(&file), right.len() / 2);
    let said = why(&fixture);
    assert!(said.starts_with("fetch http://127.0.0.1:") && said.contains(&file), "{said}");

    fixture.server.remove(&path(&file));
    let said = why(&fixture);
    assert!(said.contains("404"), "{said}");

    fixture.server.put(&path(&file), right);
    fixture.take(&["tool"]).expect("no trace is left of those");
    let said = fixture.take(&["other"]).expect_err("not in the list").to_string();
    assert!(said.contains("names no other-x86_64-unknown-linux-gnu.gz"), "{said}");
}

#[test]
fn a_list_that_is_wrong_cut_off_or_absent_is_not_used() {
    let Some(fixture) = Fixture::released() else { return };
    let list = fixture.server.content(&path(SUMS));
    let why = |fixture: &Fixture| fixture.take(&["tool"]).expect_err("not taken").to_string();
    // A proxy's sign-in page, and a truncated list whose transfer seems complete.
    for content in [&b"<html>sign in</html>\n"[..], &list[..list.len() - 20]] {
        fixture.server.put(&path(SUMS), content.to_vec());
        let said = why(&fixture);
        assert!(said.contains("is no list of SHA-256 sums, or is not complete"), "{said}");
    }
    fixture.server.put(&path(SUMS), list.clone());
    fixture.server.cut(&path(SUMS), list.len() / 2);
    assert!(why(&fixture).starts_with("fetch "), "{}", why(&fixture));
    fixture.server.remove(&path(SUMS));
    assert!(why(&fixture).contains("404"), "{}", why(&fixture));
    fixture.server.put(&path(SUMS), list);
    fixture.take(&["tool"]).expect("no trace is left of those");
}

#[test]
fn a_tool_that_does_not_start_here_is_not_taken() {
    let Some(fixture) = Fixture::released() else { return };
    let broken = "#!/bin/sh\necho 'GLIBC_9.99 not found' >&2\nexit 1\n";
    publish(&fixture.server, &[("tool", broken)]);
    let said = fixture.take(&["tool"]).expect_err("not taken").to_string();
    assert_eq!(said, "tool does not run on this machine: GLIBC_9.99 not found");
}

#[test]
fn only_an_unchanged_checkout_of_a_tag_is_a_release() {
    let Some(fixture) = Fixture::new() else { return };
    let env = &fixture.env;
    assert_eq!(fixture.look(env), Checkout::NoRelease, "no tag");
    fixture.git(&["tag", "nightly"]);
    fixture.git(&["tag", "v1/x"]);
    assert_eq!(fixture.look(env), Checkout::NoRelease, "no tag of a release");
    fixture.git(&["tag", "v1.2.3"]);
    assert!(matches!(fixture.look(env), Checkout::Unchanged(release) if release.tag == "v1.2.3"));
    assert_eq!(fixture.look(&env.clone().with(VARIABLE, "off")), Checkout::NoRelease);
    assert_eq!(fixture.look(&env.clone().without(VARIABLE)), Checkout::NoRelease, "no origin");
    let changed =
        |example: &str| Checkout::Changed { tag: "v1.2.3".to_owned(), example: example.to_owned() };
    fixture.machine.file("checkout/b.rs", "");
    assert_eq!(fixture.look(env), changed("b.rs"));
    fs::remove_file(fixture.machine.path("checkout/b.rs")).expect("remove");
    fixture.machine.file("checkout/a.rs", "fn b() {}\n");
    assert_eq!(fixture.look(env), changed("a.rs"));
    fixture.git(&["add", "."]);
    fixture.commit("second");
    assert_eq!(fixture.look(env), Checkout::NoRelease, "a commit after the tag");
    assert_eq!(fixture.look(&Env::empty(Platform::Debian)), Checkout::NoRelease, "no git");
    assert_eq!(fixture.server.asked().len(), 0, "a look asks no server");
}

#[test]
fn releases_are_where_the_origin_is_on_github() {
    let Some(fixture) = Fixture::released() else { return };
    fixture.git(&["remote", "add", "origin", "git@github.com:octo/cat.git"]);
    let Checkout::Unchanged(release) = fixture.look(&fixture.env.clone().without(VARIABLE)) else {
        panic!("it is a release")
    };
    assert_eq!(release.from, "https://github.com/octo/cat/releases/download/v1.2.3");
    for (url, repository) in [
        ("https://github.com/octo/cat", Some("octo/cat")),
        ("https://github.com/octo/cat.git/", Some("octo/cat")),
        ("ssh://git@github.com/octo/cat.git", Some("octo/cat")),
        ("https://github.com.example/octo/cat", None),
        ("https://github.com/octo/cat/more", None),
        ("https://gitlab.com/octo/cat", None),
        ("/srv/git/cat", None),
    ] {
        assert_eq!(on_github(url).as_deref(), repository, "{url}");
    }
}

#[test]
fn an_attestation_is_asked_for_where_gh_is_signed_in_and_a_refusal_counts() {
    let Some(fixture) = Fixture::released() else { return };
    let taken = fixture.take(&["tool"]).expect("taken");
    assert!(matches!(taken.attested, Attested::NotAsked(why) if why.contains("origin")));
    fixture.git(&["remote", "add", "origin", "https://github.com/octo/cat"]);
    let attested = |fixture: &Fixture| fixture.take(&["tool"]).map(|taken| taken.attested);
    assert_eq!(attested(&fixture).expect("taken"), Attested::NotAsked("no gh on PATH"));
    fixture.machine.script("bin/gh", "exit 1");
    assert_eq!(attested(&fixture).expect("taken"), Attested::NotAsked("gh is not signed in"));

    fixture.machine.script("bin/gh", "[ \"$1\" = auth ] || { echo 'no attestation' >&2; exit 1; }");
    let refused = attested(&fixture).expect_err("refused").to_string();
    assert!(refused.ends_with("for this commit: no attestation"), "{refused}");

    let words = fixture.machine.path("words");
    let body = format!("[ \"$1\" = auth ] || echo \"$@\" >> {}", words.display());
    fixture.machine.script("bin/gh", &body);
    assert_eq!(attested(&fixture).expect("taken"), Attested::Yes);
    assert_eq!(attested(&fixture).expect("taken"), Attested::Yes);
    let words = fs::read_to_string(words).expect("gh was asked");
    let Checkout::Unchanged(release) = fixture.look(&fixture.env) else { panic!("a release") };
    let expected = format!(
        "SHA256SUMS --repo octo/cat --source-digest {} --signer-workflow octo/cat/.github/workflows/release.yml\n",
        release.commit
    );
    assert!(words.starts_with("attestation verify ") && words.ends_with(&expected), "{words}");
    assert_eq!(words.lines().count(), 1, "once for a list");
}
