//! Blocks of shell in pages, run as a reader would run them.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a block may take.
const WITHIN: Duration = Duration::from_secs(120);

/// A block that is to be run.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    line: usize,
    text: String,
    how: How,
}

#[derive(Debug, PartialEq, Eq)]
enum How {
    /// To its end, with exit code 0.
    Run,
    /// Until it says this; then it goes on in the background.
    Background(String),
}

/// The blocks of a page. A fenced block of shell without a mark is an error: it may be forgotten.
fn blocks(page: &str) -> anyhow::Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut mark = None;
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(inner) = line
            .strip_prefix("<!-- run")
            .and_then(|rest| rest.strip_suffix("-->"))
        {
            mark = Some(match inner.trim() {
                "" => How::Run,
                other => match other.strip_prefix("in the background, until: ") {
                    Some(until) => How::Background(until.to_owned()),
                    None => bail!("line {}: {other:?} is no way to run a block", number + 1),
                },
            });
        } else if line == "```sh" {
            let how = mark
                .take()
                .with_context(|| format!("line {}: the block has no mark", number + 1))?;
            let mut text = String::new();
            for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
                text.push_str(line);
                text.push('\n');
            }
            blocks.push(Block {
                line: number + 1,
                text,
                how,
            });
        }
    }
    Ok(blocks)
}

/// A port that nobody listens on at present.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The two ports that pages write, and the free ones that stand for them here.
struct Ports {
    daemon: u16,
    world: u16,
}

/// Where a page is read: a directory, and a `countermand` in the path.
struct Desk {
    directory: tempfile::TempDir,
    ports: Ports,
    background: Vec<Child>,
}

impl Desk {
    fn new() -> anyhow::Result<Self> {
        let desk = Self {
            directory: tempfile::tempdir()?,
            ports: Ports {
                daemon: free_port()?,
                world: free_port()?,
            },
            background: Vec::new(),
        };
        let bin = desk.directory.path().join("bin");
        std::fs::create_dir(&bin)?;
        let script = bin.join("countermand");
        let Ports { daemon, world } = desk.ports;
        // The example names the usual ports; whoever else uses this machine may have them.
        std::fs::write(
            &script,
            format!(
                "#!/bin/sh\n\
                 case \"$1 $2\" in\n\
                 'config example') '{0}' \"$@\" | sed 's/8181/{world}/; s/8080/{daemon}/; s/^#listen/listen/' ;;\n\
                 'simulate '*) shift; exec '{0}' simulate --listen 127.0.0.1:{world} \"$@\" ;;\n\
                 *) exec '{0}' \"$@\" ;;\n\
                 esac\n",
                env!("CARGO_BIN_EXE_countermand-under-test"),
            ),
        )?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        std::fs::create_dir(desk.directory.path().join("work"))?;
        Ok(desk)
    }

    fn shell(&self, block: &Block) -> anyhow::Result<Command> {
        let path = std::env::var("PATH").context("there is no PATH")?;
        let bin = self.directory.path().join("bin");
        let text = block
            .text
            .replace("8080", &self.ports.daemon.to_string())
            .replace("8181", &self.ports.world.to_string());
        let mut command = Command::new("sh");
        command
            .args(["-e", "-c", &text])
            .env("PATH", format!("{}:{path}", bin.display()))
            .current_dir(self.directory.path().join("work"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERMAND_") {
                command.env_remove(name);
            }
        }
        Ok(command)
    }

    async fn run(&mut self, block: &Block) -> anyhow::Result<()> {
        let mut command = self.shell(block)?;
        match &block.how {
            How::Run => {
                let output = timeout(WITHIN, command.output())
                    .await
                    .context("it does not end")??;
                ensure!(
                    output.status.success(),
                    "{}\n{}\n{}",
                    output.status,
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            How::Background(until) => {
                // A group of its own, so that what the shell runs ends with the shell.
                let mut child = command
                    .process_group(0)
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()?;
                let out = child.stdout.take().context("no stdout")?;
                let err = child.stderr.take().context("no stderr")?;
                let said = async {
                    tokio::select! {
                        biased;
                        said = says(out, until) => said,
                        said = says(err, until) => said,
                    }
                };
                // First, so that it ends with the page also where it never gets ready.
                self.background.push(child);
                timeout(WITHIN, said)
                    .await
                    .context("it never says that it is ready")??;
            }
        }
        Ok(())
    }
}

/// Reads until a line has these words, and goes on reading in the background.
async fn says(
    stream: impl tokio::io::AsyncRead + Unpin + Send + 'static,
    words: &str,
) -> anyhow::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        if line.contains(words) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(());
        }
    }
    // This stream ended; the other one may still say it.
    std::future::pending().await
}

impl Drop for Desk {
    fn drop(&mut self) {
        for child in &self.background {
            if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()) {
                // It may have ended already.
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
        }
    }
}

async fn page(name: &str) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let blocks = blocks(&std::fs::read_to_string(path)?)?;
    ensure!(!blocks.is_empty(), "{name} has nothing to run");
    let mut desk = Desk::new()?;
    for block in &blocks {
        desk.run(block)
            .await
            .with_context(|| format!("{name}:{}:\n{}", block.line, block.text))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quick_start_works_as_printed() -> anyhow::Result<()> {
    page("docs/quick-start.md").await
}

/// A fenced block of shell is run, or it is not fenced as shell.
#[test]
fn no_block_of_shell_is_forgotten() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for entry in std::fs::read_dir(root.join("docs"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let name = path.display().to_string();
        let found = blocks(&std::fs::read_to_string(&path)?).with_context(|| name.clone())?;
        ensure!(
            found.is_empty() || path.ends_with("docs/quick-start.md"),
            "{name}: nothing runs its blocks"
        );
    }
    Ok(())
}

#[test]
fn blocks_are_found_with_their_marks() {
    let page = "text\n<!-- run -->\n```sh\na\nb\n```\n\n<!-- run in the background, until: up -->\n```sh\nc\n```\n";
    let found = blocks(page).unwrap();
    assert_eq!(
        found,
        [
            Block {
                line: 3,
                text: "a\nb\n".to_owned(),
                how: How::Run
            },
            Block {
                line: 9,
                text: "c\n".to_owned(),
                how: How::Background("up".to_owned())
            },
        ]
    );
    assert!(blocks("```sh\na\n```\n").is_err());
    assert!(blocks("<!-- run sometimes -->\n```sh\na\n```\n").is_err());
}

#[tokio::test]
async fn a_block_that_fails_fails_the_page() {
    let mut desk = Desk::new().unwrap();
    for (text, good) in [
        ("true\n", true),
        ("false\ntrue\n", false),
        ("nonsense-x\n", false),
    ] {
        let block = Block {
            line: 1,
            text: text.to_owned(),
            how: How::Run,
        };
        assert_eq!(desk.run(&block).await.is_ok(), good, "{text}");
    }
}
