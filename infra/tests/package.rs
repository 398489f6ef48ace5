//! Packaging real binaries.

use std::fs;
use std::path::Path;

use infra::package::{BinDirs, Destination, Digest, Error, Manifest, Service, package_all};

const BINARIES: [&str; 5] =
    ["aws-ingest", "gcp-ingest", "aws-replicate", "gcp-replicate", "producer"];

/// A release folder whose binaries are this very test: real ELF files that fit this machine.
fn bin_dir(folder: &Path) {
    for name in BINARIES {
        fs::copy("/proc/self/exe", folder.join(name)).expect("copy");
    }
}

#[test]
fn two_runs_give_the_same_bytes_and_the_manifest_tells_the_truth() {
    let (bins, out) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    // A small binary: best compression is slow in a build that isn't optimised.
    if !compile_small(bins.path(), &["-static"]) {
        return;
    }
    let first =
        package_all(both(bins.path()), None, Destination::Clouds, out.path()).expect("package");
    let second = package_all(both(bins.path()), None, Destination::Clouds, out.path())
        .expect("package again");
    assert_eq!(first, second);
    assert_eq!(Manifest::read(out.path()).expect("read"), first);

    let names: Vec<&str> = first.artifacts.iter().map(|artifact| artifact.path.as_str()).collect();
    assert_eq!(
        names,
        [
            "aws/ingest.zip",
            "aws/replicate.zip",
            "gcp/ingest/ingest",
            "gcp/replicate/replicate",
            "host/producer/producer"
        ]
    );
    for artifact in &first.artifacts {
        let digest = Digest::of_file(&out.path().join(&artifact.path)).expect("read");
        assert_eq!((digest.bytes, &digest.sha256), (artifact.bytes, &artifact.sha256));
    }
    for service in Service::ALL {
        let image = service.layout(out.path()).read().expect("read the image");
        let artifact = first.artifact(service.binary).expect("the service is in the manifest");
        assert_eq!(artifact.image_digest.as_deref(), Some(image.digest()));
        assert_eq!(artifact.glibc_max, None, "it is static");
    }
}

#[test]
fn a_service_that_needs_a_c_library_is_refused() {
    let (bins, out) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    if !compile_small(bins.path(), &[]) {
        return;
    }
    let error = package_all(both(bins.path()), None, Destination::Clouds, out.path())
        .expect_err("it is dynamic");
    assert!(matches!(error, Error::Dynamic { .. }), "{error}");
    assert!(error.is_environment());
}

#[test]
fn for_emulators_on_this_machine_a_dynamic_service_is_packed_and_gets_no_image() {
    let (bins, out) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    if !compile_small(bins.path(), &["-static"]) {
        return;
    }
    let pack = || package_all(both(bins.path()), None, Destination::ThisMachine, out.path());
    assert!(pack().expect("package").artifacts[2].image_digest.is_some(), "static ones have one");
    compile_small(bins.path(), &[]);
    let manifest = pack().expect("package what is dynamic");
    for service in Service::ALL {
        let artifact = manifest.artifact(service.binary).expect("the service is in the manifest");
        assert_eq!(artifact.image_digest, None);
        assert!(out.path().join(service.program()).is_file());
        assert!(
            service.layout(out.path()).read().is_err(),
            "the image of the build before is gone"
        );
    }
}

fn both(bins: &Path) -> BinDirs<'_> {
    BinDirs { lambda: bins, services: bins }
}

#[test]
fn a_missing_binary_says_how_to_build_it() {
    let (bins, out) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    bin_dir(bins.path());
    fs::remove_file(bins.path().join("aws-ingest")).expect("remove");
    let error = package_all(both(bins.path()), None, Destination::Clouds, out.path())
        .expect_err("no binary");
    assert!(matches!(error, Error::NoBinary { name: "aws-ingest", .. }), "{error}");
    assert!(error.is_environment());
}

#[test]
fn a_manifest_of_another_kind_is_refused() {
    let out = tempfile::tempdir().expect("folder");
    fs::write(out.path().join(Manifest::FILE), r#"{"schema":1,"artifacts":[],"extra":0}"#)
        .expect("write");
    let error = Manifest::read(out.path()).expect_err("unknown field");
    assert!(matches!(error, Error::Manifest { .. }), "{error}");
}

fn compile_small(folder: &Path, for_services: &[&str]) -> bool {
    let source = folder.join("main.c");
    fs::write(&source, "int main(void) { return 0; }").expect("write");
    let built = BINARIES.iter().all(|name| {
        let output = folder.join(name);
        let options = if name.starts_with("aws-") { &[] } else { for_services };
        std::process::Command::new("cc")
            .args(options)
            .arg("-o")
            .args([&output, &source])
            .status()
            .is_ok_and(|status| status.success())
    });
    if !built {
        eprintln!("skipped: no C compiler");
    }
    built
}
