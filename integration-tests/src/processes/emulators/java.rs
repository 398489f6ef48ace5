//! What both of Google's Java emulators have in common.

use std::ffi::OsString;
use std::path::Path;

use super::Context;
use crate::processes::supervised::Spec;

/// A heap that is bounded, and a start that is quick on two cores: both emulators answer about a third sooner with
/// these than without. What is lost, peak speed after minutes of load, no run is long enough to see.
const OPTIONS: [&str; 5] =
    ["-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.language=en"];

/// A process of the Java runtime, which writes nothing outside of `folder`.
pub(super) fn spec(context: &Context, name: &str, folder: &Path) -> Spec {
    let option = |name: &str| {
        let mut option = OsString::from(name);
        option.push(folder);
        option
    };
    Spec::new(name, &context.tools.java, &context.launch.run_dir)
        .args(OPTIONS)
        // Else it leaves a file in /tmp/hsperfdata_<user>.
        .args(["-XX:-UsePerfData"])
        .args([option("-Djava.io.tmpdir="), option("-Duser.home=")])
        .env("HOME", folder)
        .env("TMPDIR", folder)
}
