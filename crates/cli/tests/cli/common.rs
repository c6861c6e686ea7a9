//! Running the program.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The program, with nothing of the caller's environment that it would look at.
pub(crate) fn countermand() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countermand"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COUNTERMAND_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Demands this exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        self
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }

    /// The error object on stderr.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.err).unwrap_or_else(|error| panic!("{error}: {}", self.err));
        value["error"].clone()
    }
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    Ran::of(&command.output().unwrap())
}

/// A directory with a configuration, and perhaps a world and a daemon.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    world: Option<Background>,
    daemon: Option<Background>,
}

/// A process that is killed at the end.
pub(crate) struct Background(pub(crate) Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Background {
    /// Sends a signal and waits for the exit code.
    pub(crate) fn ends_with(mut self, signal: &str) -> i32 {
        let pid = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Place {
    /// With a configuration whose remotes are nowhere.
    pub(crate) fn bare() -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
            world: None,
            daemon: None,
        };
        place.configure("http://127.0.0.1:1");
        place
    }

    /// With a simulated world.
    pub(crate) fn with_world() -> Self {
        let mut place = Self::bare();
        let mut child = countermand()
            .args(["--json", "simulate", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        place.world = Some(Background(child));
        let endpoints: Value = serde_json::from_str(&line).unwrap();
        place.configure(endpoints["base"].as_str().unwrap());
        place
    }

    /// The example, pointed to `base`, with short durations.
    fn configure(&self, base: &str) {
        let example = run(countermand().args(["config", "example"])).exits(0).out;
        let text = example
            .replace("http://127.0.0.1:8181", base)
            .replace("#listen = \"127.0.0.1:8080\"", "listen = \"127.0.0.1:0\"")
            .replace("#request_timeout = \"30s\"", "request_timeout = \"2s\"")
            .replace("#visibility_lag = \"5m\"", "visibility_lag = \"4s\"")
            .replace("#quiet = \"60s\"", "quiet = \"4s\"")
            .replace("#poll_initial = \"30s\"", "poll_initial = \"200ms\"")
            .replace("#poll_max = \"15m\"", "poll_max = \"1s\"")
            .replace("#refund_grace = \"24h\"", "refund_grace = \"1s\"")
            .replace(
                "#tokens = []",
                "tokens = [{ name = \"reader\", role = \"read\", token = \"read-read-read-read-read-read-read-\" }, \
                 { name = \"console\", role = \"operate\", token = \"operate-operate-operate-operate-\" }]",
            );
        self.write("countermand.toml", &text);
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The program in this place.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = countermand();
        command.current_dir(self.path()).args(arguments);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    /// Starts the daemon and waits until it listens.
    pub(crate) fn serve(&mut self) {
        let log = std::fs::File::create(self.path().join("serve.log")).unwrap();
        let child = self
            .command(&["serve"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(Background(child));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.log().contains("\"listening\"") {
            assert!(Instant::now() < deadline, "{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts the daemon with a log that cannot be written.
    #[cfg(target_os = "linux")]
    pub(crate) fn serve_without_log(&mut self) {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let child = self
            .command(&["serve"])
            .stdout(Stdio::null())
            .stderr(full)
            .spawn()
            .unwrap();
        self.daemon = Some(Background(child));
    }

    /// The daemon's log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("serve.log")).unwrap_or_default()
    }

    /// The running daemon.
    pub(crate) fn daemon(&mut self) -> Background {
        self.daemon.take().unwrap()
    }
}

/// Compares with a golden file; `UPDATE_GOLDEN=1` writes it instead.
#[track_caller]
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cli/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        expected,
        "{} differs; UPDATE_GOLDEN=1 writes it anew",
        path.display()
    );
}

/// Ids, times and spans of time, by which one run differs from the next.
pub(crate) fn mask(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let token: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.'))
            .collect();
        if token.len() == 24 && token.ends_with('Z') && token.as_bytes()[10] == b'T' {
            masked.push_str("TTTT-TT-TTTTT:TT:TT.TTTZ");
        } else if token.len() == 36
            && token.as_bytes()[14] == b'7'
            && token.matches('-').count() == 4
        {
            masked.push_str("IIIIIIII-IIII-IIII-IIII-IIIIIIIIIIII");
        } else if token.is_empty() {
            masked.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        } else {
            masked.push_str(&token);
        }
        rest = &rest[token.len()..];
    }
    masked
        .lines()
        .map(|line| {
            match (
                line.find(" ("),
                line.ends_with("ago)"),
                line.ends_with("began)"),
            ) {
                (Some(at), true, _) => format!("{} (SPAN ago)\n", &line[..at]),
                (Some(at), _, true) => format!("{} (SPAN after it began)\n", &line[..at]),
                _ => format!("{line}\n"),
            }
        })
        .collect()
}
