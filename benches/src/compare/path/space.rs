//! A network of our own: no other program is in it, and it ends with this one.

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use super::{
    super::{Error, servers},
    wire::{DEVICE, FAR, NEAR},
};

/// Becomes the same command inside of a new network namespace. Returns only if that fails. Who is not
/// root needs user namespaces, and a `/dev/net/tun` that is open to all.
pub(super) fn enter() -> Error {
    let itself = match env::current_exe() {
        Ok(itself) => itself,
        Err(error) => return Error::io("the path of this program")(error),
    };
    let mut unshare = Command::new("unshare");
    unshare.arg("--net");
    if !servers::as_root() {
        unshare.arg("--map-root-user");
    }
    let arguments = env::args_os().skip(1);
    let failed = unshare
        .arg("--")
        .arg(itself)
        .args(arguments)
        .arg("--inside")
        .exec();
    Error::io("unshare (Debian: util-linux)")(failed)
}

/// Brings up the loopback, before servers start.
pub(super) fn prepare() -> Result<(), Error> {
    ip("link set lo up")?;
    // What the kernel remembers of one connection is no start for the next.
    set("tcp_no_metrics_save", "1")
}

/// Gives the device its address, once it is there. Returns what TCP goes by over it: `tcp`, or the
/// machine's own.
pub(super) fn join(tcp: Option<&str>) -> Result<String, Error> {
    // The queue before the device belongs to the machine and not to the path.
    ip(&format!("link set {DEVICE} txqueuelen 10000 up"))?;
    ip(&format!("address add {NEAR}/32 dev {DEVICE}"))?;
    let route = format!("route add {FAR}/32 dev {DEVICE} src {NEAR}");
    let Some(tcp) = tcp else {
        ip(&route)?;
        return congestion_control();
    };
    // Not by the setting for all: only the machine's own may change it to most of them.
    ip(&format!("{route} congctl {tcp}"))?;
    Ok(tcp.to_owned())
}

fn congestion_control() -> Result<String, Error> {
    let file = "/proc/sys/net/ipv4/tcp_congestion_control";
    let name = fs::read_to_string(file).map_err(Error::io(file))?;
    Ok(name.trim().to_owned())
}

fn set(name: &str, value: &str) -> Result<(), Error> {
    let file = format!("/proc/sys/net/ipv4/{name}");
    fs::write(&file, value).map_err(Error::io(format!("{file} = {value}")))
}

fn ip(words: &str) -> Result<(), Error> {
    let status = Command::new("ip")
        .args(words.split(' '))
        .stdin(Stdio::null())
        .status();
    let status = status.map_err(Error::io("ip (Debian: iproute2)"))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Broken(format!("`ip {words}` does not work here")))
}
