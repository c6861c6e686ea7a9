//! What comes in: the HTTP API with its tokens, and queues of events.

use std::net::SocketAddr;
use std::path::Path;

use secrecy::ExposeSecret;

use super::{is_visible_ascii, url};
use crate::config::notes::Notes;
use crate::config::problem::quote;
use crate::config::reader::Section;
use crate::config::{Http, Role, Token};

pub(super) fn http(mut section: Section, notes: &mut Notes, base: &Path) -> Http {
    const DEFAULT: &str = "127.0.0.1:8080";
    let text = section
        .text(notes, "listen", Some(DEFAULT))
        .unwrap_or_else(|| DEFAULT.to_owned());
    let listen = text.parse().unwrap_or_else(|_| {
        let message = format!(
            "is {}; it must be an IP address and a port, such as 127.0.0.1:8080 or [::1]:0",
            quote(&text)
        );
        notes.problem("http.listen", message);
        SocketAddr::from(([127, 0, 0, 1], 0))
    });
    let tokens: Vec<Token> = section
        .sections(notes, "tokens")
        .into_iter()
        .filter_map(|section| token(section, notes, base))
        .collect();
    for (index, token) in tokens.iter().enumerate() {
        let earlier = tokens.get(..index).unwrap_or_default();
        if earlier.iter().any(|other| other.name == token.name) {
            let message = format!(
                "{} is the name of two tokens; each needs its own",
                quote(&token.name)
            );
            notes.problem(&format!("http.tokens.{index}.name"), message);
        }
        if earlier
            .iter()
            .any(|other| other.secret.expose_secret() == token.secret.expose_secret())
        {
            notes.problem(
                &format!("http.tokens.{index}.token"),
                "is the same as that of another token; each needs its own",
            );
        }
    }
    if tokens.is_empty() && !listen.ip().is_loopback() && notes.is_sound("http.listen") {
        let message = format!(
            "is {listen}, which others can reach; without tokens only loopback may be listened on: give [[http.tokens]] or listen on 127.0.0.1"
        );
        notes.problem("http.listen", message);
    }
    section.close(notes);
    Http { listen, tokens }
}

fn token(mut section: Section, notes: &mut Notes, base: &Path) -> Option<Token> {
    let name = section.required(notes, "name", "a name for the log, such as \"console\"");
    let role = section.required(notes, "role", "\"read\", \"operate\" or \"ingest\"");
    let role = role.and_then(|text| match text.as_str() {
        "read" => Some(Role::Read),
        "operate" => Some(Role::Operate),
        "ingest" => Some(Role::Ingest),
        _ => {
            let message = format!(
                "is {}; it must be \"read\", \"operate\" or \"ingest\"",
                quote(&text)
            );
            notes.problem(&section.full("role"), message);
            None
        }
    });
    let token = section.secret(notes, "token", base);
    if let Some(token) = &token {
        let text = token.expose_secret();
        if !is_visible_ascii(text) {
            notes.problem(
                &section.full("token"),
                "must be visible ASCII without blanks: it is sent in a header",
            );
        } else if text.len() < 32 {
            notes.warn(
                &section.full("token"),
                "is short; 32 random characters or more cannot be guessed",
            );
        }
    }
    section.close(notes);
    Some(Token {
        name: name?,
        role: role?,
        secret: token?,
    })
}

pub(super) fn events(notes: &mut Notes, root: &mut Section) {
    let mut section = root.section(notes, "events");
    let has_queue = section.has("sqs");
    let mut sqs = section.section(notes, "sqs");
    if has_queue {
        let allow_plaintext = sqs.boolean(notes, "allow_plaintext", false);
        url(notes, &mut sqs, "queue_url", allow_plaintext);
        sqs.required(notes, "region", "a region such as us-east-1");
        if sqs.has("endpoint_url") {
            url(notes, &mut sqs, "endpoint_url", allow_plaintext);
        }
        notes.problem(
            "events.sqs.queue_url",
            "this version cannot read SQS queues yet; remove the section, and let events come to POST /v1/events",
        );
    }
    sqs.close(notes);
    section.close(notes);
}
