//! Query parameters and path segments, read as strictly as bodies.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use countermand::{InstanceId, ListFilter, OrderId, STATES, Status};

use crate::problem::{FieldError, Problem, echo};

/// Most items of a page.
const LIMIT_MAX: usize = 500;
/// Items of a page unless asked otherwise.
const LIMIT_DEFAULT: usize = 50;

/// What `GET /v1/cancellations` is asked.
pub(crate) struct Listing {
    pub(crate) filter: ListFilter,
    pub(crate) cursor: Option<String>,
    pub(crate) limit: usize,
}

pub(crate) fn listing(query: Option<&str>) -> Result<Listing, Problem> {
    let mut errors = Vec::new();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let known = ["state", "status", "orderId", "cursor", "limit"];
        let (code, detail) = if !known.contains(&&*name) {
            let known = known.join(", ");
            (
                "unknown_parameter",
                format!("is not known here; known are {known}"),
            )
        } else if found.contains_key(&*name) {
            ("duplicate_parameter", "stands there twice".to_owned())
        } else {
            found.insert(name.into_owned(), value.into_owned());
            continue;
        };
        errors.push(FieldError {
            pointer: echo(&name),
            code,
            detail,
        });
    }
    let mut refuse = |name: &str, code, detail: String| {
        errors.push(FieldError {
            pointer: name.to_owned(),
            code,
            detail,
        });
    };
    let state = found.remove("state");
    if state
        .as_ref()
        .is_some_and(|state| !STATES.contains(&&**state))
    {
        refuse(
            "state",
            "invalid",
            format!("must be one of {}", STATES.join(", ")),
        );
    }
    let status = found.remove("status").and_then(|text| {
        let status = status(&text);
        if status.is_none() {
            let detail = "must be one of running, waiting, attention, finished";
            refuse("status", "invalid", detail.to_owned());
        }
        status
    });
    let order_id = found.remove("orderId").and_then(|text| {
        OrderId::new(text)
            .map_err(|error| refuse("orderId", "invalid", error.to_string()))
            .ok()
    });
    let limit = found.remove("limit").map_or(Some(LIMIT_DEFAULT), |text| {
        let limit = limit(&text);
        if limit.is_none() {
            let detail = format!("must be a number from 1 to {LIMIT_MAX}");
            refuse("limit", "invalid", detail);
        }
        limit
    });
    match limit {
        Some(limit) if errors.is_empty() => Ok(Listing {
            filter: ListFilter {
                state,
                status,
                order_id,
                older_than: None,
            },
            cursor: found.remove("cursor"),
            limit,
        }),
        _ => Err(Problem::fields(errors)),
    }
}

fn limit(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let limit = text.parse().ok().filter(|_| digits)?;
    (1..=LIMIT_MAX).contains(&limit).then_some(limit)
}

fn status(text: &str) -> Option<Status> {
    Some(match text {
        "running" => Status::Running,
        "waiting" => Status::Waiting,
        "attention" => Status::Attention,
        "finished" => Status::Finished,
        _ => return None,
    })
}

/// The id in a path; looked at only once the caller is known to be allowed to ask.
pub(crate) type IdPath = Result<Path<String>, PathRejection>;

/// The id in a path.
pub(crate) fn id(path: IdPath) -> Result<InstanceId, Problem> {
    let unreadable = || Problem::bad_request("id", "the id in the path cannot be read");
    let Path(segment) = path.map_err(|_| unreadable())?;
    InstanceId::new(segment)
        .map_err(|error| Problem::bad_request("id", format!("in the path, {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(limit("1"), Some(1));
        assert_eq!(limit("500"), Some(500));
        for bad in [
            "0",
            "-1",
            "+1",
            "501",
            "100000000000000000000",
            "abc",
            "1e3",
            "",
            " 1",
        ] {
            assert_eq!(limit(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn every_problem_at_once() {
        let problem = listing(Some(
            "state=FOO&status=x&limit=0&sort=state&limit=1&orderId=a%20b",
        ));
        let codes: Vec<_> = problem
            .err()
            .map(|problem| {
                problem
                    .errors
                    .into_iter()
                    .map(|e| (e.pointer, e.code))
                    .collect()
            })
            .unwrap_or_default();
        let expected = [
            ("`sort`", "unknown_parameter"),
            ("limit", "duplicate_parameter"),
            ("state", "invalid"),
            ("status", "invalid"),
            ("orderId", "invalid"),
            ("limit", "invalid"),
        ];
        let expected: Vec<_> = expected.map(|(name, code)| (name.to_owned(), code)).into();
        assert_eq!(
            codes
                .iter()
                .map(|(p, c)| (p.trim_matches('`').to_owned(), *c))
                .collect::<Vec<_>>(),
            expected
                .iter()
                .map(|(p, c)| (p.trim_matches('`').to_owned(), *c))
                .collect::<Vec<_>>()
        );
    }
}
