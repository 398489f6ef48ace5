//! Compiles `lookups.c` into every program, where the C library is glibc.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/lookups.c");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        // Whole, since nothing refers to what is in it.
        cc::Build::new()
            .file("src/lookups.c")
            .link_lib_modifier("+whole-archive")
            .compile("lookups");
    }
}
