//! The program: one file.

use std::process::Command;

use claviger_e2e::binary;

use crate::{output, release};

#[test]
fn the_program_is_one_file_that_needs_no_shared_library() {
    let program = binary::released();
    // ldd ends with 1 for such a file, and says so.
    let told = Command::new("ldd").arg(program).output().unwrap();
    let told = [told.stdout, told.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(
        told.contains("statically linked") || told.contains("not a dynamic executable"),
        "{told}"
    );
    assert!(binary::is_static(program));
    assert!(!binary::is_static("/bin/sh".as_ref()), "the check can tell");
}

#[test]
fn the_archive_has_the_program_its_license_and_a_readme_and_is_made_the_same_again() {
    let out = tempfile::tempdir().unwrap();
    release(out.path(), &["archive", "checksums"], &[]);
    let archive = std::fs::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .unwrap();
    let before = std::fs::read(&archive).unwrap();
    let listed = output(Command::new("tar").arg("-tzf").arg(&archive));
    for file in ["/claviger", "/LICENSE", "/README.md", "/CHANGELOG.md"] {
        assert!(listed.lines().any(|line| line.ends_with(file)), "{file} in\n{listed}");
    }
    output(
        Command::new("sha256sum")
            .args(["--check", "SHA256SUMS"])
            .current_dir(out.path()),
    );
    output(Command::new("tar").arg("-xzf").arg(&archive).current_dir(out.path()));
    let name = archive
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_end_matches(".tar.gz");
    let program = out.path().join(name).join("claviger");
    assert!(output(Command::new(program).arg("version").env_clear()).contains("0.1.0"));

    release(out.path(), &["archive"], &[]);
    assert!(
        before == std::fs::read(&archive).unwrap(),
        "another archive of the same files"
    );
}

#[test]
fn a_program_that_needs_shared_libraries_is_not_released() {
    let out = tempfile::tempdir().unwrap();
    let refused = Command::new(binary::root().join("packaging/release"))
        .args(["--binary", "/bin/sh", "--out"])
        .arg(out.path())
        .arg("archive")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("shared libraries"), "{told}");
}

#[test]
fn the_scripts_are_what_a_linter_accepts() {
    let mut lint = Command::new("shellcheck");
    lint.current_dir(binary::root());
    output(lint.args([
        "packaging/release",
        ".ci/run",
        "packaging/debian/postinst",
        "packaging/debian/prerm",
        "packaging/debian/postrm",
    ]));
}
