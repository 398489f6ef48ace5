//! Names are looked up by what is in a function itself: where it runs there may be no C library, or another one.

use std::env::consts::ARCH;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

use infra::package::Manifest;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::command::artifacts;

/// A name server's: of loopback, where nothing else takes it, and at the one port that resolvers ask.
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 77, 53), 53);
const NAME: &str = "runtime.example";
const LIMIT: Duration = Duration::from_secs(20);

/// If `nsswitch.conf` names a module, a static program of glibc loads it, with the C library of where it runs, and dies of
/// SIGFPE if that is of another version. Here the module is a pipe: a program that opens it waits forever.
#[test]
fn a_packed_function_looks_names_up_with_resolv_conf_alone_and_loads_no_module() {
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        eprintln!("skipped: only root may change the root folder");
        return;
    }
    let manifest = Manifest::read(&artifacts()).expect("the manifest of what was packed");
    let bootstrap = manifest.artifact("aws-ingest").expect("it is packed");
    if bootstrap.glibc_max.is_some() {
        eprintln!("skipped: the function is dynamic, for want of a static C library");
        return;
    }
    let server = match UdpSocket::bind(SERVER) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("skipped: no name server can listen at {SERVER:?}: {error}");
            return;
        }
    };
    thread::spawn(move || answer(&server));

    let root = tempfile::tempdir().expect("a temporary folder");
    unpack(&artifacts().join(&bootstrap.path), &root.path().join("bootstrap"));
    let etc = root.path().join("etc");
    fs::create_dir(&etc).expect("create etc");
    fs::write(etc.join("resolv.conf"), format!("nameserver {}\n", SERVER.0)).expect("write");
    fs::write(etc.join("nsswitch.conf"), "hosts: compat dns\n").expect("write");
    for libraries in ["lib", "lib64", "usr/lib", "usr/lib64"] {
        for folder in [libraries.to_owned(), format!("{libraries}/{ARCH}-linux-gnu")] {
            let folder = root.path().join(folder);
            fs::create_dir_all(&folder).expect("create a folder of libraries");
            mkfifo(&folder.join("libnss_compat.so.2"), Mode::S_IRWXU).expect("make a pipe");
        }
    }

    let api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen as the Runtime API");
    let port = api.local_addr().expect("an address").port();
    let (sender, asked) = mpsc::channel();
    thread::spawn(move || {
        let (mut connection, _) = api.accept().expect("accept");
        let mut request = [0; 1024];
        let read = connection.read(&mut request).expect("read");
        let _ = sender.send(String::from_utf8_lossy(&request[..read]).into_owned());
    });
    let _function = start(root.path(), &format!("{NAME}:{port}"));
    let first = asked.recv_timeout(LIMIT).expect("the function finds the Runtime API by its name");
    assert!(first.starts_with("GET /2018-06-01/runtime/invocation/next"), "{first}");
    assert!(first.contains(&format!("{NAME}:{port}")), "{first}");
}

/// Answers every question for an address of [`NAME`] with that of loopback, and says of all others that there is nothing.
fn answer(server: &UdpSocket) {
    const ADDRESS: [u8; 2] = [0, 1];
    let mut question = [0; 512];
    while let Ok((length, from)) = server.recv_from(&mut question) {
        let name = question[12..length].split(|byte| *byte == 0).next().unwrap_or_default();
        let asked = &question[12..length.min(12 + name.len() + 5)];
        let is_ours = name.windows(7).any(|part| part == b"runtime")
            && asked[name.len() + 1..].starts_with(&ADDRESS);
        let mut reply = question[..2].to_vec();
        reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_ours), 0, 0, 0, 0]);
        reply.extend(asked);
        if is_ours {
            // The name of the question, an address, of the internet, for a minute, four bytes.
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
        }
        let _ = server.send_to(&reply, from);
    }
}

fn unpack(zip: &Path, to: &Path) {
    let mut archive = zip::ZipArchive::new(fs::File::open(zip).expect("open")).expect("a zip");
    let mut content = Vec::new();
    archive.by_name("bootstrap").expect("a bootstrap").read_to_end(&mut content).expect("read");
    fs::write(to, content).expect("write");
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("make it executable");
}

fn start(root: &Path, api: &str) -> Ended {
    let mut command = Command::new("chroot");
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.arg(root).arg("/bootstrap").env_clear().env("PATH", path).envs([
        ("AWS_LAMBDA_RUNTIME_API", api),
        ("AWS_LAMBDA_FUNCTION_NAME", "names"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "names"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "names"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "names"),
        ("AWS_SECRET_ACCESS_KEY", "names"),
        ("TWINCLOUD_SYMBOLS", "BTCUSDT"),
        ("TWINCLOUD_INTERVALS", "1m,5m,15m,1h,1d"),
        ("TWINCLOUD_TABLE", "names"),
        ("TWINCLOUD_BUCKET", "names"),
    ]);
    Ended(command.stdin(Stdio::null()).spawn().expect("run chroot"))
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
