//! Finds the file, reads it, lays the environment over it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::problem::{Origin, Problem};
use super::tree::{self, Table};
use super::{Config, check};

/// Where the configuration is when nobody says.
const DEFAULT_FILE: &str = "countermand.toml";
/// The variable that names the file.
const FILE_VARIABLE: &str = "COUNTERMAND_CONFIG";
/// No configuration of ours is larger.
const FILE_MAX: u64 = 1024 * 1024;

/// What a configuration is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    /// The file that the command line names.
    pub(crate) file: Option<PathBuf>,
    /// The environment.
    pub(crate) env: Vec<(OsString, OsString)>,
}

impl Source {
    /// The process's own environment, and the file that the command line names, if any.
    pub(crate) fn of_process(file: Option<PathBuf>) -> Self {
        Self {
            file,
            env: std::env::vars_os().collect(),
        }
    }

    fn named_file(&self) -> Option<PathBuf> {
        let from_env = || {
            let (_, value) = self.env.iter().find(|(name, _)| name == FILE_VARIABLE)?;
            (!value.is_empty()).then(|| PathBuf::from(value))
        };
        self.file.clone().or_else(from_env)
    }
}

/// Reads the whole configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(source: &Source) -> Result<Config, Vec<Problem>> {
    let (file, mut table) = read_file(source)?;
    let mut problems = tree::overlay(&mut table, &source.env);
    let base = base_directory(file.as_deref());
    match check::build(file, &base, table) {
        Ok(config) if problems.is_empty() => Ok(config),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            problems.sort_by(|a, b| (a.line, &a.variable).cmp(&(b.line, &b.variable)));
            Err(problems)
        }
    }
}

/// Relative paths are relative to this.
fn base_directory(file: Option<&Path>) -> PathBuf {
    let relative = file.and_then(Path::parent).unwrap_or(Path::new(""));
    // Without a working directory a relative path stays one, and opening it tells the cause.
    std::path::absolute(if relative.as_os_str().is_empty() {
        Path::new(".")
    } else {
        relative
    })
    .unwrap_or_else(|_| relative.to_owned())
}

fn read_file(source: &Source) -> Result<(Option<PathBuf>, Table), Vec<Problem>> {
    let named = source.named_file();
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let refuse = |message: String| vec![Problem::new(Some(&path), &Origin::Default, None, message)];
    if may_never_come(&path) {
        return Err(refuse(NO_FILE.to_owned()));
    }
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            let by_env = source
                .env
                .iter()
                .any(|(name, _)| name.to_string_lossy().starts_with("COUNTERMAND_STORE__"));
            if by_env {
                return Ok((None, Table::new()));
            }
            return Err(refuse(
                "there is no such file; write one with `countermand config example > countermand.toml`, or name one with --config".to_owned(),
            ));
        }
        Err(error) => return Err(refuse(format!("cannot be opened: {error}"))),
    };
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            return Err(refuse("is a directory; name the file".to_owned()));
        }
        Ok(metadata) if metadata.len() > FILE_MAX => return Err(refuse(too_large())),
        Ok(_) => {}
        Err(error) => return Err(refuse(format!("cannot be read: {error}"))),
    }
    let mut bytes = Vec::new();
    if let Err(error) = file.by_ref().take(FILE_MAX + 1).read_to_end(&mut bytes) {
        return Err(refuse(format!("cannot be read: {error}")));
    }
    if bytes.len() as u64 > FILE_MAX {
        return Err(refuse(too_large()));
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            let table = tree::parse(&path, &text)?;
            Ok((Some(path), table))
        }
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let line = 1 + error
                .as_bytes()
                .iter()
                .take(good)
                .filter(|b| **b == b'\n')
                .count();
            let origin = Origin::File { line, column: 1 };
            Err(vec![Problem::new(
                Some(&path),
                &origin,
                None,
                "is not valid UTF-8",
            )])
        }
    }
}

/// What is wrong with what [`may_never_come`].
pub(super) const NO_FILE: &str = "is a pipe, a device or a socket, which may never give anything; name a regular file, or /dev/stdin";

/// Is it something whose opening or reading may wait for ever? What the shell has opened already
/// (`/dev/stdin`, and `/dev/fd/63` for `<(command)`) is as whoever started us wanted it.
pub(super) fn may_never_come(path: &Path) -> bool {
    let opened = ["/dev/stdin", "/dev/null"].map(Path::new).contains(&path)
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc/self/fd");
    let is_odd = |metadata: std::fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    !opened && std::fs::metadata(path).is_ok_and(is_odd)
}

fn too_large() -> String {
    format!("is larger than {FILE_MAX} bytes; that is no configuration of this program")
}
