//! Secrets in files of their own, and who else can read them.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use secrecy::SecretString;

use super::load::{NO_FILE, may_never_come};

/// No secret of ours is longer.
const SECRET_MAX: u64 = 64 * 1024;

/// Reads a secret; one trailing line end is not part of it.
pub(super) fn read(path: &Path) -> Result<SecretString, String> {
    if may_never_come(path) {
        return Err(format!("cannot read {}: it {NO_FILE}", path.display()));
    }
    let file =
        File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut bytes = Vec::new();
    file.take(SECRET_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if bytes.len() as u64 > SECRET_MAX {
        return Err(format!(
            "the file {} is larger than {SECRET_MAX} bytes; that is no secret",
            path.display()
        ));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("the file {} is not valid UTF-8", path.display()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.contains(['\n', '\r', '\0']) {
        return Err(format!(
            "the file {} holds more than one line",
            path.display()
        ));
    }
    Ok(SecretString::from(text))
}

/// Can anybody but its owner read the file? The mode, for a message.
#[cfg(unix)]
pub(super) fn readable_by_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o044 != 0).then_some(mode)
}

/// Elsewhere permissions are not told by a mode.
#[cfg(not(unix))]
pub(super) fn readable_by_others(path: &Path) -> Option<u32> {
    let _ = fs::metadata(path);
    None
}
