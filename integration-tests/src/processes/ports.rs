//! Free ports on loopback.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

const ATTEMPTS: usize = 64;

static HANDED_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port on 127.0.0.1 that no process listens on now, and that this process hasn't been given before.
///
/// Someone else may take it before its user does: a start must be ready to try another.
pub fn free() -> io::Result<u16> {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    // Listeners are kept until one is fresh, or the system might offer the same port again.
    let mut listeners = Vec::new();
    for _ in 0..ATTEMPTS {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        if handed_out.insert(port) {
            return Ok(port);
        }
        listeners.push(listener);
    }
    Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "no fresh port on 127.0.0.1"))
}

/// True if the process `pid` itself listens on `port`, on any address.
///
/// A probe that only asks the port may be answered by a stranger who took it first.
#[must_use]
pub fn is_listened_on_by(port: u16, pid: u32) -> bool {
    let inodes = listening_inodes(port);
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).any(|target| {
        let inode =
            target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.contains(inode))
    })
}

/// True if a process of this user listens on `port`: all that can be seen, without being root, of a process of
/// another user.
#[must_use]
pub fn is_listened_on_by_user(port: u16, user: u32) -> bool {
    listening(port, USER).contains(&user.to_string())
}

fn listening_inodes(port: u16) -> BTreeSet<String> {
    listening(port, INODE)
}

/// Fields of a line like `0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 USER 0 INODE`.
const USER: usize = 7;
const INODE: usize = 9;

fn listening(port: u16, field: usize) -> BTreeSet<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"]
        .map(|path| std::fs::read_to_string(path).unwrap_or_default());
    tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(|line| listening_field(line, port, field))
        .collect()
}

/// A field of a line, if it is about one who listens (state 0A) on `port`.
fn listening_field(line: &str, port: u16, field: usize) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(3)? == "0A" && u16::from_str_radix(local_port, 16) == Ok(port);
    listens.then(|| fields.get(field).map(|text| (*text).to_owned()))?
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn ports_are_fresh_and_free() {
        let ports: Vec<u16> = (0..50).map(|_| free().expect("a port")).collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
        TcpListener::bind((Ipv4Addr::LOCALHOST, ports[0])).expect("nobody listens there");
    }

    #[test]
    fn a_listener_is_known_by_its_process() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        assert!(is_listened_on_by(port, std::process::id()));
        assert!(!is_listened_on_by(port, 1));
        let user = std::fs::metadata("/proc/self").expect("this process").uid();
        assert!(is_listened_on_by_user(port, user));
        assert!(!is_listened_on_by_user(port, user + 1));
        drop(listener);
        assert!(!is_listened_on_by(port, std::process::id()));
        assert!(!is_listened_on_by_user(port, user));
    }
}
