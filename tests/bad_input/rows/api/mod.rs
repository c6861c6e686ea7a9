//! The HTTP API, request by request.

mod connections;
mod documents;
mod operators;
mod requests;

use crate::rows::row;
use crate::stage::Stage;
use crate::table::Chapter;

type Tried = anyhow::Result<()>;
type OnStage = std::sync::Arc<Stage>;

pub(crate) fn chapter() -> Chapter {
    Chapter {
        title: "The HTTP API",
        intro: "Errors are `application/problem+json` with a stable `code`, a `requestId`, and in `errors` a JSON\n\
                pointer to what is wrong. No more than 64 characters of what came in are repeated. Nothing\n\
                that is refused leaves anything in the store.",
        rows: vec![
            row!(
                "A1",
                "no body, an empty one, blanks",
                "400 `body_missing`",
                documents::a1
            ),
            row!(
                "A2",
                "`Content-Type` of text, a form, multipart, UTF-16, or none",
                "415 `unsupported_media_type`",
                documents::a2
            ),
            row!(
                "A3",
                "JSON cut off, with something behind it, two documents, JSON lines",
                "400 `json_invalid`, with line and place",
                documents::a3
            ),
            row!(
                "A4",
                "invalid UTF-8, a lone surrogate, UTF-16, a byte order mark",
                "400 `json_invalid`",
                documents::a4
            ),
            row!(
                "A5",
                "a key twice",
                "400 `duplicate_key`; the last one does not win",
                documents::a5
            ),
            row!(
                "A6",
                "nested 33, 10,000 and 200,000 deep",
                "400 `depth`; the stack is safe",
                documents::a6
            ),
            row!(
                "A7",
                "256 KiB and a byte; a length of 10^12; a body without end",
                "413 `body_too_long`, before it was read; the connection closes",
                documents::a7
            ),
            row!(
                "A8",
                "a compressed body",
                "415 `unsupported_media_type`",
                documents::a8
            ),
            row!(
                "A9",
                "an unknown member: `note`, `Reason`, `__proto__`",
                "400 `unknown_field`, naming it",
                documents::a9
            ),
            row!(
                "A10",
                "an order id that is empty, blank, has blanks around it, or 65 characters",
                "400 `invalid` at `/orderId`",
                requests::a10
            ),
            row!(
                "A11",
                "an order id with a line break, NUL, ESC, right-to-left override, full-width digits, Cyrillic letters",
                "400 `invalid` at `/orderId`",
                requests::a11
            ),
            row!(
                "A12",
                "an order id of SQL, templates, paths, percent codes",
                "400 `invalid` at `/orderId`",
                requests::a12
            ),
            row!(
                "A13",
                "an order id that is GraphQL",
                "400 `invalid` at `/orderId`; ids go to Amazon as variables in any case",
                requests::a13
            ),
            row!(
                "A14",
                "an order id that is a number, null, a list, an object, true",
                "400 `type` at `/orderId`",
                requests::a14
            ),
            row!(
                "A15",
                "a reason in lower case, unknown, a number",
                "400 `invalid` or `type`, naming the reasons that there are",
                requests::a15
            ),
            row!(
                "A16",
                "the reason OTHER without comments",
                "400 `invalid` at `/additionalComments`",
                requests::a16
            ),
            row!(
                "A17",
                "comments of 257 characters, 257 emoji, 5,000 bytes; HTML and scripts",
                "400; HTML is accepted, and is inert: the API speaks JSON only",
                requests::a17
            ),
            row!(
                "A18",
                "aliases of the caller's own",
                "400 `unknown_field`: the one alias is ours, made of the external id",
                requests::a18
            ),
            row!(
                "A19",
                "neither an order id nor anything in its place",
                "400 `required` at `/orderId`",
                requests::a19
            ),
            row!(
                "A20",
                "the same external id and body twice, and a hundred times at once",
                "one cancellation: 202 once, then 200 with the same id",
                requests::a20
            ),
            row!(
                "A21",
                "the same external id with another body",
                "409, naming the first, which stays as it was",
                requests::a21
            ),
            row!(
                "A22",
                "an external id that is empty, has 65 characters or control characters",
                "400 `invalid` at `/externalId`; without one the order id is what counts",
                requests::a22
            ),
            row!(
                "A23",
                "no external id, the same order twice",
                "409 with the id of the live cancellation",
                requests::a23
            ),
            row!(
                "A24",
                "an order that is cancelled already; one whose cancellation was rejected",
                "409, naming it; accepted",
                requests::a24
            ),
            row!(
                "A25",
                "`If-Match` on an operator's command",
                "ignored: commands are judged by the state they meet, and say so",
                operators::a25
            ),
            row!(
                "A26",
                "an unknown id; one with blanks, NUL, invalid UTF-8; one of 10 KiB; one with a slash",
                "404; 400 `id`; 414 `uri_too_long`; 404",
                requests::a26
            ),
            row!(
                "A27",
                "`limit` of 0, -1, 501, 10^20, `abc`, `1e3`, nothing",
                "400 `invalid`",
                requests::a27
            ),
            row!(
                "A28",
                "a cursor that was changed, comes from elsewhere, is empty, is SQL, has 10 KiB",
                "400 `cursor`, or 414; it only ever becomes a bound parameter",
                requests::a28
            ),
            row!(
                "A29",
                "a state or status that does not exist, a filter that we do not have",
                "400 `invalid`, 400 `unknown_parameter`",
                requests::a29
            ),
            row!(
                "A30",
                "`sort` by anything",
                "400 `unknown_parameter`: there is one order, newest first",
                requests::a30
            ),
            row!(
                "A31",
                "a wrong method, TRACE, CONNECT, `X-HTTP-Method-Override`",
                "405 with `Allow`; the override is ignored",
                connections::a31
            ),
            row!(
                "A32",
                "HEAD and OPTIONS on every route",
                "no side effect, no CORS headers",
                connections::a32
            ),
            row!(
                "A33",
                "no token, a wrong one, one with blanks, two headers, one in the address",
                "401 with `WWW-Authenticate`, in the same words",
                connections::a33
            ),
            row!(
                "A34",
                "a read token that asks for a cancellation, an ingest token that lists",
                "403 `forbidden`",
                connections::a34
            ),
            row!("A35", "a foreign `Host`, none, an absolute address, `X-Forwarded-Host`", "without tokens only loopback names are answered; with tokens the host is not looked at, and never repeated", elsewhere "crates/server/tests/it/listening.rs" "without_tokens_only_requests_to_this_machine"),
            row!(
                "A36",
                "chunked and a length; two lengths; folded headers; a bare line feed",
                "400 or one harmless answer, and the connection closes: nothing behind it is taken for a second request",
                connections::a36
            ),
            row!(
                "A37",
                "65 headers; 17 KiB of headers; a name with a blank",
                "431 `headers_too_large`; 400",
                connections::a37
            ),
            row!(
                "A38",
                "a head that stops; a body that stops",
                "closed after 10 s; 408 after 30 s; others are served meanwhile",
                connections::a38
            ),
            row!(
                "A39",
                "a thousand requests in one go, then gone",
                "bounded; the daemon serves others",
                connections::a39
            ),
            row!(
                "A40",
                "a caller that goes away after sending a request",
                "stored or not; asking again is safe, and there is one",
                connections::a40
            ),
            row!(
                "A41",
                "`Expect: 100-continue` with too long a body",
                "413, and no 100",
                connections::a41
            ),
            row!(
                "A42",
                "retry, withdraw and resolve on what is finished, on what does not exist, without a note",
                "409; 404; 400",
                operators::a42
            ),
            row!(
                "A43",
                "a refund marked as paid with a malformed amount, currency or id",
                "400, naming the member; the history stays as it was",
                operators::a43
            ),
            row!(
                "A44",
                "HTTP/2: rapid resets, thousands of streams, floods",
                "the daemon speaks HTTP/1.1 only: the preface is answered 400 or closed",
                connections::a44
            ),
            row!(
                "A45",
                "`Accept: text/html`, `Accept: application/xml`",
                "JSON, never HTML",
                connections::a45
            ),
            row!(
                "A46",
                "scripts in the path or the query",
                "JSON that is never taken for HTML: `nosniff`, a content security policy that allows nothing",
                connections::a46
            ),
            row!("A47", "metrics by order id", "", none "the daemon has no metrics yet"),
        ],
    }
}
