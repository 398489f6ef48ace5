//! Checks that programs can be linked statically, as all deployed programs are.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::programs::how_to_get_linux;
use crate::{Env, Platform, process};

const LIMIT: Duration = Duration::from_secs(30);
/// As the compiler links such a binary: at a fixed address, together with libm.
const FLAGS: [&str; 6] = ["-static", "-no-pie", "-x", "c", "-o", "program"];
/// Needs libc and libm at link time, even if the compiler evaluates constants.
const PROGRAM: &str = "#include <math.h>\n#include <stdio.h>\n\
     int main(int argc, char **argv) { return printf(\"%f\\n\", cos((double)argc)) < 0; }\n";

/// Links a small program statically, and returns the compiler that did. The error names the missing part.
pub fn find(env: &Env) -> Result<PathBuf, String> {
    let compiler = env.which("cc").ok_or_else(|| "no cc on PATH".to_owned())?;
    let shown = compiler.display();
    let folder =
        tempfile::tempdir().map_err(|error| format!("make a temporary folder: {error}"))?;
    fs::write(folder.path().join("main.c"), PROGRAM)
        .map_err(|error| format!("write into {}: {error}", folder.path().display()))?;
    let mut command = env.command(&compiler);
    command.current_dir(folder.path()).args(FLAGS).args(["main.c", "-lm"]);
    let output = process::run(&mut command, LIMIT).map_err(|error| error.to_string())?;
    if output.success {
        return Ok(compiler);
    }
    let said = format!("{}\n{}", output.stdout, output.stderr);
    Err(format!("{shown} -static: {}", reason(&said).unwrap_or_else(|| output.first_line())))
}

/// The line of a compiler's or linker's output that names the missing part.
fn reason(said: &str) -> Option<&str> {
    let telling = ["cannot find", "undefined reference", "error"];
    telling
        .into_iter()
        .find_map(|words| said.lines().map(str::trim).find(|line| line.contains(words)))
}

/// The package that has the static C library.
#[must_use]
pub fn how_to_get(platform: Platform) -> String {
    match platform {
        Platform::Debian => "sudo apt install libc6-dev".to_owned(),
        Platform::Fedora => "sudo dnf install glibc-static".to_owned(),
        Platform::Suse => "sudo zypper install glibc-devel-static".to_owned(),
        Platform::MacOs | Platform::Windows | Platform::Other => how_to_get_linux(),
        Platform::OtherLinux => {
            "your distribution's static C library, libc.a and libm.a (Debian: libc6-dev, Fedora: glibc-static, \
             openSUSE: glibc-devel-static)"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    #[test]
    fn a_compiler_without_the_library_says_which_one_it_lacks() {
        let machine = Machine::new();
        assert_eq!(find(&machine.env()), Err("no cc on PATH".to_owned()));
        let lacks = "echo 'main.c: In function main:' >&2; echo '/usr/bin/ld: cannot find -lm: No such file' >&2; exit 1";
        let compiler =
            machine.script("bin/cc", &format!("case \"$*\" in *-static*main.c*) {lacks};; esac"));
        let why = find(&machine.env()).expect_err("no libm.a");
        let shown = compiler.display();
        assert_eq!(why, format!("{shown} -static: /usr/bin/ld: cannot find -lm: No such file"));
        let empty = "/usr/bin/ld: main.c:(.text+0x2b): undefined reference to `printf'\ncollect2: error: ld returned 1";
        assert!(reason(empty).is_some_and(|line| line.contains("`printf'")), "an empty library");
        machine.script("bin/cc", "exit 0");
        assert_eq!(find(&machine.env()), Ok(compiler));
    }

    #[test]
    fn the_compiler_of_this_machine_is_asked() {
        let env = Env::from_process();
        if env.which("cc").is_none() {
            eprintln!("skipped: no C compiler");
            return;
        }
        // With or without the library: the error must be about the library, not about the program.
        match find(&env) {
            Ok(compiler) => assert!(compiler.ends_with("cc"), "{}", compiler.display()),
            Err(why) => {
                let of_library = ["cannot find", "undefined reference"];
                assert!(of_library.iter().any(|words| why.contains(words)), "{why}");
            }
        }
    }

    #[test]
    fn each_distribution_has_a_package() {
        assert!(how_to_get(Platform::Fedora).ends_with("dnf install glibc-static"));
        assert!(how_to_get(Platform::Suse).ends_with("zypper install glibc-devel-static"));
        assert!(how_to_get(Platform::Debian).ends_with("apt install libc6-dev"));
    }
}
