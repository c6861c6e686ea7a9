//! One wrong thing each, with the place and the words that it is told with.

use super::{NEXT, refused, replaced, with};

#[test]
fn one_wrong_thing_is_told_with_its_place() {
    let at = format!("countermand.toml:{NEXT}:");
    let after = format!("countermand.toml:{}:", NEXT + 1);
    let table: &[(&str, &[&str])] = &[
        // G1: syntax.
        ("[log\nfilter = \"info\"\n", &[&at, "not valid TOML"]),
        (
            "[log]\nfilter = \"info\"\nfilter = \"warn\"\n",
            &["countermand.toml:16:", "duplicate key"],
        ),
        ("[log]\n[log]\n", &[&after, "duplicate key"]),
        ("[log]\nfilter = info\n", &[&after, "not valid TOML"]),
        // G2: unknown keys.
        (
            "[log]\nfiler = \"info\"\n",
            &[&after, "log.filer", "did you mean `filter`?"],
        ),
        (
            "[log]\nFilter = \"info\"\n",
            &[&after, "log.Filter", "did you mean `filter`?"],
        ),
        (
            "[log]\nlease = \"5m\"\n",
            &[&after, "log.lease", "format, filter"],
        ),
        (
            "[Runner]\nlease = \"5m\"\n",
            &[&at, "Runner", "did you mean `runner`?"],
        ),
        (
            "[telemetry]\nx = 1\n",
            &[&at, "telemetry", "no section", "buy_with_prime"],
        ),
        (
            "[retry.cancelOrder]\nattempts = 1\n",
            &["retry.cancelOrder", "did you mean `cancel_order`?"],
        ),
        (
            "[retry.timer]\nattempts = 1\n",
            &[&at, "retry.timer", "read_order"],
        ),
        // G3: types and durations.
        (
            "[runner]\nlease = 120\n",
            &[&after, "runner.lease", "duration", "it is 120"],
        ),
        (
            "[runner]\nlease = \"30\"\n",
            &[&after, "runner.lease", "with a unit", "it is \"30\""],
        ),
        (
            "[runner]\nlease = \"0s\"\n",
            &["runner.lease", "above zero"],
        ),
        ("[runner]\nlease = \"-5s\"\n", &["runner.lease"]),
        ("[runner]\nlease = \"1e9 y\"\n", &["runner.lease"]),
        (
            "[runner]\nlease = \"999999999999999999999999y\"\n",
            &["runner.lease"],
        ),
        (
            "[runner]\nlease = \"11y\"\n",
            &["runner.lease", "ten years"],
        ),
        ("[runner]\nlease = \"\"\n", &["runner.lease"]),
        ("[runner]\nlease = true\n", &["runner.lease", "it is true"]),
        (
            "[policy]\nobserve = \"yes\"\n",
            &["policy.observe", "true or false", "\"yes\""],
        ),
        ("[policy]\nobserve = 1\n", &["policy.observe", "it is 1"]),
        (
            "[policy]\nrefund_reasons = \"CANCELLED_ORDER\"\n",
            &["policy.refund_reasons", "an array of strings"],
        ),
        (
            "[policy]\nrefund_reasons = [1]\n",
            &["policy.refund_reasons", "an array of strings"],
        ),
        (
            "[policy]\nrefund_reasons = [\"cancelled\"]\n",
            &["policy.refund_reasons", "CANCELLED_ORDER"],
        ),
        (
            "[policy]\nrefund_reasons = [\"A\", \"A\"]\n",
            &["policy.refund_reasons", "twice"],
        ),
        ("[retry]\nattempts = -1\n", &["retry.attempts", "it is -1"]),
        ("[retry]\nattempts = 99999999999\n", &["retry.attempts"]),
        (
            "[retry]\nattempts = 99999999999999999999999\n",
            &["retry.attempts"],
        ),
        (
            "[limits]\npayouts_per_hour = -1\n",
            &["limits.payouts_per_hour"],
        ),
        (
            "[limits]\npayout_amount_per_day = 5\n",
            &["limits.payout_amount_per_day", "a table"],
        ),
        (
            "[limits]\npayout_amount_per_day = { USD = \"x\" }\n",
            &["limits.payout_amount_per_day", "USD"],
        ),
        (
            "[limits]\npayout_amount_per_day = { dollar = \"5\" }\n",
            &["limits.payout_amount_per_day", "dollar"],
        ),
        (
            "[runner]\nlease = 2026-11-24\n",
            &["runner.lease", "the date"],
        ),
        ("runner = 5\n", &["oms.runner"]),
        // G4: relations.
        (
            "[runner]\nlease = \"89s\"\n",
            &[&after, "runner.lease >= 3 x ", "1m 29s and 30s"],
        ),
        (
            "[policy]\npoll_initial = \"20m\"\n",
            &[
                &after,
                "policy.poll_initial <= policy.poll_max",
                "20m and 15m",
            ],
        ),
        (
            "[policy]\npoll_max = \"1s\"\n",
            &[
                &after,
                "policy.poll_max: policy.poll_initial <= policy.poll_max",
            ],
        ),
        (
            "[retry]\ninitial = \"20m\"\n",
            &["retry.initial <= retry.max"],
        ),
        (
            "[retry.pay_refund]\nmax = \"10ms\"\n",
            &[
                "retry.pay_refund.max",
                "retry.pay_refund.initial <= retry.pay_refund.max",
            ],
        ),
        // G11: listening.
        (
            "[http]\nlisten = \"0.0.0.0:8080\"\n",
            &[&after, "http.listen", "tokens"],
        ),
        (
            "[http]\nlisten = \"[::]:8080\"\n",
            &["http.listen", "tokens"],
        ),
        (
            "[http]\nlisten = \"192.168.1.5:80\"\n",
            &["http.listen", "tokens"],
        ),
        (
            "[http]\nlisten = \"localhost:8080\"\n",
            &["http.listen", "an IP address and a port"],
        ),
        ("[http]\nlisten = \"127.0.0.1\"\n", &["http.listen"]),
        ("[http]\nlisten = \"127.0.0.1:99999\"\n", &["http.listen"]),
        ("[http]\nlisten = 8080\n", &["http.listen", "it is 8080"]),
        // Tokens, G15.
        (
            "[[http.tokens]]\nname = \"a\"\nrole = \"admin\"\ntoken = \"t\"\n",
            &[
                "countermand.toml:16:",
                "http.tokens.0.role",
                "\"admin\"",
                "operate",
            ],
        ),
        (
            "[[http.tokens]]\nname = \"a\"\nrole = \"read\"\n",
            &[&at, "http.tokens.0.token", "missing", "token_file"],
        ),
        (
            "[[http.tokens]]\nname = \"a\"\nrole = \"read\"\ntoken = \"\"\n",
            &["http.tokens.0.token", "empty"],
        ),
        (
            "[[http.tokens]]\nname = \"a\"\nrole = \"read\"\ntoken = \"a b\"\n",
            &["http.tokens.0.token", "visible ASCII"],
        ),
        (
            "[http]\ntokens = [{ name = \"a\", role = \"read\", token = \"t\" }, { name = \"a\", role = \"read\", token = \"u\" }]\n",
            &["http.tokens.1.name", "two tokens"],
        ),
        (
            "[http]\ntokens = [{ name = \"a\", role = \"read\", token = \"t\" }, { name = \"b\", role = \"read\", token = \"t\" }]\n",
            &["http.tokens.1.token", "the same"],
        ),
        (
            "[http]\ntokens = [\"t\"]\n",
            &["http.tokens.0", "must be a table"],
        ),
        (
            "[http]\ntokens = \"t\"\n",
            &["http.tokens", "array of tables"],
        ),
        // G19, G20.
        (
            "[runner]\nconcurrency = 0\n",
            &["runner.concurrency", "from 1 to 4096"],
        ),
        (
            "[runner]\nconcurrency = 1000000\n",
            &["runner.concurrency", "from 1 to 4096"],
        ),
        (
            "[log]\nfilter = \"loud\"\n",
            &["log.filter", "\"loud\"", "debug"],
        ),
        ("[log]\nfilter = \"\"\n", &["log.filter"]),
        ("[log]\nfilter = \"info,sqlx=noisy\"\n", &["log.filter"]),
        ("[log]\nformat = \"xml\"\n", &["log.format", "pretty"]),
        // What this version cannot do.
        (
            "[events.sqs]\nqueue_url = \"https://sqs.us-east-1.amazonaws.com/1/q\"\nregion = \"us-east-1\"\n",
            &["events.sqs.queue_url", "POST /v1/events"],
        ),
    ];
    for (extra, says) in table {
        refused(&with(extra), &[], says);
    }
}

#[test]
fn one_wrong_value_in_the_base_is_told_with_its_place() {
    let table: &[(&str, &str, &[&str])] = &[
        // G8, G9, G10: URLs (the rules themselves are tested beside them).
        (
            "http://127.0.0.1:1/graphql",
            "http://example.com/graphql",
            &[":4:1: buy_with_prime.endpoint", "allow_plaintext"],
        ),
        (
            "http://127.0.0.1:1/token",
            "https://u:canary@example.com/",
            &[":5:1: buy_with_prime.token_endpoint", "password"],
        ),
        (
            "http://127.0.0.1:1/refunds",
            "https://example.com/#x",
            &[":10:1: refunds.url", "fragment"],
        ),
        (
            "http://127.0.0.1:1/oms",
            "http://169.254.169.254/oms",
            &[":12:1: oms.url", "link-local"],
        ),
        (
            "http://127.0.0.1:1/oms",
            "/oms",
            &[":12:1: oms.url", "absolute"],
        ),
        ("http://127.0.0.1:1/oms", "", &[":12:1: oms.url", "empty"]),
        // Secrets.
        (
            "\"canary-one\"",
            "7",
            &[":7:1: buy_with_prime.client_secret", "an integer"],
        ),
        (
            "\"canary-one\"",
            "\" \"",
            &[":7:1: buy_with_prime.client_secret", "empty"],
        ),
        (
            "client_secret = \"canary-one\"",
            "",
            &["buy_with_prime.client_secret", "client_secret_file"],
        ),
        (
            "client_secret =",
            "client_secret_file =",
            &[":7:1: buy_with_prime.client_secret_file", "canary-one"],
        ),
        ("whsec_", "", &[":13:1: oms.secret", "whsec_"]),
        ("whsec_Y2Fu", "whsec_Y2F", &[":13:1: oms.secret", "base64"]),
        ("whsec_Y2Fu", "whsec_Y-Fu", &[":13:1: oms.secret", "base64"]),
        // Ids.
        (
            "\"bp-1\"",
            "\"bp 1\"",
            &[":8:1: buy_with_prime.target_id", "target id"],
        ),
        (
            "target_id = \"bp-1\"",
            "",
            &[":3:2: buy_with_prime.target_id", "missing"],
        ),
        (
            "client_id = \"id\"",
            "client_id = \"\"",
            &[":6:1: buy_with_prime.client_id", "empty"],
        ),
        (
            "client_id = \"id\"",
            "client_id = 5",
            &[":6:1: buy_with_prime.client_id", "it is 5"],
        ),
        // G4.
        (
            "[refunds]",
            "visibility_lag = \"59s\"\n[refunds]",
            &[
                ":9:1: buy_with_prime.visibility_lag:",
                ">= 2 x buy_with_prime.request_timeout",
                "59s and 30s",
            ],
        ),
        (
            "[refunds]",
            "request_timeout = \"3m\"\nvisibility_lag = \"10m\"\n[refunds]",
            &[":9:1: buy_with_prime.request_timeout: runner.lease >= 3 x"],
        ),
        (
            "[oms]",
            "quiet = \"59s\"\n[oms]",
            &[
                ":11:1: refunds.quiet",
                "refunds.quiet >= 2 x refunds.request_timeout",
            ],
        ),
        (
            "[oms]",
            "key_horizon = \"24h\"\n[oms]",
            &[":11:1: refunds.key_horizon", "below 24h"],
        ),
        (
            "[oms]",
            "connect_timeout = \"31s\"\n[oms]",
            &[":11:1: refunds.connect_timeout", "request_timeout"],
        ),
        (
            "[refunds]",
            "rate_limit = 0\n[refunds]",
            &[":9:1: buy_with_prime.rate_limit", "above 0", "it is 0"],
        ),
        (
            "[refunds]",
            "rate_limit = -1.5\n[refunds]",
            &["buy_with_prime.rate_limit", "it is -1.5"],
        ),
        (
            "[refunds]",
            "rate_limit = nan\n[refunds]",
            &["buy_with_prime.rate_limit"],
        ),
        (
            "[refunds]",
            "rate_limit = inf\n[refunds]",
            &["buy_with_prime.rate_limit"],
        ),
        (
            "[refunds]",
            "rate_limit = \"5\"\n[refunds]",
            &["buy_with_prime.rate_limit"],
        ),
        (
            "[refunds]",
            "target_header = \"a b\"\n[refunds]",
            &["buy_with_prime.target_header"],
        ),
        (
            "[refunds]",
            "alias_type = \"\"\n[refunds]",
            &["buy_with_prime.alias_type"],
        ),
        (
            "[refunds]",
            "api_version = \"a\\nb\"\n[refunds]",
            &["buy_with_prime.api_version", "a\\nb"],
        ),
        // G12: the store.
        (
            "sqlite://c.db",
            "postgres://u:canary@host/db",
            &[":2:1: store.url", "Postgres"],
        ),
        (
            "sqlite://c.db",
            "sqlite://:memory:",
            &["store.url", "a file on disk"],
        ),
        (
            "sqlite://c.db",
            "sqlite://c.db?mode=memory",
            &["store.url", "without options"],
        ),
        (
            "sqlite://c.db",
            "sqlite://",
            &["store.url", "names no file"],
        ),
        ("sqlite://c.db", "c.db", &["store.url", "sqlite://"]),
        ("sqlite://c.db", "mysql://c.db", &["store.url", "sqlite://"]),
        (
            "sqlite://c.db",
            "sqlite:///no/such/place/c.db",
            &["store.url", "create it first"],
        ),
        ("sqlite://c.db", "sqlite:///", &["store.url", "directory"]),
    ];
    for (from, to, says) in table {
        refused(&replaced(from, to), &[], says);
    }
    refused(
        &replaced("c.db", &"x".repeat(5000)),
        &[],
        &["store.url", "bytes long"],
    );
}
