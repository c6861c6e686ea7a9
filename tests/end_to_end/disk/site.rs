//! A place whose store is on a disk that can be made to fail.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use countermand_simulator::Handle;
use countermand_tests::{Daemon, Place, Program};
use nix::errno::Errno;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The library that fails for the disk.
const SHIM: &str = include_str!("shim.c");
/// The real disk's size: room for some hundred cancellations.
const TMPFS: &str = "size=16m,mode=0700";

/// What is wrong with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Every write fails with this.
    Writes(Errno),
    /// Every fsync fails with EIO; writes seem to succeed.
    Syncs,
    /// So many times an fsync fails with EIO, and then no more.
    SyncsOnce(u32),
    /// Nothing can be written, created or removed: as if it were mounted read-only.
    ReadOnly,
    /// A real file system without any room. May still take what needs no new room.
    Full,
    /// No file may grow, nor be written to at all (`RLIMIT_FSIZE`).
    FileSize,
}

impl Trouble {
    /// Can nothing at all be kept while it lasts?
    pub(crate) const fn is_total(self) -> bool {
        !matches!(self, Self::Full | Self::SyncsOnce(_))
    }
}

/// A directory that holds everything but the configuration: the store, and what makes it fail.
#[derive(Debug)]
pub(crate) struct Site {
    place: Place,
    wrapped: tempfile::TempDir,
    /// Lives as long as the namespace with the real file system shall.
    keeper: Option<Child>,
}

impl Site {
    /// On a disk of the machine's, which the shim lets fail.
    pub(crate) async fn shimmed(world: &Handle) -> anyhow::Result<Self> {
        let wrapped = directory()?;
        let here = wrapped.path();
        std::fs::create_dir(here.join("store"))?;
        std::fs::write(here.join("control"), [0; 64])?;
        std::fs::write(here.join("shim.c"), SHIM)?;
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let ran = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([here.join("shim.so"), here.join("shim.c")])
            .arg("-ldl")
            .output()
            .await
            .context("there is no C compiler")?;
        let said = String::from_utf8_lossy(&ran.stderr);
        ensure!(ran.status.success(), "the shim: {said}");
        let script = format!(
            "#!/bin/sh\nexport DISK_SHIM_DIRECTORY='{0}/store' DISK_SHIM_CONTROL='{0}/control' LD_PRELOAD='{0}/shim.so'\nexec '{1}' \"$@\"\n",
            here.display(),
            binary()
        );
        Self::new(world, wrapped, &script, None)
    }

    /// On a small file system of its own, in a mount namespace, which any user may have where the
    /// system allows it.
    ///
    /// # Errors
    /// Where it does not.
    pub(crate) async fn real(world: &Handle) -> anyhow::Result<Self> {
        let wrapped = directory()?;
        let here = wrapped.path();
        std::fs::create_dir(here.join("store"))?;
        let mut keeper = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c"])
            .arg(r#"mount -t tmpfs -o "$1" countermand-test "$0" && echo mounted && exec cat"#)
            .arg(here.join("store"))
            .arg(TMPFS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("there is no `unshare`")?;
        let told = keeper.stdout.take().context("it has no output")?;
        let line = BufReader::new(told).lines().next_line().await?;
        if line.as_deref() != Some("mounted") {
            let output = keeper.wait_with_output().await?;
            anyhow::bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let pid = keeper.id().context("the keeper is gone")?;
        let script = format!(
            "#!/bin/sh\nexec nsenter --target {pid} --user --mount --preserve-credentials -- sh -c 'cd \"$0\" && exec \"$@\"' \"$PWD\" '{}' \"$@\"\n",
            binary()
        );
        Self::new(world, wrapped, &script, Some(keeper))
    }

    fn new(
        world: &Handle,
        wrapped: tempfile::TempDir,
        script: &str,
        keeper: Option<Child>,
    ) -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let product = wrapped.path().join("product");
        std::fs::write(&product, script)?;
        std::fs::set_permissions(&product, std::fs::Permissions::from_mode(0o700))?;
        let mut place = Place::new(Program::new(product), world)?;
        let store = wrapped.path().join("store/countermand.db");
        place.set("store", "url", format!("sqlite://{}", store.display()))?;
        Ok(Self {
            place,
            wrapped,
            keeper,
        })
    }

    /// Lets the shim fail for another program, too.
    pub(crate) fn dress(&self, command: &mut Command) {
        let here = self.wrapped.path();
        command
            .env("DISK_SHIM_DIRECTORY", self.store_directory())
            .env("DISK_SHIM_CONTROL", here.join("control"))
            .env("LD_PRELOAD", here.join("shim.so"));
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The disk fails from now on.
    pub(crate) async fn break_down(
        &self,
        trouble: Trouble,
        daemon: Option<&Daemon>,
    ) -> anyhow::Result<()> {
        match trouble {
            Trouble::Writes(errno) => self.control(0, errno as u32),
            Trouble::Syncs => self.control(4, Errno::EIO as u32),
            Trouble::SyncsOnce(times) => {
                self.control(12, times)?;
                self.control(4, Errno::EIO as u32)
            }
            Trouble::ReadOnly => {
                self.control(8, Errno::EROFS as u32)?;
                self.control(0, Errno::EROFS as u32)
            }
            Trouble::Full => {
                // It ends with an error, which is the point.
                self.inside("cat /dev/zero > filler; true").await
            }
            Trouble::FileSize => {
                let daemon = daemon.context("a limit is a process's")?;
                limit(daemon, "0:unlimited").await
            }
        }
    }

    /// The disk is well again.
    pub(crate) async fn repair(
        &self,
        trouble: Trouble,
        daemon: Option<&Daemon>,
    ) -> anyhow::Result<()> {
        match trouble {
            Trouble::Full => self.inside("rm filler").await,
            Trouble::FileSize => match daemon {
                Some(daemon) => limit(daemon, "unlimited:unlimited").await,
                None => Ok(()),
            },
            _ => [0, 4, 8, 12]
                .into_iter()
                .try_for_each(|at| self.control(at, 0)),
        }
    }

    /// How many calls the shim made fail.
    pub(crate) fn failed(&self) -> anyhow::Result<u32> {
        self.count(16)
    }

    /// How many writes and syncs came on a handle whose sync had failed before.
    pub(crate) fn reused(&self) -> anyhow::Result<u32> {
        self.count(20)
    }

    fn control(&self, at: u64, number: u32) -> anyhow::Result<()> {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(self.wrapped.path().join("control"))?;
        Ok(file.write_all_at(&number.to_ne_bytes(), at)?)
    }

    fn count(&self, at: u64) -> anyhow::Result<u32> {
        let file = std::fs::File::open(self.wrapped.path().join("control"))?;
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, at)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    /// Runs a script in the directory of the store on the real file system.
    async fn inside(&self, script: &str) -> anyhow::Result<()> {
        let keeper = self.keeper.as_ref().and_then(Child::id);
        let pid = keeper.context("there is no real file system")?.to_string();
        let ran = Command::new("nsenter")
            .args([
                "--target",
                &pid,
                "--user",
                "--mount",
                "--preserve-credentials",
            ])
            .args(["--", "sh", "-c", &format!("cd \"$0\" && {script}")])
            .arg(self.store_directory())
            .output()
            .await?;
        ensure!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        Ok(())
    }

    pub(crate) fn store_directory(&self) -> PathBuf {
        Path::join(self.wrapped.path(), "store")
    }
}

fn directory() -> anyhow::Result<tempfile::TempDir> {
    // Links resolved, as the kernel names a handle's file.
    let base = std::env::temp_dir().canonicalize()?;
    Ok(tempfile::Builder::new()
        .prefix("countermand-disk-")
        .tempdir_in(base)?)
}

fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_kill-campaign")
}

/// Sets a running daemon's limit to the size of files.
async fn limit(daemon: &Daemon, limit: &str) -> anyhow::Result<()> {
    let ran = Command::new("prlimit")
        .arg(format!("--pid={}", daemon.pid()))
        .arg(format!("--fsize={limit}"))
        .output()
        .await
        .context("there is no `prlimit`")?;
    ensure!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok(())
}
