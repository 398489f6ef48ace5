//! The systemd unit of the producer, and the environment file that is rendered for it.

use std::path::Path;
use std::process::Command;

use infra::Settings;
use infra::files::{self, ResolvedOutputs};

const UNIT: &str = include_str!("../producer/twincloud-producer.service");

/// Replaces the path of the program, which `systemd-analyze` requires to exist.
#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("twincloud-producer.service");
    let unit = UNIT.replace("/usr/local/bin/twincloud-producer", "/bin/true");
    std::fs::write(&path, unit).expect("write");
    let Ok(output) = Command::new("systemd-analyze").arg("verify").arg(&path).output() else {
        eprintln!("skipped: no systemd-analyze");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    // Messages about other units of the machine are ignored.
    assert!(output.status.success() && !said.contains("twincloud"), "{said}");
}

#[test]
fn the_rendered_file_has_the_environment_without_quotes() {
    let text = include_str!("../../twincloud.toml");
    let settings =
        Settings::parse(Path::new("twincloud.toml"), text, Some("dev"), &[], std::iter::empty());
    let settings = settings.expect("valid");
    let rendered = files::render(&settings, &ResolvedOutputs::default()).expect("it renders");
    let file = rendered.iter().find(|file| file.path == "producer.env").expect("it is rendered");
    let lines = file.text.lines().filter(|line| !line.starts_with('#'));
    let read = lines.map(|line| line.split_once('=').expect("NAME=value"));
    let read: std::collections::BTreeMap<_, _> =
        read.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(read, settings.producer_env());
}
