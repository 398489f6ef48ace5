//! Nothing outlives the guard, and the guard doesn't outlive who started it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::trees::{HARNESS, Marker, eventually, number_in, stat_field};

fn guard(options: &[&str], script: &str) -> Child {
    let mut command = Command::new(HARNESS);
    command.arg("guard").args(options).args(["--", "sh", "-c", script]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("the harness starts")
}

fn exit_code(child: &mut Child) -> Option<i32> {
    eventually("exit", || {
        child.try_wait().map_err(|error| error.to_string())?.ok_or("it runs".to_owned())
    })
    .code()
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), signal).expect("it is there");
}

#[test]
fn after_kill_9_of_who_started_it_nothing_is_left() {
    let marker = Marker::new();
    // Stands for the harness: holds the only other end of the guard's standard input.
    let mut starter =
        Command::new("sleep").arg("600").stdout(Stdio::piped()).spawn().expect("it starts");
    let pipe = starter.stdout.take().expect("its end of the pipe");
    let mut guard = Command::new(HARNESS);
    guard.args(["guard", "--", "sh", "-c", &marker.tree()]).stdin(pipe);
    let mut guard =
        guard.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the harness starts");
    marker.assert_count(Marker::SLEEPERS);
    starter.kill().expect("SIGKILL is sent");
    starter.wait().expect("it is dead");
    marker.assert_count(0);
    guard.wait().expect("it has ended");
}

#[test]
fn when_its_standard_input_closes_nothing_is_left() {
    let marker = Marker::new();
    let mut guard = guard(&["--grace-ms", "200"], &marker.tree());
    marker.assert_count(Marker::SLEEPERS);
    drop(guard.stdin.take());
    assert!(exit_code(&mut guard).is_some());
    assert_eq!(marker.pids(), [0_u32; 0]);
}

#[test]
fn sigterm_and_ctrl_c_end_everything() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let marker = Marker::new();
        let mut guard = guard(&["--grace-ms", "200"], &marker.tree());
        marker.assert_count(Marker::SLEEPERS);
        send(guard.id(), signal);
        exit_code(&mut guard);
        assert_eq!(marker.pids(), [0_u32; 0], "{signal}");
    }
}

#[test]
fn when_the_program_ends_by_itself_what_it_left_behind_is_killed() {
    let marker = Marker::new();
    let mut guard = guard(&[], &format!("setsid sleep {} & exit 7", marker.0));
    assert_eq!(exit_code(&mut guard), Some(7));
    assert_eq!(marker.pids(), [0_u32; 0]);
}

#[test]
fn a_signal_is_told_as_a_shell_does() {
    assert_eq!(exit_code(&mut guard(&[], "kill -9 $$")), Some(137));
    assert_eq!(exit_code(&mut guard(&[], "kill -15 $$")), Some(143));
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let mut command = Command::new(HARNESS);
    command.args(["guard", "--", "/nonexistent/program"]);
    let mut guard = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    // Held open until the end: closing it would end the second stage before it could say so.
    let stdin = guard.stdin.take();
    let said = std::io::read_to_string(guard.stderr.take().expect("a pipe")).expect("text");
    assert_eq!(exit_code(&mut guard), Some(127));
    assert!(said.contains("start /nonexistent/program: No such file"), "{said}");
    drop(stdin);
}

#[test]
fn there_is_a_grace_to_end_well() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (ready, bye) = (folder.path().join("ready"), folder.path().join("bye"));
    let on_term = format!("sleep 0.2; echo 1 > {}; exit 3", bye.display());
    let script = format!(
        "trap '{on_term}' TERM; echo 1 > {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let mut guard = guard(&["--grace-ms", "5000"], &script);
    number_in(&ready);
    drop(guard.stdin.take());
    assert_eq!(exit_code(&mut guard), Some(3));
    assert_eq!(number_in(&bye), 1);
}

#[test]
fn kill_9_of_the_guard_takes_the_program_along() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut guard = guard(&[], &script_with_pid(folder.path()));
    let program = number_in(&folder.path().join("pid"));
    guard.kill().expect("SIGKILL is sent");
    guard.wait().expect("it is dead");
    eventually("end of the program", || match stat_field(program, 0).as_deref() {
        None | Some("Z") => Ok(()),
        Some(state) => Err(state.to_owned()),
    });
}

#[test]
fn the_program_leads_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut guard = guard(&[], &script_with_pid(folder.path()));
    let program = number_in(&folder.path().join("pid"));
    let group_and_session = [stat_field(program, 2), stat_field(program, 3)];
    assert_eq!(group_and_session, [Some(program.to_string()), Some(program.to_string())]);
    drop(guard.stdin.take());
    exit_code(&mut guard);
}

fn script_with_pid(folder: &Path) -> String {
    format!("echo $$ > {}; exec sleep 60", folder.join("pid").display())
}
