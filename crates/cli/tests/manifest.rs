//! `millpond manifest`, as an operator or a planner runs it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn millpond(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millpond"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap()
}

fn told(run: &Output) -> String {
    let text = [&run.stdout[..], &run.stderr].concat();
    String::from_utf8(text).unwrap()
}

fn good(folder: &Path, arguments: &str) -> String {
    let run = millpond(folder, arguments);
    assert!(run.status.success(), "{arguments}: {}", told(&run));
    told(&run)
}

fn bad(folder: &Path, arguments: &str) -> String {
    let run = millpond(folder, arguments);
    let told = told(&run);
    assert_eq!(run.status.code(), Some(1), "{arguments}: {told}");
    assert!(
        told.starts_with("millpond: ") && !told.contains("panicked"),
        "{told}"
    );
    told
}

/// A key, a site's files and a signed manifest of them.
fn signed() -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().to_owned();
    fs::create_dir_all(folder.join("www/a")).unwrap();
    fs::write(folder.join("www/a/1.m4s"), "one").unwrap();
    fs::write(folder.join("www/2.m4s"), "two2").unwrap();
    good(
        &folder,
        "manifest key --kid p1 --signing-key p1.json --keys keys.json",
    );
    good(
        &folder,
        "manifest new --audience e1 --generation 1 --directory www --site films --form plain -o m1",
    );
    good(&folder, "manifest sign m1 --key p1.json");
    (temporary, folder)
}

#[test]
fn the_example_of_the_readme_works() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifest/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, script) = readme.split_once("```sh\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_millpond"))
        .parent()
        .unwrap()
        .to_owned();
    let rest = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([programs].into_iter().chain(env::split_paths(&rest))).unwrap();
    let run = Command::new("sh")
        .args(["-eu", "-c", script])
        .env("PATH", path)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = told(&run);
    assert!(run.status.success(), "{told}");
    assert_eq!(told.matches("a node would accept it").count(), 2, "{told}");
    for line in [
        "1.0 MiB to fill",
        "delta against",
        "add       1",
        "remove    2",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
}

#[test]
fn the_files_of_a_directory_are_named_sized_and_digested() {
    let (_temporary, folder) = signed();
    let text = fs::read_to_string(folder.join("m1")).unwrap();
    // printf one | sha256sum
    let digest = "sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    let line = format!(r#"{{"site":"films","path":"/a/1.m4s","size":3,"digest":"{digest}"}}"#);
    assert!(text.lines().any(|found| found == line), "{text}");
    let told = good(&folder, "manifest verify m1 --keys keys.json");
    assert!(
        told.contains("2 objects, 7 B to hold") && told.contains("films:/2.m4s"),
        "{told}"
    );
}

#[test]
fn what_a_node_would_refuse_is_told_with_its_status() {
    let (_temporary, folder) = signed();
    let verify = |more: &str| {
        bad(
            &folder,
            &format!("manifest verify m1 --keys keys.json {more}"),
        )
    };
    assert!(verify("--audience e2").contains("403: the manifest is for e1"));
    assert!(verify("--at 99999999999").contains("409: the manifest expired"));
    assert!(verify("--current m1").contains("409: generation 1 is not above 1"));
    good(
        &folder,
        "manifest key --kid p2 --signing-key p2.json --keys others.json",
    );
    assert!(bad(&folder, "manifest verify m1 --keys others.json").contains("0 of 1 keys"));
    let text = fs::read_to_string(folder.join("m1")).unwrap();
    fs::write(folder.join("m1"), text.replace("2.m4s", "3.m4s")).unwrap();
    assert!(verify("").contains("403: the signature of key p1"));
}

#[test]
fn a_manifest_that_drops_much_is_refused_until_it_says_so() {
    let (_temporary, folder) = signed();
    fs::remove_file(folder.join("www/2.m4s")).unwrap();
    let new = "manifest new --audience e1 --previous m1 --directory www --site films -o m2";
    good(&folder, new);
    good(&folder, "manifest sign m2 --key p1.json");
    let verify = "manifest verify m2 --keys keys.json --current m1";
    assert!(bad(&folder, verify).contains("409: the manifest drops 4 of 7 planned bytes"));
    good(&folder, &format!("{new} --allow-mass-eviction"));
    good(&folder, "manifest sign m2 --key p1.json");
    assert!(bad(&folder, verify).contains("0 of 1 keys with role `evict`"));
    good(
        &folder,
        "manifest key --kid op --role plan,evict --signing-key op.json --keys keys.json",
    );
    good(&folder, "manifest sign m2 --key op.json");
    assert!(good(&folder, verify).contains("remove    1"));
}

#[test]
fn what_builds_on_another_is_verified_after_that_one() {
    let (_temporary, folder) = signed();
    fs::write(folder.join("www/3.m4s"), "three").unwrap();
    let new = "manifest new --audience e1 --previous m1 --delta --directory www --site films -o m2";
    good(&folder, new);
    good(&folder, "manifest sign m2 --key p1.json");
    let verify = "manifest verify m2 --keys keys.json";
    assert!(bad(&folder, verify).contains("--current names what is there before it"));
    assert!(good(&folder, &format!("{verify} --current m1")).contains("add       1"));
}

#[test]
fn a_bad_source_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, text, problem) in [
        (
            "a.csv",
            "site,path,size\nfilms,/a,1\nfilms,/b\n",
            "a.csv: line 3: 2 fields",
        ),
        (
            "a.csv",
            "site,path,size\nfilms,/a,many\n",
            "line 2: size is \"many\"",
        ),
        ("a.csv", "site,path,size\nfilms,/../a,1\n", "line 1: path"),
        (
            "a.json",
            "\n{\"site\":\"films\"}\n",
            "line 2: path is missing",
        ),
        (
            "a.json",
            "{\"site\":\"films\",\"path\":\"/a\",\"size\":9}\n",
            "digest",
        ),
        ("a.json", "{]\n", "line 1: "),
    ] {
        fs::write(folder.join(name), text).unwrap();
        let told = bad(
            folder,
            &format!("manifest new --audience e1 --catalog {name} -o m"),
        );
        assert!(told.contains(problem), "{problem} in {told}");
        assert!(!folder.join("m").exists());
    }
    fs::write(folder.join("a.list"), "https://h/a 1\nhttps://h/b\n").unwrap();
    let told = bad(
        folder,
        "manifest new --audience e1 --listing a.list --site films -o m",
    );
    assert!(told.contains("a.list: line 2"), "{told}");
    assert!(bad(folder, "manifest diff absent m").contains("absent"));
}

#[test]
fn arguments_that_make_no_command_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, problem) in [
        ("manifest new --audience e1 -o m", "--catalog"),
        ("manifest new --audience a/b --catalog a -o m", "label"),
        (
            "manifest new --audience e1 --generation 0 --catalog a -o m",
            "--generation",
        ),
        ("manifest verify m --keys k --audience a/b", "label"),
        ("manifest withdraw", "<GENERATION>"),
        ("manifest push m", "--ca is missing"),
        ("fill status", "--ca is missing"),
        (
            "fill status --ca a --certificate b --key c",
            "no node is named",
        ),
        (
            "popularity top --node http://h --ca a --certificate b --key c",
            "no https address",
        ),
        ("purge --site vod", "--everything"),
    ] {
        let run = millpond(folder.path(), arguments);
        let told = told(&run);
        assert_eq!(run.status.code(), Some(2), "{arguments}: {told}");
        assert!(told.contains(problem), "{arguments}: {told}");
    }
}

#[test]
fn what_cannot_be_told_is_no_success() {
    let desk = tempfile::tempdir().unwrap();
    let folder = desk.path();
    fs::write(folder.join("a.list"), "https://h/a 1\n").unwrap();
    let new = "manifest new --audience e1 --listing a.list --site films -o";
    good(folder, &format!("{new} m"));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_millpond"))
        .args(["manifest", "diff", "m", "m"])
        .current_dir(folder)
        .stdout(full)
        .output()
        .unwrap();
    let told = told(&run);
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(told.contains("standard output: No space left"), "{told}");
}

#[test]
fn no_key_is_overwritten_and_one_of_another_kind_does_not_sign() {
    let (_temporary, folder) = signed();
    let again = "manifest key --kid p9 --signing-key p1.json --keys keys.json";
    assert!(bad(&folder, again).contains("is there already"));
    let unreachable =
        "manifest key --kid p9 --signing-key p9.json --keys keys.json --plan-threshold 3";
    assert!(bad(&folder, unreachable).contains("wants 3 signatures and 2 keys"));
    good(
        &folder,
        "keys new --kid mac --algorithm hmac-sha-256 --signing-key mac.json --key-set set.json",
    );
    assert!(bad(&folder, "manifest sign m1 --key mac.json").contains("not ed25519"));
    assert!(!folder.join("p9.json").exists());
}
