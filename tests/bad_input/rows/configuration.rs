//! The configuration.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use countermand_tests::Ran;

use crate::rows::row;
use crate::stage::Stage;
use crate::table::Chapter;

type Tried = anyhow::Result<()>;
type OnStage = Arc<Stage>;

pub(crate) fn chapter() -> Chapter {
    Chapter {
        title: "The configuration",
        intro: "Exit code 7, before anything is opened or written; every error at once, each with file, line, column\n\
                and key, or the variable, and with what would be right.",
        rows: vec![
            row!(
                "G1",
                "TOML that is none, a key twice, a byte order mark",
                "with line and column",
                g1
            ),
            row!(
                "G2",
                "an unknown key, one in the wrong case, one in the wrong table",
                "refused, with the key that was probably meant",
                g2
            ),
            row!(
                "G3",
                "a wrong type; a duration that is negative, zero, without a unit, too long",
                "refused",
                g3
            ),
            row!(
                "G4",
                "values that contradict each other",
                "refused, with the inequality",
                g4
            ),
            row!("G5", "a secret in the file", "legal", g5),
            row!(
                "G6",
                "a secret's file that is missing, empty, ends with a line break, has 10 MiB",
                "refused; refused; the line break is not part of it; refused",
                g6
            ),
            row!(
                "G7",
                "a file with secrets that others can read",
                "a warning at start, with the command that mends it",
                g7
            ),
            row!(
                "G8",
                "plain `http://` to another machine",
                "refused, unless the section says `allow_plaintext = true`",
                g8
            ),
            row!(
                "G9",
                "an address with a password, a fragment, `file:`, `gopher:`, a relative one",
                "refused",
                g9
            ),
            row!(
                "G10",
                "addresses of link-local and metadata services, 0.0.0.0, odd spellings of numbers",
                "refused",
                g10
            ),
            row!(
                "G11",
                "listening beyond loopback without tokens",
                "refused",
                g11
            ),
            row!(
                "G12",
                "a store that is a directory, in no directory, `:memory:`, a loop of links, 5,000 characters",
                "6 or 7, with the cause; nothing is created",
                g12
            ),
            row!(
                "G13",
                "a Postgres address",
                "refused: this version keeps its store in SQLite; a password in it is not shown",
                g13
            ),
            row!(
                "G14",
                "variables: an unknown one with `__`, an empty value, one without `__`",
                "refused; refused; ignored",
                g14
            ),
            row!(
                "G15",
                "two targets or tokens with the same name or secret",
                "refused",
                g15
            ),
            row!("G16", "a clock far off", "it starts; timers go by the store's time", elsewhere "crates/runner/tests/engine/life.rs" "the_wall_clock_may_jump_and_no_doubt_is_shortened"),
            row!("G17", "retention of zero", "", none "nothing is deleted yet, so there is no such key"),
            row!("G18", "a configuration that is changed to a wrong one while the daemon runs", "", none "the configuration is read at start only; a wrong one is refused at the next start"),
            row!("G19", "no concurrency at all, a million", "refused", g19),
            row!("G20", "a log level that is none", "refused", g20),
        ],
    }
}

/// A directory with the example as its configuration, so far as not edited.
struct Desk {
    directory: tempfile::TempDir,
    stage: OnStage,
    example: String,
}

impl Desk {
    async fn new(stage: OnStage) -> anyhow::Result<Self> {
        let example = stage.place.run(&["config", "example"]).await?.exits(0)?.out;
        Ok(Self {
            directory: tempfile::tempdir()?,
            stage,
            example,
        })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn with(&self, key: &str, line: &str) -> anyhow::Result<String> {
        let old = self
            .example
            .lines()
            .find(|known| {
                known
                    .trim_start_matches('#')
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.starts_with(" = "))
            })
            .with_context(|| format!("the example has no {key}"))?;
        Ok(self.example.replacen(old, line, 1))
    }

    async fn check(&self, text: &[u8], variables: &[(&str, &str)]) -> anyhow::Result<Ran> {
        self.run(&["config", "check"], text, variables).await
    }

    async fn run(
        &self,
        arguments: &[&str],
        text: &[u8],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Ran> {
        let file = self.path().join("countermand.toml");
        std::fs::write(&file, text)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        let mut command = self.stage.place.command(arguments);
        command
            .current_dir(self.path())
            .envs(variables.iter().copied());
        Ran::of(command).await
    }

    /// Refused with exit code 7, in these words, and nothing is written.
    async fn refused(&self, text: &str, says: &[&str]) -> Tried {
        let ran = self.check(text.as_bytes(), &[]).await?.exits(7)?;
        for words in says {
            ensure!(
                ran.err.contains(words),
                "it does not say {words:?}: {}",
                ran.err
            );
        }
        ensure!(ran.out.is_empty(), "something is on stdout: {}", ran.out);
        let entries = std::fs::read_dir(self.path())?.count();
        ensure!(entries == 1, "something was written");
        Ok(())
    }
}

async fn g1(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    let lines = desk.example.lines().count();
    let place = format!("countermand.toml:{}:", lines + 2);
    for (extra, says) in [
        ("\n[[[\n", "not valid TOML"),
        ("\nfilter = \n", "not valid TOML"),
    ] {
        desk.refused(&format!("{}{extra}", desk.example), &[&place, says])
            .await?;
    }
    desk.refused(
        &format!("{}\nfilter = \"info\"\nfilter = \"warn\"\n", desk.example),
        &["duplicate key", "countermand.toml:"],
    )
    .await?;
    let marked = format!("\u{feff}{}", desk.example);
    let ran = desk.check(marked.as_bytes(), &[]).await?;
    ensure!(
        ran.code == 0 || ran.code == 7,
        "a byte order mark: {}",
        ran.code
    );
    let ran = desk.check(b"\xff\xfe\0", &[]).await?.exits(7)?;
    ensure!(ran.err.contains("UTF-8"), "{}", ran.err);
    Ok(())
}

async fn g2(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    for (extra, says) in [
        ("\nfiler = \"info\"\n", &["log.filer", "filter"][..]),
        ("\nFilter = \"info\"\n", &["log.Filter", "filter"]),
        ("\nlease = \"5m\"\n", &["log.lease"]),
        ("\n[Limits]\npayouts_per_hour = 1\n", &["Limits", "limits"]),
        ("\n[telemetry]\nx = 1\n", &["telemetry"]),
    ] {
        desk.refused(&format!("{}{extra}", desk.example), says)
            .await?;
    }
    // All at once.
    desk.refused(
        &format!("{}\nfiler = \"info\"\nlease = \"5m\"\n", desk.example),
        &["in 2 places", "log.filer", "log.lease"],
    )
    .await
}

async fn g3(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    for (key, line) in [
        ("lease", "lease = 120"),
        ("lease", "lease = \"30\""),
        ("lease", "lease = \"0s\""),
        ("lease", "lease = \"-5s\""),
        ("lease", "lease = \"1e9 y\""),
        ("observe", "observe = \"yes\""),
        ("attempts", "attempts = -1"),
        ("payouts_per_hour", "payouts_per_hour = -1"),
        ("rate_limit", "rate_limit = 0"),
        ("rate_limit", "rate_limit = nan"),
    ] {
        let text = desk.with(key, line)?;
        desk.refused(&text, &[key, "countermand.toml:"])
            .await
            .with_context(|| line.to_owned())?;
    }
    Ok(())
}

async fn g4(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    for (key, line, says) in [
        ("lease", "lease = \"89s\"", "runner.lease >= 3 x "),
        ("quiet", "quiet = \"59s\"", "refunds.quiet >= 2 x "),
        (
            "visibility_lag",
            "visibility_lag = \"59s\"",
            "visibility_lag >= 2 x ",
        ),
        (
            "poll_initial",
            "poll_initial = \"20m\"",
            "policy.poll_initial <= policy.poll_max",
        ),
        ("key_horizon", "key_horizon = \"24h\"", "key_horizon"),
    ] {
        let text = desk.with(key, line)?;
        desk.refused(&text, &[says])
            .await
            .with_context(|| line.to_owned())?;
    }
    Ok(())
}

async fn g5(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    desk.check(desk.example.as_bytes(), &[]).await?.exits(0)?;
    let shown = desk
        .run(&["config", "show"], desk.example.as_bytes(), &[])
        .await?
        .exits(0)?;
    ensure!(
        !shown.out.contains("simulated-secret"),
        "the secret is shown"
    );
    Ok(())
}

async fn g6(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    let outside = tempfile::tempdir()?;
    let secret = outside.path().join("secret");
    let text = desk.with(
        "client_secret",
        &format!("client_secret_file = \"{}\"", secret.display()),
    )?;
    let write = |bytes: &[u8]| -> std::io::Result<()> {
        std::fs::write(&secret, bytes)?;
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600))
    };
    desk.refused(&text, &["client_secret", "secret"]).await?;
    write(b"")?;
    desk.refused(&text, &["client_secret"]).await?;
    write(&vec![b'x'; 10 << 20])?;
    desk.refused(&text, &["client_secret"]).await?;
    write(b"simulated-secret\n")?;
    desk.check(text.as_bytes(), &[]).await?.exits(0)?;
    Ok(())
}

async fn g7(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    let file = desk.path().join("countermand.toml");
    std::fs::write(&file, &desk.example)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))?;
    let mut command = desk.stage.place.command(&["config", "check"]);
    command.current_dir(desk.path());
    let ran = Ran::of(command).await?.exits(0)?;
    ensure!(
        ran.err.contains("warning") && ran.err.contains("chmod"),
        "{}",
        ran.err
    );
    Ok(())
}

async fn g8(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    let line = "endpoint = \"http://amazon.example/graphql\"";
    let text = desk.with("endpoint", line)?;
    desk.refused(&text, &["buy_with_prime.endpoint", "allow_plaintext"])
        .await?;
    let allowed = text.replacen("#allow_plaintext = false", "allow_plaintext = true", 1);
    desk.check(allowed.as_bytes(), &[]).await?.exits(0)?;
    Ok(())
}

async fn addresses(desk: &Desk, addresses: &[&str]) -> Tried {
    for address in addresses {
        let text = desk.with("endpoint", &format!("endpoint = \"{address}\""))?;
        desk.refused(&text, &["buy_with_prime.endpoint"])
            .await
            .with_context(|| (*address).to_owned())?;
    }
    Ok(())
}

async fn g9(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    let wrong = [
        "https://user:password@amazon.example/graphql",
        "https://amazon.example/graphql#x",
        "file:///etc/passwd",
        "gopher://amazon.example/",
        "/graphql",
        "",
        " https://amazon.example/graphql",
    ];
    addresses(&desk, &wrong).await?;
    let text = desk.with("endpoint", "endpoint = \"https://user:hush@a.example/\"")?;
    let ran = desk.check(text.as_bytes(), &[]).await?.exits(7)?;
    ensure!(!ran.err.contains("hush"), "the password is shown");
    Ok(())
}

async fn g10(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    let wrong = [
        "https://169.254.169.254/graphql",
        "https://[fd00:ec2::254]/graphql",
        "https://0.0.0.0/graphql",
        "https://0xa9fea9fe/graphql",
        "https://2852039166/graphql",
        "https://[::ffff:169.254.169.254]/graphql",
    ];
    addresses(&desk, &wrong).await
}

async fn g11(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    for address in ["0.0.0.0:8080", "[::]:8080", "192.168.1.5:80"] {
        let text = desk.with("listen", &format!("listen = \"{address}\""))?;
        desk.refused(&text, &["http.listen", "tokens"]).await?;
    }
    Ok(())
}

async fn g12(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    let outside = tempfile::tempdir()?;
    std::os::unix::fs::symlink("round", outside.path().join("round"))?;
    let long = "x".repeat(5_000);
    for path in [
        outside.path().display().to_string(),
        outside
            .path()
            .join("nowhere/store.db")
            .display()
            .to_string(),
        ":memory:".to_owned(),
        outside.path().join("round").display().to_string(),
        long,
    ] {
        let text = desk.with("url", &format!("url = \"sqlite://{path}\""))?;
        let ran = desk.run(&["db", "migrate"], text.as_bytes(), &[]).await?;
        ensure!(
            ran.code == 6 || ran.code == 7,
            "{path:.80}: exit code {}: {}",
            ran.code,
            ran.err
        );
    }
    let left = std::fs::read_dir(outside.path())?.count();
    ensure!(left == 1, "something was created");
    Ok(())
}

async fn g13(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    let text = desk.with("url", "url = \"postgres://user:hush@db.example/orders\"")?;
    let ran = desk.check(text.as_bytes(), &[]).await?.exits(7)?;
    ensure!(
        ran.err.contains("store.url") && !ran.err.contains("hush"),
        "{}",
        ran.err
    );
    Ok(())
}

async fn g14(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    let text = desk.example.as_bytes();
    for (name, value, code) in [
        ("COUNTERMAND_POLICY__REFUND_GRACES", "1h", 7),
        ("COUNTERMAND_NOTHING__AT_ALL", "1h", 7),
        ("COUNTERMAND_POLICY__REFUND_GRACE", "", 7),
        ("COUNTERMAND_POLICY__REFUND_GRACE", "1h", 0),
        ("COUNTERMAND_WHATEVER", "1h", 0),
    ] {
        let ran = desk.check(text, &[(name, value)]).await?;
        let told = code == 0 || ran.err.contains(name);
        ensure!(
            ran.code == code && told,
            "{name}={value}: exit code {}: {}",
            ran.code,
            ran.err
        );
    }
    Ok(())
}

async fn g15(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    for (tokens, says) in [
        (
            r#"tokens = [{ name = "a", role = "read", token = "t" }, { name = "a", role = "read", token = "u" }]"#,
            "http.tokens.1.name",
        ),
        (
            r#"tokens = [{ name = "a", role = "read", token = "t" }, { name = "b", role = "read", token = "t" }]"#,
            "http.tokens.1.token",
        ),
    ] {
        let text = desk.with("tokens", tokens)?;
        desk.refused(&text, &[says]).await?;
    }
    Ok(())
}

async fn g19(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    for value in ["0", "1000000"] {
        let text = desk.with("concurrency", &format!("concurrency = {value}"))?;
        desk.refused(&text, &["runner.concurrency"]).await?;
    }
    Ok(())
}

async fn g20(stage: OnStage) -> Tried {
    let desk = Desk::new(stage).await?;
    for filter in ["loud", "", "info,sqlx=noisy"] {
        let text = desk.with("filter", &format!("filter = \"{filter}\""))?;
        desk.refused(&text, &["log.filter"]).await?;
    }
    let text = desk.with("format", "format = \"xml\"")?;
    desk.refused(&text, &["log.format"]).await
}
