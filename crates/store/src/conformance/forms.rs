//! What a write may hold, and how it comes back.

use countermand_core::Epoch;

use super::bench::{Bench, Failure, Fixture, Outcome, check, check_eq, refused};
use crate::{Disposition, Save, Write};

pub(super) async fn each_entry_keeps_the_version_that_wrote_it<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.fact(&row, "new");
    save.entries[0].version = 2;
    save.body.version = 2;
    save.body.state = r#"{"state":"new","since":2}"#.into();
    let row = b.apply(save).await?;
    let mut save = b.fact(&row, "moved");
    save.entries[0].version = u32::MAX;
    save.body.version = u32::MAX;
    let row = b.apply(save).await?;
    check_eq!(row.body.version, u32::MAX, "the row's version");
    let versions: Vec<u32> = b
        .history("a")
        .await?
        .iter()
        .map(|entry| entry.entry.version)
        .collect();
    check_eq!(versions, [1, 2, u32::MAX], "the entries' versions");
    Ok(())
}

pub(super) async fn a_state_comes_back_byte_for_byte<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let long = format!(r#"{{"long":"{}"}}"#, "0123456789abcdef".repeat(20_000));
    let texts = [
        r#" { "b" : 1.10 , "a":1e400,"a":2, "n":123456789012345678901234567890 } "#,
        "{\"text\":\"\u{1f980} \u{e9} e\u{301} \u{fffd} \u{7f} \\u0000 \\ud83e\\udd80 \\/ \\\"\"}",
        long.as_str(),
    ];
    let mut row = b.begin_one("a").await?;
    for text in texts {
        let mut save = b.fact(&row, "new");
        save.body.state = text.into();
        save.retries = text.into();
        save.entries[0].input = text.into();
        row = b.apply(save).await?;
        check!(row.body.state == text, "a state came back changed");
        check!(row.retries == text, "retries came back changed");
        let history = b.history("a").await?;
        let input = history.last().map(|entry| entry.entry.input.as_str());
        check!(input == Some(text), "an input came back changed");
    }
    Ok(())
}

pub(super) async fn any_json_is_a_state<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    // What a later version wrote, or what is damaged within: the store hands it out, and goes on.
    let mut row = b.begin_one("a").await?;
    b.begin_one("b").await?;
    for text in ["null", "[]", "0", "\"\"", r#"{"state":"of another age"}"#] {
        let mut save = b.fact(&row, "new");
        save.body.state = text.into();
        row = b.apply(save).await?;
        check_eq!(row.body.state, text, "the state");
        check_eq!(b.claim(10, &[]).await?.rows.len(), 2, "rows claimed");
    }
    Ok(())
}

/// Commits a batch with one save that must be refused, alone.
async fn refused_alone<F: Fixture>(b: &mut Bench<F>, spoil: impl FnOnce(&mut Save)) -> Outcome {
    let rows = [
        b.begin_one("a").await?,
        b.begin_one("b").await?,
        b.begin_one("c").await?,
    ];
    let mut saves: Vec<Save> = Vec::new();
    for row in &rows {
        saves.push(b.fact(row, "moved"));
    }
    spoil(&mut saves[1]);
    let answers = b
        .commit(saves.into_iter().map(Write::Save).collect())
        .await?;
    check!(refused(&answers[1]), "the spoilt one: {:?}", answers[1]);
    check_eq!(b.row("b").await?, rows[1], "its row");
    check_eq!(b.history("b").await?.len(), 1, "its entries");
    for id in ["a", "c"] {
        check_eq!(b.row(id).await?.revision, 2, "the revision of {id}");
    }
    Ok(())
}

pub(super) async fn a_state_that_is_no_json_is_refused_alone<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    refused_alone(b, |save| save.body.state = "{".into()).await
}

pub(super) async fn an_input_that_is_no_json_is_refused_alone<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    refused_alone(b, |save| save.entries[0].input = "nonsense".into()).await
}

pub(super) async fn a_nul_character_is_refused_alone<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    refused_alone(b, |save| save.entries[0].actor = Some("some\0body".into())).await
}

pub(super) async fn a_number_out_of_range_is_refused_alone<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    refused_alone(b, |save| {
        save.body.open_intent_epoch = Some(Epoch(u64::MAX));
    })
    .await
}

pub(super) async fn a_refused_write_leaves_nothing<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let mut start = b.start("a", "a");
    start.body.external_id = Some("web-1".into());
    start.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    start.body.state = "{".into();
    let answer = b.write(Write::Start(start.clone())).await?;
    check!(refused(&answer), "{answer:?}");
    check!(b.find("a").await?.is_none(), "it happened");
    check!(b.inbox().await?.is_empty(), "its event was stored");
    start.body.state = "{}".into();
    b.begin(start).await?;
    Ok(())
}
