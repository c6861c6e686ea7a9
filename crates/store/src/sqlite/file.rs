//! The file itself: where it is, who may touch it, and what its header says, all found out without
//! writing one byte.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::SCHEMA;

/// "Cmnd", as the first migration writes it.
pub(super) const APPLICATION_ID: i64 = 0x436d_6e64;

/// Why a file is refused; what to do about it is part of the text.
pub(super) type Why = String;

/// A database and its directory, with all links resolved: the lock file stands beside the file
/// itself, whichever way one came to it.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, Why> {
    let text = path.to_string_lossy();
    if text.is_empty() || text.contains(":memory:") || text.starts_with("file:") {
        return Err("it must be a file: a store in memory would be forgotten at every stop".into());
    }
    match path.canonicalize() {
        Ok(path) => return Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("{error}")),
    }
    let name = path.file_name().ok_or("it has no file name")?;
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    match directory.canonicalize() {
        Ok(directory) => Ok(directory.join(name)),
        Err(error) => Err(format!("its directory {}: {error}", directory.display())),
    }
}

/// What a file is before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Nothing,
    /// It is empty, or a database without a schema: a first start got no further.
    Fresh,
    /// A store of this schema version.
    Store(i64),
}

/// Looks at the header.
pub(super) fn inspect(path: &Path) -> Result<Found, Why> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(format!("it cannot be read: {error}")),
    };
    if !file
        .metadata()
        .map_err(|error| error.to_string())?
        .is_file()
    {
        return Err("it is no regular file".into());
    }
    let mut header = Vec::with_capacity(100);
    file.by_ref()
        .take(100)
        .read_to_end(&mut header)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    if header.is_empty() {
        return Ok(Found::Fresh);
    }
    let number = |at: usize| -> Option<i64> {
        let bytes: [u8; 4] = header.get(at..at + 4)?.try_into().ok()?;
        Some(i64::from(u32::from_be_bytes(bytes)))
    };
    let (true, Some(schema), Some(application_id)) = (
        header.starts_with(b"SQLite format 3\0"),
        number(60),
        number(68),
    ) else {
        return Err("it is no SQLite database: give another path, or move it away".into());
    };
    belongs(application_id, schema)
}

/// Is a database with these marks ours, and of a schema that we know?
pub(super) fn belongs(application_id: i64, schema: i64) -> Result<Found, Why> {
    match (application_id, schema) {
        (0, 0) => Ok(Found::Fresh),
        (APPLICATION_ID, schema) if schema > SCHEMA => Err(format!(
            "it has schema {schema}, this program knows schemas up to {SCHEMA}: use a newer program"
        )),
        (APPLICATION_ID, schema) if schema >= 1 => Ok(Found::Store(schema)),
        _ => {
            Err("it is the database of another program: give another path, or move it away".into())
        }
    }
}

/// Refuses what others could write to (rule R7).
pub(super) fn check_permissions(path: &Path) -> Result<(), Why> {
    const OTHERS_WRITE: u32 = 0o022;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let of_directory = directory
        .metadata()
        .map_err(|error| format!("its directory: {error}"))?;
    let mode = of_directory.permissions().mode();
    let sticky = mode & 0o1000 != 0;
    if mode & 0o002 != 0 && !sticky {
        return Err(format!(
            "everybody may replace files in {}: chmod o-w it, or use another directory",
            directory.display()
        ));
    }
    if mode & 0o020 != 0 && !sticky {
        tracing::warn!(directory = %directory.display(), "a group may replace files in the store's directory");
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let Ok(metadata) = Path::new(&name).metadata() else {
            continue;
        };
        let mode = metadata.permissions().mode();
        if mode & OTHERS_WRITE != 0 {
            let name = Path::new(&name).display();
            return Err(format!(
                "others may write to {name} (mode {:03o}): chmod go-w it",
                mode & 0o777
            ));
        }
        if mode & 0o004 != 0 && suffix.is_empty() {
            tracing::warn!(path = %path.display(), "everybody may read the store, which holds customers' orders");
        }
    }
    Ok(())
}

/// Refuses a network file system: its locks and its shared memory cannot be relied on.
pub(super) fn check_file_system(path: &Path) -> Result<(), Why> {
    const NETWORK: &[&str] = &[
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
        "fuse.ceph",
        "fuse.cephfs",
        "fuse.glusterfs",
        "fuse.gcsfuse",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
    ];
    let directory = path.parent().unwrap_or(Path::new("/"));
    let Some(kind) = file_system(directory) else {
        return Ok(());
    };
    if NETWORK.contains(&kind.as_str()) {
        return Err(format!(
            "{} is on a network file system ({kind}), whose locks cannot be relied on: use a local one",
            directory.display()
        ));
    }
    Ok(())
}

/// The type of the file system that a directory is on, where the system tells (Linux).
fn file_system(directory: &Path) -> Option<String> {
    let device = directory.metadata().ok()?.dev();
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    let wanted = format!("{major}:{minor}");
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    table.lines().find_map(|line| file_system_of(line, &wanted))
}

/// One line of the mount table: `36 35 98:0 /root /mount options ... - type source options`.
fn file_system_of(line: &str, device: &str) -> Option<String> {
    let (mount, kind) = line.split_once(" - ")?;
    (mount.split(' ').nth(2)? == device).then(|| kind.split(' ').next().map(str::to_owned))?
}

/// Creates the file, readable by its owner alone; SQLite gives its side files the same mode.
pub(super) fn create(path: &Path) -> io::Result<()> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(file) => file.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    // The name must survive a power loss as well as the content.
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_table_is_read() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - nfs4 server:/x rw,errors=continue";
        assert_eq!(file_system_of(line, "98:0").as_deref(), Some("nfs4"));
        assert_eq!(file_system_of(line, "98:1"), None);
        assert_eq!(file_system_of("garbage", "98:0"), None);
    }

    #[test]
    fn marks_are_told_apart() {
        assert_eq!(belongs(0, 0), Ok(Found::Fresh));
        assert_eq!(belongs(APPLICATION_ID, SCHEMA), Ok(Found::Store(SCHEMA)));
        assert!(
            belongs(APPLICATION_ID, SCHEMA + 1)
                .unwrap_err()
                .contains("newer program")
        );
        assert!(belongs(APPLICATION_ID, 0).is_err());
        assert!(belongs(0, 7).is_err());
        assert!(belongs(1, 1).is_err());
    }
}
