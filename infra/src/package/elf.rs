//! Requirements of a Linux binary: the processor, and the version of the C library.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::elf::{self, VersionIndex};
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _, Sym as _};

use crate::settings::Architecture;

/// A version of the GNU C library. Compares as versions do: 2.9 is older than 2.34.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GlibcVersion(pub u32, pub u32);

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl GlibcVersion {
    /// Parses `GLIBC_2.34`, and `GLIBC_2.2.5` as 2.2.
    fn from_symbol_version(name: &str) -> Option<Self> {
        let mut numbers = name.strip_prefix("GLIBC_")?.split('.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next().unwrap_or("0").parse().ok()?;
        Some(Self(major, minor))
    }
}

/// The requirements of a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The processor.
    pub arch: Architecture,
    /// The C library.
    pub libc: Libc,
    /// The symbols used from each version of glibc.
    symbols: BTreeMap<GlibcVersion, BTreeSet<String>>,
}

/// The C library of a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    /// Linked statically; starts anywhere.
    Static,
    /// Needs a glibc of at least this version.
    Glibc(GlibcVersion),
    /// Dynamic, but without a version of glibc (musl, for one).
    Other,
}

/// The reason why a binary is rejected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("read the binary {}: {cause}", path.display())]
    Read {
        /// The binary.
        path: PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// The file isn't a 64-bit ELF file.
    #[error("{} isn't a 64-bit Linux binary: {cause}; build it for Linux", path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        cause: object::read::Error,
    },
    /// The binary is for a processor that neither cloud has.
    #[error("{} is for processor type {machine}; build it for x86_64 or aarch64", path.display())]
    Machine {
        /// The binary.
        path: PathBuf,
        /// ELF's number for the processor.
        machine: u16,
    },
    /// The binary needs a newer glibc than its platform has, and would not start there.
    #[error(
        "{} needs glibc {needed}, but where it runs there is {max}:\n{}\n\
         build it with `cargo xtask build`, which links it statically, \
         or on a distribution with glibc {max} or older",
        path.display(), listed(symbols)
    )]
    TooNew {
        /// The binary.
        path: PathBuf,
        /// The version that it needs.
        needed: GlibcVersion,
        /// The version on its platform.
        max: GlibcVersion,
        /// The symbols that need a newer version, by version. A version without symbols is required too.
        symbols: BTreeMap<GlibcVersion, BTreeSet<String>>,
    },
    /// The binary is dynamic, but not linked against glibc: its loader is missing on its platform.
    #[error(
        "{} is linked against a C library that is not glibc, and would not start where glibc is the only one; \
         build it with `cargo xtask build`, which links it statically",
        path.display()
    )]
    OtherLibc {
        /// The binary.
        path: PathBuf,
    },
}

fn listed(symbols: &BTreeMap<GlibcVersion, BTreeSet<String>>) -> String {
    let lines: Vec<String> = symbols
        .iter()
        .map(|(version, names)| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            match names.as_slice() {
                [] => format!("  GLIBC_{version}: the version itself, without a symbol"),
                names => format!("  GLIBC_{version}: {}", names.join(", ")),
            }
        })
        .collect();
    lines.join("\n")
}

/// Reads the requirements of the binary at `path`.
pub fn needs(path: &Path) -> Result<Needs, Error> {
    let data = std::fs::read(path).map_err(|cause| Error::Read { path: path.to_owned(), cause })?;
    let not_elf = |cause| Error::NotElf { path: path.to_owned(), cause };
    let file = ElfFile64::<Endianness>::parse(data.as_slice()).map_err(not_elf)?;
    let machine = file.elf_header().e_machine(file.endian());
    let arch = match machine {
        elf::EM_X86_64 => Architecture::X86_64,
        elf::EM_AARCH64 => Architecture::Arm64,
        other => {
            return Err(Error::Machine { path: path.to_owned(), machine: other.0 });
        }
    };
    let symbols = glibc_symbols(&file, &data).map_err(not_elf)?;
    let interpreted = file
        .elf_program_headers()
        .iter()
        .any(|header| header.p_type(file.endian()) == elf::PT_INTERP);
    let libc = match symbols.last_key_value() {
        Some((&newest, _)) => Libc::Glibc(newest),
        None if interpreted => Libc::Other,
        None => Libc::Static,
    };
    Ok(Needs { arch, libc, symbols })
}

/// Reads the requirements of the binary, and refuses one that does not start with a glibc of version `max`. A static
/// one starts anyway.
pub fn check_glibc(path: &Path, max: GlibcVersion) -> Result<Needs, Error> {
    let needs = needs(path)?;
    match needs.libc {
        Libc::Glibc(needed) if needed > max => Err(Error::TooNew {
            path: path.to_owned(),
            needed,
            max,
            symbols: needs.symbols.into_iter().filter(|(version, _)| *version > max).collect(),
        }),
        Libc::Other => Err(Error::OtherLibc { path: path.to_owned() }),
        Libc::Glibc(_) | Libc::Static => Ok(needs),
    }
}

/// The versions of glibc that the loader requires, with the symbols used from each. Weak requirements don't count.
fn glibc_symbols(
    file: &ElfFile64<'_, Endianness>,
    data: &[u8],
) -> object::read::Result<BTreeMap<GlibcVersion, BTreeSet<String>>> {
    let endian = file.endian();
    let sections = file.elf_section_table();
    let mut by_index: BTreeMap<VersionIndex, GlibcVersion> = BTreeMap::new();
    let mut found: BTreeMap<GlibcVersion, BTreeSet<String>> = BTreeMap::new();

    if let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        while let Some((_, mut versions)) = libraries.next()? {
            while let Some(version) = versions.next()? {
                let name = String::from_utf8_lossy(version.name(endian, strings)?);
                let weak = version.vna_flags.get(endian).contains(elf::VER_FLG_WEAK);
                if let (Some(glibc), false) = (GlibcVersion::from_symbol_version(&name), weak) {
                    by_index.insert(version.vna_other.get(endian), glibc);
                    found.entry(glibc).or_default();
                }
            }
        }
    }

    let Some(versions) = sections.versions(endian, data)? else {
        return Ok(found);
    };
    let symbols = file.elf_dynamic_symbol_table();
    for (index, symbol) in symbols.enumerate() {
        let version = versions.version_index(endian, index).index();
        if let Some(names) = by_index.get(&version).and_then(|glibc| found.get_mut(glibc)) {
            let name = symbol.name(endian, symbols.strings())?;
            names.insert(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    /// Compiles a C program; `None`, with a message, without a compiler.
    fn compiled(folder: &Path, source: &str, flags: &[&str]) -> Option<PathBuf> {
        let (input, output) = (folder.join("main.c"), folder.join("main"));
        fs::write(&input, source).expect("write the source");
        let status = Command::new("cc").args(flags).arg("-o").args([&output, &input]).status();
        match status {
            Ok(status) => {
                assert!(status.success(), "cc failed");
                Some(output)
            }
            Err(error) => {
                eprintln!("skipped: no C compiler ({error})");
                None
            }
        }
    }

    #[test]
    fn this_very_test_runs_here() {
        let needs = needs(Path::new("/proc/self/exe")).expect("read");
        assert_eq!(needs.arch.as_str().replace("arm64", "aarch64"), std::env::consts::ARCH);
        if cfg!(all(target_env = "gnu", not(target_feature = "crt-static"))) {
            let Libc::Glibc(newest) = needs.libc else {
                panic!("a test binary is dynamic: {needs:?}");
            };
            assert!(
                newest >= GlibcVersion(2, 17) && needs.symbols.contains_key(&newest),
                "{needs:?}"
            );
        }
    }

    #[test]
    fn a_newer_symbol_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("folder");
        let source = "#include <time.h>\nint main(void) { struct timespec t; return clock_gettime(CLOCK_REALTIME, &t); }";
        let Some(binary) = compiled(folder.path(), source, &[]) else { return };
        assert!(check_glibc(&binary, GlibcVersion(2, 99)).is_ok());

        let error = check_glibc(&binary, GlibcVersion(2, 2)).expect_err("clock_gettime is of 2.17");
        let Error::TooNew { symbols, max, .. } = &error else { panic!("{error}") };
        assert_eq!(*max, GlibcVersion(2, 2));
        assert!(symbols.keys().all(|version| version > max));
        assert!(symbols.values().flatten().any(|name| name == "clock_gettime"), "{error}");
        let text = error.to_string();
        assert!(text.contains("GLIBC_2.17: clock_gettime"), "{text}");
        assert!(text.contains("cargo xtask build"), "{text}");
    }

    #[test]
    fn a_static_binary_of_this_machines_libc_fits_an_older_one() {
        let folder = tempfile::tempdir().expect("folder");
        let source = "#include <stdio.h>\n#include <time.h>\nint main(void) { return printf(\"%ld\", (long)time(0)); }";
        for flags in [&["-static"][..], &["-static-pie"]] {
            let Some(binary) = compiled(folder.path(), source, flags) else { return };
            let needs = check_glibc(&binary, GlibcVersion(2, 0)).expect("it brings its own");
            assert_eq!(needs.libc, Libc::Static, "{flags:?}");
        }
    }

    #[test]
    fn another_loader_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let source = "void _start(void) { for (;;) {} }";
        let flags = ["-nostdlib", "-pie", "-fPIE", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"];
        let Some(binary) = compiled(folder.path(), source, &flags) else { return };
        let error = check_glibc(&binary, GlibcVersion(2, 99)).expect_err("no such loader there");
        assert!(matches!(error, Error::OtherLibc { .. }), "{error}");
    }

    #[test]
    fn a_static_binary_needs_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let source = "void _start(void) { for (;;) {} }";
        let Some(binary) = compiled(folder.path(), source, &["-static", "-nostdlib"]) else {
            return;
        };
        let needs = check_glibc(&binary, GlibcVersion(2, 0)).expect("fit everywhere");
        assert_eq!(needs.libc, Libc::Static);
    }

    #[test]
    fn what_is_not_a_binary_says_so() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("script");
        for content in [&b"#!/bin/sh\n"[..], b"", b"\x7fELF\x02\x01\x01", &[0x7f; 4096]] {
            fs::write(&path, content).expect("write");
            let error = needs(&path).expect_err("not ELF");
            assert!(matches!(error, Error::NotElf { .. }), "{error}");
        }
        let error = needs(&folder.path().join("absent")).expect_err("absent");
        assert!(matches!(error, Error::Read { .. }), "{error}");
    }

    #[test]
    fn a_file_cut_short_is_an_error_and_no_panic() {
        let whole = fs::read("/proc/self/exe").expect("read");
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("cut");
        for part in [64, 65, 500, 4096, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..part]).expect("write");
            assert!(needs(&path).is_err(), "{part} bytes");
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(GlibcVersion::from_symbol_version("GLIBC_2.2.5"), Some(GlibcVersion(2, 2)));
        assert_eq!(GlibcVersion::from_symbol_version("GLIBC_PRIVATE"), None);
        assert_eq!(GlibcVersion::from_symbol_version("GCC_3.0"), None);
        assert!(GlibcVersion(2, 9) < GlibcVersion(2, 34));
    }
}
