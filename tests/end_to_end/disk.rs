//! Disks that fail under a working daemon: full, broken, limited, read-only, and well again without
//! a restart (rules R1 and R9).

mod load;
mod site;
mod trial;

use std::io::Write as _;

use nix::errno::Errno;

use site::Trouble;
use trial::Trial;

type Tested = anyhow::Result<()>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_lived_through() -> Tested {
    let trial = Trial::new(21, Trouble::Writes(Errno::ENOSPC)).await?;
    trial.live_through().await?;
    assert!(trial.site.failed()? > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_writes_are_lived_through() -> Tested {
    let trial = Trial::new(22, Trouble::Writes(Errno::EIO)).await?;
    trial.live_through().await?;
    assert!(trial.site.failed()? > 0);
    Ok(())
}

/// Rule R9: what a handle's failed sync was to make durable may never become so, whatever a later
/// sync on that handle says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_syncs_are_lived_through() -> Tested {
    let trial = Trial::new(23, Trouble::Syncs).await?;
    trial.live_through().await?;
    assert!(trial.site.failed()? > 0);
    assert_eq!(
        trial.site.reused()?,
        0,
        "a handle was used after its sync failed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_once_is_lived_through() -> Tested {
    let trial = Trial::new(24, Trouble::SyncsOnce(1)).await?;
    trial.live_through().await?;
    assert_eq!(trial.site.failed()?, 1);
    assert_eq!(
        trial.site.reused()?,
        0,
        "a handle was used after its sync failed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_to_the_size_of_files_is_lived_through() -> Tested {
    let trial = Trial::new(25, Trouble::FileSize).await?;
    trial.live_through().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_turns_read_only_is_lived_through() -> Tested {
    let trial = Trial::new(26, Trouble::ReadOnly).await?;
    trial.live_through().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_full_file_system_is_lived_through() -> Tested {
    let trial = Trial::new(27, Trouble::Full).await?;
    trial.live_through().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_killed_on_a_full_disk_has_lost_nothing() -> Tested {
    let trial = Trial::new(28, Trouble::Writes(Errno::ENOSPC)).await?;
    trial.die_of().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_killed_amid_failing_syncs_has_lost_nothing() -> Tested {
    let trial = Trial::new(29, Trouble::Syncs).await?;
    trial.die_of().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_daemon_starts_on_a_disk_that_fails() -> Tested {
    for trouble in [
        Trouble::Writes(Errno::ENOSPC),
        Trouble::Writes(Errno::EIO),
        Trouble::Syncs,
        Trouble::ReadOnly,
        Trouble::Full,
    ] {
        Trial::new(30, trouble).await?.keep_from_starting().await?;
    }
    Ok(())
}

/// The proof of the shim: what rule R9 forbids is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_use_of_a_handle_after_its_sync_failed_is_caught() -> Tested {
    let trial = Trial::new(31, Trouble::SyncsOnce(1)).await?;
    trial.site.break_down(Trouble::SyncsOnce(1), None).await?;
    let mut child = tokio::process::Command::new(std::env::current_exe()?);
    child
        .args(["--exact", "disk::a_child_that_uses_a_handle_again"])
        .env(CHILD, trial.site.store_directory());
    trial.site.dress(&mut child);
    let ran = child.output().await?;
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(trial.site.failed()?, 1);
    // One write, and one sync that claims to have succeeded.
    assert_eq!(trial.site.reused()?, 2);
    Ok(())
}

/// Where the child of the test above works.
const CHILD: &str = "DISK_CHILD";

/// What the test above starts in a process of its own. Without its orders it has nothing to do.
#[test]
fn a_child_that_uses_a_handle_again() -> Tested {
    let Some(directory) = std::env::var_os(CHILD) else {
        return Ok(());
    };
    let mut file = std::fs::File::create(std::path::Path::new(&directory).join("file"))?;
    file.write_all(b"one")?;
    assert!(file.sync_all().is_err(), "the shim does not strike");
    file.write_all(b"two")?;
    Ok(file.sync_all()?)
}
