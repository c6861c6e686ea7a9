//! The command line.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use countermand_tests::Ran;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use crate::rows::row;
use crate::stage::Stage;
use crate::table::Chapter;

type Tried = anyhow::Result<()>;
type OnStage = Arc<Stage>;

pub(crate) fn chapter() -> Chapter {
    Chapter {
        title: "The command line",
        intro: "Data on stdout, everything else on stderr, and an exit code that says what kind of trouble it is.\n\
                Nothing that came from elsewhere reaches the terminal unescaped.",
        rows: vec![
            row!(
                "C1",
                "no arguments; `help`; `--help` everywhere",
                "2 for none, else 0; no configuration is needed",
                c1
            ),
            row!(
                "C2",
                "an unknown command or flag; a near miss",
                "2, with the one that was probably meant",
                c2
            ),
            row!(
                "C3",
                "`--limit abc`, `--limit -1`, `--older-than never`",
                "2",
                c3
            ),
            row!(
                "C4",
                "an id with line breaks or escape sequences",
                "2; never printed raw",
                c4
            ),
            row!("C5", "stdout closed early", "a quiet end", c5),
            row!("C6", "stdout on a full disk", "1, with a message", c6),
            row!(
                "C7",
                "`cancel --file -` with nothing, binary, more than 32 MiB",
                "2, in bounded memory",
                c7
            ),
            row!(
                "C8",
                "a file with a bad line; CRLF; a byte order mark; quotes; an order twice; nothing in it",
                "nothing is asked for when a line is wrong, and each is named; a second run changes nothing",
                c8
            ),
            row!(
                "C9",
                "the daemon does not answer, refuses the token, or something else listens",
                "9, in one line, soon",
                c9
            ),
            row!(
                "C10",
                "SIGINT during `cancel --wait`",
                "says what is known; the same command again is safe",
                c10
            ),
            row!(
                "C11",
                "`--config` that is missing, a directory, unreadable, 100 MiB",
                "7, with the cause",
                c11
            ),
            row!(
                "C12",
                "no HOME, a deleted directory, odd TZ and LANG, arguments that are no UTF-8",
                "it works, or 2",
                c12
            ),
            row!(
                "C13",
                "a second daemon on the same store",
                "6, naming the first",
                c13
            ),
            row!(
                "C14",
                "`verify` and `list` beside a running daemon",
                "they work, and change nothing",
                c14
            ),
            row!(
                "C15",
                "`db migrate` on an existing store, on a file of something else",
                "no-op; 6, and the file is as it was",
                c15
            ),
            row!("C16", "`db migrate` on a newer store, or killed midway", "6; as it was, or done", elsewhere "crates/store/src/sqlite/tests/files.rs" "a_newer_schema_is_refused_untouched" "a_first_start_that_was_killed_is_made_up_for"),
            row!(
                "C17",
                "`db restore` onto a live store, from a damaged or foreign file",
                "6 or 4, and nothing is touched; every restored store looks before it acts",
                c17
            ),
            row!(
                "C18",
                "a port in use, one that needs privileges, an address that is none",
                "1 or 7, with the address",
                c18
            ),
            row!(
                "C19",
                "`list --all` over many",
                "streamed, page by page, in bounded memory",
                c19
            ),
            row!(
                "C20",
                "an error with `--json`",
                "an error object on stderr, nothing on stdout",
                c20
            ),
        ],
    }
}

async fn run(stage: &Stage, arguments: &[&str]) -> anyhow::Result<Ran> {
    stage.place.run(arguments).await
}

/// A directory of its own with the example as configuration, and no daemon.
async fn elsewhere(stage: &Stage) -> anyhow::Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    let example = run(stage, &["config", "example"]).await?.exits(0)?.out;
    std::fs::write(directory.path().join("countermand.toml"), example)?;
    Ok(directory)
}

async fn run_in(
    stage: &Stage,
    directory: &std::path::Path,
    arguments: &[&str],
) -> anyhow::Result<Ran> {
    let mut command = stage.place.command(arguments);
    command.current_dir(directory);
    Ran::of(command).await
}

/// No control character but line ends.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !c.is_control())
}

async fn c1(stage: OnStage) -> Tried {
    let directory = tempfile::tempdir()?;
    run_in(&stage, directory.path(), &[]).await?.exits(2)?;
    let help = run_in(&stage, directory.path(), &["help"])
        .await?
        .exits(0)?;
    for command in help
        .out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| line.as_bytes().get(2).is_some_and(u8::is_ascii_lowercase))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
    {
        let told = run_in(&stage, directory.path(), &[command, "--help"]).await?;
        ensure!(
            told.code == 0 && told.out.contains("Usage:"),
            "{command} --help: {} {}",
            told.code,
            told.err
        );
    }
    ensure!(help.out.contains("  cancel "), "{}", help.out);
    Ok(())
}

async fn c2(stage: OnStage) -> Tried {
    for (line, meant) in [(&["cancle"][..], "cancel"), (&["list", "--stat"], "--stat")] {
        let ran = run(&stage, line).await?.exits(2)?;
        ensure!(ran.err.contains(meant), "{}", ran.err);
    }
    run(&stage, &["frobnicate"]).await?.exits(2)?;
    Ok(())
}

async fn c3(stage: OnStage) -> Tried {
    for line in [
        ["list", "--limit", "abc"],
        ["list", "--limit", "-1"],
        ["list", "--limit", "0"],
        ["list", "--older-than", "never"],
        ["list", "--state", "FOO"],
    ] {
        run(&stage, &line).await?.exits(2)?;
    }
    Ok(())
}

async fn c4(stage: OnStage) -> Tried {
    for line in [
        ["show", "a\u{1b}[31mb"],
        ["show", "a\nb"],
        ["cancel", "a\u{202e}b"],
        ["watch", "a\u{7}b"],
        ["report", "a\u{1b}]0;x\u{7}"],
    ] {
        let ran = run(&stage, &line).await?.exits(2)?;
        ensure!(
            is_harmless(&ran.err) && !ran.err.contains('\u{202e}'),
            "{:?}",
            ran.err
        );
    }
    Ok(())
}

async fn c5(stage: OnStage) -> Tried {
    for line in [&["config", "example"][..], &["list", "--all", "--json"]] {
        let mut command = stage.place.command(line);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        drop(child.stdout.take());
        let output = child.wait_with_output().await?;
        ensure!(
            output.status.success() && output.stderr.is_empty(),
            "{line:?}: {} {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

async fn c6(stage: OnStage) -> Tried {
    stage.daemon.cancel("SIM-never-decides-C6").await?;
    for line in [&["config", "example"][..], &["list"], &["stats"]] {
        let full = std::fs::File::options().write(true).open("/dev/full")?;
        let mut command = stage.place.command(line);
        command.stdout(full).stderr(Stdio::piped());
        let output = command.spawn()?.wait_with_output().await?;
        ensure!(
            output.status.code() == Some(1) && !output.stderr.is_empty(),
            "{line:?}: {}",
            output.status
        );
    }
    Ok(())
}

async fn c7(stage: OnStage) -> Tried {
    for input in [Vec::new(), b"\xff\xfe\0\x01".to_vec(), vec![b'x'; 40 << 20]] {
        let mut command = stage.place.command(&["cancel", "--file", "-"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        let size = input.len();
        // It may stop reading before the end.
        let feeding = tokio::spawn(async move { stdin.write_all(&input).await });
        let output = child.wait_with_output().await?;
        let _ = feeding.await;
        ensure!(
            output.status.code() == Some(2),
            "{size} bytes: {} {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

async fn c8(stage: OnStage) -> Tried {
    let write = |name: &str, text: &str| stage.place.write(name, text);
    write(
        "bad.jsonl",
        "{\"orderId\":\"SIM-happy-C8\"}\n{\"orderId\":\"a b\"}\n{\"order\":1}\n",
    )?;
    let ran = run(&stage, &["cancel", "--file", "bad.jsonl"])
        .await?
        .exits(2)?;
    ensure!(
        ran.err.contains("line 2") && ran.err.contains("line 3"),
        "{}",
        ran.err
    );
    ensure!(
        run(&stage, &["show", "SIM-happy-C8"]).await?.code == 3,
        "the good line was asked for"
    );
    write("empty.csv", "")?;
    run(&stage, &["cancel", "--file", "empty.csv"])
        .await?
        .exits(2)?;
    write(
        "good.csv",
        "\u{feff}orderId,externalId,additionalComments\r\nSIM-happy-C8a,c8a,\"one, two\"\r\nSIM-happy-C8b,c8b,\r\n",
    )?;
    for expected in ["created", "existing"] {
        let ran = run(&stage, &["cancel", "--file", "good.csv", "--json"])
            .await?
            .exits(0)?;
        let results: Vec<Value> = ran
            .out
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        ensure!(
            results.len() == 2 && results.iter().all(|line| line["result"] == expected),
            "{}",
            ran.out
        );
    }
    write(
        "twice.jsonl",
        "{\"orderId\":\"SIM-never-decides-C8\"}\n{\"orderId\":\"SIM-never-decides-C8\"}\n",
    )?;
    let ran = run(&stage, &["cancel", "--file", "twice.jsonl", "--json"]).await?;
    ensure!(
        matches!(ran.code, 2 | 4),
        "an order twice: {} {}",
        ran.code,
        ran.err
    );
    let page = stage
        .daemon
        .get("/v1/cancellations?orderId=SIM-never-decides-C8")
        .await?
        .is(200)?;
    ensure!(
        page["items"]
            .as_array()
            .is_some_and(|items| items.len() < 2),
        "it was begun twice"
    );
    Ok(())
}

async fn c9(stage: OnStage) -> Tried {
    // Another configuration, with a token that the daemon does not know.
    let text = std::fs::read_to_string(stage.place.path().join("countermand.toml"))?;
    let wrong = text.replace(
        countermand_tests::OPERATE,
        "other-other-other-other-other-other-other",
    );
    stage.place.write("wrong-token.toml", &wrong)?;
    let began = Instant::now();
    let ran = run(&stage, &["--config", "wrong-token.toml", "retry", "nobody"])
        .await?
        .exits(9)?;
    ensure!(ran.err.lines().count() == 1, "{}", ran.err);
    ensure!(began.elapsed() < Duration::from_secs(20), "it took long");
    Ok(())
}

async fn c10(stage: OnStage) -> Tried {
    let line = [
        "cancel",
        "SIM-never-decides-C10",
        "--external-id",
        "c10",
        "--wait",
    ];
    let mut command = stage.place.command(&line);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // It is stored once the daemon knows of it.
    let deadline = Instant::now() + Duration::from_secs(20);
    while run(&stage, &["show", "SIM-never-decides-C10"]).await?.code != 0 {
        ensure!(Instant::now() < deadline, "it was not asked for");
    }
    let pid = i32::try_from(child.id().context("it ended")?)?;
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGINT,
    )?;
    let mut stderr = String::new();
    let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
    while let Some(line) = lines.next_line().await? {
        stderr.push_str(&line);
        stderr.push('\n');
    }
    let status = timeout(Duration::from_secs(20), child.wait()).await??;
    ensure!(
        !status.success() && !stderr.is_empty(),
        "{status}: {stderr:?}"
    );
    let again = run(&stage, &line[..4]).await?.exits(0)?;
    ensure!(again.out.contains("SIM-never-decides-C10"), "{}", again.out);
    Ok(())
}

async fn c11(stage: OnStage) -> Tried {
    let directory = tempfile::tempdir()?;
    let big = directory.path().join("big.toml");
    std::fs::File::create(&big)?.set_len(100 << 20)?;
    for file in [
        directory.path().join("missing.toml"),
        directory.path().to_owned(),
        big,
    ] {
        let file = file.display().to_string();
        let ran = run(&stage, &["--config", &file, "list"]).await?.exits(7)?;
        ensure!(ran.err.contains(&file), "{}", ran.err);
    }
    Ok(())
}

async fn c12(stage: OnStage) -> Tried {
    use std::os::unix::ffi::OsStrExt as _;
    let gone = tempfile::tempdir()?;
    let path = gone.path().to_owned();
    let mut command = stage.place.command(&["config", "example"]);
    command
        .current_dir(&path)
        .env_remove("HOME")
        .env("TZ", "garbage/garbage")
        .env("LANG", "C");
    Ran::of(command).await?.exits(0)?;
    let script = format!(
        "cd '{0}' && rmdir '{0}' && exec \"$@\"",
        path.join("inner").display()
    );
    std::fs::create_dir(path.join("inner"))?;
    let inner = stage.place.command(&["config", "example"]);
    let inner = inner.as_std();
    let mut command = tokio::process::Command::new("sh");
    command
        .args(["-c", &script, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    Ran::of(command).await?.exits(0)?;
    let mut command = stage.place.command(&["show"]);
    command.arg(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    let ran = Ran::of(command).await?.exits(2)?;
    ensure!(is_harmless(&ran.err), "{:?}", ran.err);
    Ok(())
}

async fn c13(stage: OnStage) -> Tried {
    let ran = run(&stage, &["serve"]).await?.exits(6)?;
    ensure!(
        ran.err.contains(&stage.daemon.pid().to_string()),
        "it does not name the process: {}",
        ran.err
    );
    Ok(())
}

async fn c14(stage: OnStage) -> Tried {
    run(&stage, &["verify"]).await?.exits(0)?;
    run(&stage, &["list", "--all", "--json"]).await?.exits(0)?;
    run(&stage, &["stats"]).await?.exits(0)?;
    Ok(())
}

async fn c15(stage: OnStage) -> Tried {
    let directory = elsewhere(&stage).await?;
    for _ in 0..2 {
        run_in(&stage, directory.path(), &["db", "migrate"])
            .await?
            .exits(0)?;
    }
    let other = elsewhere(&stage).await?;
    let file = other.path().join("countermand.db");
    std::fs::write(&file, "a diary, and no database")?;
    run_in(&stage, other.path(), &["db", "migrate"])
        .await?
        .exits(6)?;
    ensure!(
        std::fs::read(&file)? == b"a diary, and no database",
        "it was changed"
    );
    Ok(())
}

async fn c17(stage: OnStage) -> Tried {
    let directory = tempfile::tempdir()?;
    let backup = directory.path().join("backup.db").display().to_string();
    run(&stage, &["db", "backup", &backup]).await?.exits(0)?;
    let live = run(&stage, &["db", "restore", &backup, "--force"]).await?;
    ensure!(
        live.code == 6 || live.code == 4,
        "onto a live store: {} {}",
        live.code,
        live.err
    );
    let other = elsewhere(&stage).await?;
    let bytes = std::fs::read(&backup)?;
    for (name, bytes) in [
        ("cut.db", &bytes[..bytes.len() / 2]),
        ("diary.db", b"a diary".as_slice()),
    ] {
        let path = other.path().join(name);
        std::fs::write(&path, bytes)?;
        run_in(
            &stage,
            other.path(),
            &["db", "restore", &path.display().to_string()],
        )
        .await?
        .exits(6)
        .with_context(|| name.to_owned())?;
        ensure!(
            !other.path().join("countermand.db").exists(),
            "{name}: something was written"
        );
    }
    run_in(&stage, other.path(), &["db", "restore", &backup])
        .await?
        .exits(0)?;
    run_in(&stage, other.path(), &["db", "restore", &backup])
        .await?
        .exits(4)?;
    run_in(&stage, other.path(), &["verify"]).await?.exits(0)?;
    Ok(())
}

async fn c18(stage: OnStage) -> Tried {
    let directory = elsewhere(&stage).await?;
    let text = std::fs::read_to_string(directory.path().join("countermand.toml"))?;
    let used = stage.daemon.address().to_string();
    for (address, codes) in [(used.as_str(), [1, 1]), ("localhost", [7, 7])] {
        std::fs::write(
            directory.path().join("countermand.toml"),
            text.replace(
                "#listen = \"127.0.0.1:8080\"",
                &format!("listen = \"{address}\""),
            ),
        )?;
        let ran = run_in(&stage, directory.path(), &["serve"]).await?;
        ensure!(
            codes.contains(&ran.code) && ran.err.contains(address),
            "{address}: {} {}",
            ran.code,
            ran.err
        );
    }
    Ok(())
}

async fn c19(stage: OnStage) -> Tried {
    let ran = run(&stage, &["list", "--all", "--json"]).await?.exits(0)?;
    for line in ran.out.lines() {
        let document: Value = serde_json::from_str(line)?;
        ensure!(document["id"].is_string(), "{line}");
    }
    Ok(())
}

async fn c20(stage: OnStage) -> Tried {
    for (line, code) in [
        (&["--json", "show", "nobody"][..], 3),
        (&["--json", "list", "--limit", "0"], 2),
        (&["--json", "--config", "missing.toml", "list"], 7),
    ] {
        let ran = run(&stage, line).await?.exits(code)?;
        let error: Value = serde_json::from_str(&ran.err)
            .with_context(|| format!("no JSON on stderr: {}", ran.err))?;
        ensure!(
            error["error"].is_object() && ran.out.is_empty(),
            "{line:?}: {} {}",
            ran.out,
            ran.err
        );
    }
    Ok(())
}
