//! Who may do what: bearer tokens with roles.

use axum::http::{HeaderMap, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::problem::Problem;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Read,
    /// Ask for cancellations, act as an operator, bring in events; includes looking.
    Operate,
    /// Bring in events, nothing else.
    Ingest,
}

/// A bearer token. Only its SHA-256 is kept.
#[derive(Clone)]
pub struct Token {
    name: String,
    role: Role,
    digest: [u8; 32],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// A token with its name and role.
    #[must_use]
    pub fn new(name: impl Into<String>, role: Role, token: &SecretString) -> Self {
        Self {
            name: name.into(),
            role,
            digest: digest(token.expose_secret().as_bytes()),
        }
    }

    /// Its name, which the history records.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may do.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What a route demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Read,
    Operate,
    Ingest,
}

impl Need {
    fn is_met_by(self, role: Role) -> bool {
        match self {
            Self::Read => matches!(role, Role::Read | Role::Operate),
            Self::Operate => role == Role::Operate,
            Self::Ingest => matches!(role, Role::Ingest | Role::Operate),
        }
    }
}

/// Whoever asks: the name of the token; `None` where no tokens are configured (loopback only).
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Option<String>);

/// Lets a request through, or not. All tokens are compared, each in constant time, so that neither
/// the answer nor its time tells how close a guess was.
pub(crate) fn admit(tokens: &[Token], headers: &HeaderMap, need: Need) -> Result<Caller, Problem> {
    if tokens.is_empty() {
        return Ok(Caller(None));
    }
    let given = digest(bearer(headers).unwrap_or_default());
    let mut found = None;
    for token in tokens {
        if bool::from(token.digest.ct_eq(&given)) {
            found = Some(token);
        }
    }
    let Some(token) = found else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "a valid bearer token is required in the Authorization header",
        ));
    };
    if need.is_met_by(token.role) {
        Ok(Caller(Some(token.name.clone())))
    } else {
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "the token's role does not allow this",
        ))
    }
}

/// The token of the one `Authorization: Bearer …` header, exactly so spelled.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let token = value.as_bytes().strip_prefix(b"Bearer ")?;
    let sound = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    sound.then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(need: Need, authorization: &[&str]) -> Option<u16> {
        let tokens = [
            Token::new("viewer", Role::Read, &"read-secret".into()),
            Token::new("shop", Role::Operate, &"operate-secret".into()),
            Token::new("amazon", Role::Ingest, &"ingest-secret".into()),
        ];
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        admit(&tokens, &headers, need)
            .err()
            .map(|problem| problem.status.as_u16())
    }

    #[test]
    fn roles() {
        let read = ["Bearer read-secret"];
        let operate = ["Bearer operate-secret"];
        let ingest = ["Bearer ingest-secret"];
        assert_eq!(status(Need::Read, &read), None);
        assert_eq!(status(Need::Operate, &read), Some(403));
        assert_eq!(status(Need::Ingest, &read), Some(403));
        assert_eq!(status(Need::Read, &operate), None);
        assert_eq!(status(Need::Operate, &operate), None);
        assert_eq!(status(Need::Ingest, &operate), None);
        assert_eq!(status(Need::Read, &ingest), Some(403));
        assert_eq!(status(Need::Operate, &ingest), Some(403));
        assert_eq!(status(Need::Ingest, &ingest), None);
    }

    #[test]
    fn anything_else_is_401() {
        for bad in [
            &[][..],
            &["Bearer wrong"],
            &["bearer read-secret"],
            &["Bearer  read-secret"],
            &["Bearer read-secret x"],
            &["Basic read-secret"],
            &["Bearer "],
            &["Bearer read-secret", "Bearer read-secret"],
        ] {
            assert_eq!(status(Need::Read, bad), Some(401), "{bad:?}");
        }
    }

    #[test]
    fn tokens_do_not_show() {
        let token = Token::new("shop", Role::Operate, &"CANARY".into());
        assert!(!format!("{token:?}").contains("CANARY"));
    }
}
